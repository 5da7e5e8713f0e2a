//! The driver over a world in memory and a workdir on disk.

mod bench;
mod edits;
mod panics;
mod time;
