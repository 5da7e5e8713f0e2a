//! What is typed into a terminal and not yet taken by it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use tokio::sync::{Notify, oneshot};

/// How many bytes may wait before the terminal's own answers are left out: a program that asks and
/// never reads wants none.
const MOST: usize = 64 * 1024;

/// Parcels of bytes in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    parcels: RefCell<VecDeque<Parcel>>,
    waiting: Cell<usize>,
    next: Cell<u64>,
    closed: Cell<bool>,
    wake: Notify,
    room: Notify,
}

/// Bytes that are written without others in between.
#[derive(Debug)]
struct Parcel {
    id: u64,
    bytes: Vec<u8>,
    at: usize,
    done: Option<oneshot::Sender<()>>,
}

/// A parcel on its way.
#[derive(Debug)]
pub(super) struct Posted {
    pub(super) id: u64,
    /// Answered when all of it was taken; dropped when the terminal is gone.
    pub(super) done: oneshot::Receiver<()>,
}

impl Outgoing {
    /// Posts bytes that somebody waits for.
    pub(super) fn post(&self, bytes: Vec<u8>) -> Posted {
        let (sender, done) = oneshot::channel();
        let id = self.push(bytes, Some(sender));
        Posted { id, done }
    }

    /// Posts an answer of the terminal, unless too much waits already.
    pub(super) fn answer(&self, bytes: Vec<u8>) {
        if !bytes.is_empty() && self.waiting.get() + bytes.len() <= MOST {
            self.push(bytes, None);
        }
    }

    /// How many bytes of a parcel wait; 0 when it is gone.
    pub(super) fn left(&self, id: u64) -> usize {
        let parcels = self.parcels.borrow();
        parcels.iter().find(|parcel| parcel.id == id).map_or(0, |parcel| parcel.bytes.len() - parcel.at)
    }

    /// Takes back what of a parcel was not taken, and puts `end` in its place if a part was.
    pub(super) fn take_back(&self, id: u64, end: &[u8]) {
        let mut parcels = self.parcels.borrow_mut();
        let Some(parcel) = parcels.iter_mut().find(|parcel| parcel.id == id) else { return };
        let before = parcel.bytes.len();
        parcel.bytes.truncate(parcel.at);
        if parcel.at > 0 {
            parcel.bytes.extend_from_slice(end);
        }
        parcel.done = None;
        self.waiting.set(self.waiting.get() + parcel.bytes.len() - before);
        parcels.retain(|parcel| parcel.at < parcel.bytes.len());
        self.wake.notify_one();
    }

    /// Waits until something is to be written.
    pub(super) async fn filled(&self) {
        while self.parcels.borrow().is_empty() {
            self.wake.notified().await;
        }
    }

    /// Waits until few bytes wait.
    pub(super) async fn drained(&self) {
        while self.waiting.get() > MOST {
            self.room.notified().await;
        }
    }

    /// Hands the first waiting bytes over.
    pub(super) fn front<T>(&self, write: impl FnOnce(&[u8]) -> T) -> T {
        let parcels = self.parcels.borrow();
        write(parcels.front().map_or(&[], |parcel| &parcel.bytes[parcel.at..]))
    }

    /// Notes that so many of the first waiting bytes were taken.
    pub(super) fn written(&self, count: usize) {
        let mut parcels = self.parcels.borrow_mut();
        let Some(parcel) = parcels.front_mut() else { return };
        parcel.at += count;
        self.waiting.set(self.waiting.get().saturating_sub(count));
        if parcel.at >= parcel.bytes.len() {
            let done = parcels.pop_front().and_then(|parcel| parcel.done);
            // Whoever posted it may have stopped waiting.
            done.map(|done| done.send(()));
        }
        self.room.notify_one();
    }

    /// Drops everything, and what is still to come: the program has ended.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.parcels.borrow_mut().clear();
        self.waiting.set(0);
        self.room.notify_one();
    }

    fn push(&self, bytes: Vec<u8>, done: Option<oneshot::Sender<()>>) -> u64 {
        let id = self.next.get();
        self.next.set(id + 1);
        if self.closed.get() {
            return id;
        }
        if bytes.is_empty() {
            done.map(|done| done.send(()));
            return id;
        }
        self.waiting.set(self.waiting.get() + bytes.len());
        self.parcels.borrow_mut().push_back(Parcel { id, bytes, at: 0, done });
        self.wake.notify_one();
        id
    }
}
