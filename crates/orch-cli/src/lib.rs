//! The command line of `orch`.
