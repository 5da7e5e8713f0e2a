//! A panic of somebody else's code as a value: a port that panics is one that failed.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// Waits for a future; its panic, in words, ends it instead. Nothing of it is used afterwards, so what
/// it left half done is not seen from here.
pub(crate) async fn caught<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
        Err(panic) => Poll::Ready(Err(in_words(panic.as_ref()))),
    })
    .await
}

fn in_words(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().map(ToString::to_string).or_else(|| panic.downcast_ref().cloned());
    format!("it panicked, which is a fault of the program: {}", said.unwrap_or_else(|| "without a message".to_owned()))
}
