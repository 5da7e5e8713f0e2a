//! `orch-pty` on real terminals, each test with a host of its own.

mod contract;
mod delivery;
mod ending;
mod events;
mod launching;
mod looking;
mod losing;
mod world;
