//! The mocks' own harnesses for the contract suites.

mod executor;
mod forge;
mod vcs;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

pub(super) use executor::MockExecutorHarness;
pub(super) use forge::MockForgeHarness;
pub(super) use vcs::MockVcsHarness;

/// Drives a future of the mocks, which never wait for anything but the world.
///
/// # Panics
/// If the future waits for something that only another caller could make happen.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    match future.as_mut().poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the mocks never wait"),
    }
}
