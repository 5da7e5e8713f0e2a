use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::marker::PhantomData;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::journal::{JOURNAL_FORMAT, Record};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::atomic::{directory_of, sync_directory};
use crate::file_error::{Context, FileError};

mod faults;
mod lines;

pub use faults::{DieAt, Faults, NoFaults};
pub use lines::LineFault;

/// A record that knows its place in the journal.
pub trait Sequenced {
    /// The position, counted from 1 without gaps.
    fn seq(&self) -> u64;

    /// The journal format that this record announces for itself and those after it, if it is one that
    /// this version cannot read.
    fn unreadable_format(&self) -> Option<u32> {
        None
    }
}

impl Sequenced for orch_core::journal::Entry {
    fn seq(&self) -> u64 {
        self.seq.0
    }

    fn unreadable_format(&self) -> Option<u32> {
        let Record::Driver(driver) = &self.record else { return None };
        Some(driver.format).filter(|format| *format > JOURNAL_FORMAT)
    }
}

/// Why the journal could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refused; after a failed append the journal is as it was before.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line is not the record that belongs there; nothing was changed.
    #[error("{path}:{line}: {fault}; the {} lines before it are whole: restore the file from a copy, or keep those with `head -n {} {path} > whole.jsonl` after a look at the rest", line - 1, line - 1)]
    Damaged {
        /// The journal.
        path: Utf8PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        fault: LineFault,
    },
    /// A whole line that this version cannot read: a newer orch wrote it; nothing was changed.
    #[error(
        "{path}:{line}: was written by a newer orch ({what}); the journal is whole: use that version or a later one"
    )]
    Newer {
        /// The journal.
        path: Utf8PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What of it is not known here.
        what: String,
    },
    /// A record could not be written as JSON.
    #[error("cannot write record {seq} as JSON: {source}")]
    Unwritable {
        /// The record's place.
        seq: u64,
        /// What the serialiser said.
        source: serde_json::Error,
    },
    /// A record was handed in out of order; nothing was written.
    #[error("record {found} was appended where {expected} belongs")]
    OutOfOrder {
        /// The place that comes next.
        expected: u64,
        /// The record's own.
        found: u64,
    },
    /// The file does not have the length that the lock holder left it with: someone else wrote or cut it.
    #[error(
        "{path} was changed by another program: {found} bytes long, expected {expected}; stop that program and start orch again"
    )]
    Changed {
        /// The journal.
        path: Utf8PathBuf,
        /// The length that it should have.
        expected: u64,
        /// The length that it has.
        found: u64,
    },
    /// An append failed and could not be undone; the journal takes nothing more until it is opened again.
    #[error("{path} could not be restored after a failed write; start orch again when the disk is well")]
    Broken {
        /// The journal.
        path: Utf8PathBuf,
    },
}

/// The record log, open for appending: one JSON object a line, durable before [`Journal::append`] returns.
///
/// Only the holder of the workdir lock may have one.
pub struct Journal<T> {
    file: File,
    path: Utf8PathBuf,
    /// The length of all whole lines: what the file is cut back to when an append fails.
    length: u64,
    last: u64,
    broken: bool,
    faults: Arc<dyn Faults>,
    record: PhantomData<fn(&T)>,
}

/// A journal as it was found.
pub struct Opened<T> {
    /// The journal, ready to append.
    pub journal: Journal<T>,
    /// All records in it.
    pub records: Vec<T>,
    /// Bytes of an unfinished last line that were cut off: a write that the last holder did not live to finish.
    pub cut: u64,
}

/// How far a reader has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Cursor {
    /// The last record read; 0 at the start.
    pub seq: u64,
    /// The byte after it.
    pub offset: u64,
}

/// What a reader found.
#[derive(Debug)]
pub struct Records<T> {
    /// The records after the cursor.
    pub records: Vec<T>,
    /// Where to go on.
    pub cursor: Cursor,
}

impl<T: Sequenced + Serialize + DeserializeOwned> Journal<T> {
    /// Opens the journal, or makes an empty one (mode 0600), and cuts an unfinished last line.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] at the first line that is no record or not the next one, and
    /// [`JournalError::Newer`] at the first that only a newer version can read (the file is left
    /// untouched); [`JournalError::File`] when the system refuses.
    pub fn open(path: &Utf8Path) -> Result<Opened<T>, JournalError> {
        Self::open_with(path, Arc::new(NoFaults))
    }

    /// Opens the journal with a hook that tests use to die at chosen points.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_with(path: &Utf8Path, faults: Arc<dyn Faults>) -> Result<Opened<T>, JournalError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let file = options.open(path).doing("open", path)?;
        let Records { records, cursor } = read_from(&file, path, Cursor::default())?;
        let found = file.metadata().doing("look at", path)?.len();
        if found > cursor.offset {
            file.set_len(cursor.offset).doing("cut the unfinished last line of", path)?;
            file.sync_all().doing("flush", path)?;
        }
        sync_directory(&directory_of(path))?;
        let journal = Self {
            file,
            path: path.to_owned(),
            length: cursor.offset,
            last: cursor.seq,
            broken: false,
            faults,
            record: PhantomData,
        };
        Ok(Opened { journal, records, cut: found - cursor.offset })
    }

    /// Appends a batch with one write and one flush; when this returns, a power cut cannot undo it.
    /// An empty batch does nothing.
    ///
    /// # Errors
    /// [`JournalError::File`] when the system refuses (disk full): the journal is as before and may be
    /// tried again. [`JournalError::OutOfOrder`], [`JournalError::Unwritable`] and
    /// [`JournalError::Changed`] before anything is written. [`JournalError::Broken`] from the moment
    /// that a failed write could not be undone.
    pub fn append(&mut self, batch: &[T]) -> Result<(), JournalError> {
        if self.broken {
            return Err(JournalError::Broken { path: self.path.clone() });
        }
        let Some(last) = batch.last().map(Sequenced::seq) else { return Ok(()) };
        let bytes = self.encode(batch)?;
        let found = self.file.metadata().doing("look at", &self.path)?.len();
        if found != self.length {
            return Err(JournalError::Changed { path: self.path.clone(), expected: self.length, found });
        }
        if let Err(error) = self.write(&bytes) {
            self.roll_back();
            return Err(error.into());
        }
        self.length += bytes.len() as u64;
        self.last = last;
        self.faults.at("journal.synced");
        Ok(())
    }

    /// The last record and the byte after it.
    pub fn cursor(&self) -> Cursor {
        Cursor { seq: self.last, offset: self.length }
    }

    /// Where the journal is.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    fn encode(&self, batch: &[T]) -> Result<Vec<u8>, JournalError> {
        let mut bytes = Vec::new();
        for (record, expected) in batch.iter().zip(self.last + 1..) {
            let found = record.seq();
            if found != expected {
                return Err(JournalError::OutOfOrder { expected, found });
            }
            serde_json::to_writer(&mut bytes, record)
                .map_err(|source| JournalError::Unwritable { seq: found, source })?;
            bytes.push(b'\n');
        }
        Ok(bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.faults.at("journal.before-write");
        self.file.write_all(bytes).doing("append to", &self.path)?;
        self.faults.at("journal.written");
        self.file.sync_data().doing("flush", &self.path)
    }

    /// A record that was reported as not written must not come back at the next start.
    fn roll_back(&mut self) {
        let undone = self.file.set_len(self.length).and_then(|()| self.file.sync_all());
        self.broken = undone.is_err();
    }
}

/// Reads the whole journal, without the lock; an unfinished last line is ignored, an absent file is empty.
///
/// # Errors
/// As [`Journal::open`].
pub fn read_journal<T: Sequenced + DeserializeOwned>(path: &Utf8Path) -> Result<Records<T>, JournalError> {
    tail_journal(path, Cursor::default())
}

/// Reads what came after a cursor, without the lock.
///
/// # Errors
/// As [`Journal::open`]; [`JournalError::Changed`] when the file is now shorter than what was read
/// (a write was undone, or another journal took its place): begin again at `Cursor::default()`.
pub fn tail_journal<T: Sequenced + DeserializeOwned>(
    path: &Utf8Path,
    cursor: Cursor,
) -> Result<Records<T>, JournalError> {
    let file = match File::open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound && cursor.offset == 0 => {
            return Ok(Records { records: Vec::new(), cursor });
        }
        file => file.doing("open", path)?,
    };
    let found = file.metadata().doing("look at", path)?.len();
    if found < cursor.offset {
        return Err(JournalError::Changed { path: path.to_owned(), expected: cursor.offset, found });
    }
    read_from(&file, path, cursor)
}

fn read_from<T: Sequenced + DeserializeOwned>(
    file: &File,
    path: &Utf8Path,
    cursor: Cursor,
) -> Result<Records<T>, JournalError> {
    let bytes = lines::bytes_after(file, cursor.offset).doing("read", path)?;
    lines::parse(&bytes, cursor).map_err(|(line, fault)| match fault {
        LineFault::Newer(what) => JournalError::Newer { path: path.to_owned(), line, what },
        fault => JournalError::Damaged { path: path.to_owned(), line, fault },
    })
}

#[cfg(test)]
mod tests;
