//! `orch-pty` on real terminals, each test with a host of its own.

mod attaching;
mod contract;
mod delivery;
mod ending;
mod events;
mod hosts;
mod launching;
mod load;
mod looking;
mod losing;
mod terminal;
mod world;
