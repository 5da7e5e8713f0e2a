use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use orch_core::base::escape_line;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Cursor, Records, Sequenced};

/// What is wrong with a line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// Not a record: torn or overwritten.
    #[error("this line is no record ({0})")]
    NotARecord(String),
    /// A whole record in its place that this version does not know.
    #[error("this record was written by a newer orch ({0})")]
    Newer(String),
    /// Records are missing before it.
    #[error("records {expected} to {} are missing before record {found}", found - 1)]
    Gap {
        /// The record that belongs here.
        expected: u64,
        /// The one that is.
        found: u64,
    },
    /// A record that was there before, or an older one.
    #[error("record {found} appears again where {expected} belongs")]
    Repeated {
        /// The record that belongs here.
        expected: u64,
        /// The one that is.
        found: u64,
    },
}

pub(super) fn bytes_after(mut file: &File, offset: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads every finished line; since records count from 1 without gaps, a record's `seq` is its line number.
pub(super) fn parse<T: Sequenced + DeserializeOwned>(
    bytes: &[u8],
    mut cursor: Cursor,
) -> Result<Records<T>, (u64, LineFault)> {
    let mut records = Vec::new();
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let Some(text) = line.strip_suffix(b"\n") else { break };
        let expected = cursor.seq + 1;
        let record: T = serde_json::from_slice(text).map_err(|e| (expected, fault_of(text, expected, &e)))?;
        if let Some(format) = record.unreadable_format() {
            return Err((expected, LineFault::Newer(format!("journal format {format}"))));
        }
        let found = record.seq();
        if found > expected {
            return Err((expected, LineFault::Gap { expected, found }));
        }
        if found < expected {
            return Err((expected, LineFault::Repeated { expected, found }));
        }
        records.push(record);
        cursor = Cursor { seq: found, offset: cursor.offset + line.len() as u64 };
    }
    Ok(Records { records, cursor })
}

/// What every version writes at the head of a record, whatever comes after it.
#[derive(Deserialize)]
struct Head {
    seq: u64,
    #[serde(rename = "type")]
    kind: String,
}

/// Tells a record of another version from damage: it is whole JSON, has a type, and stands in its place.
fn fault_of(text: &[u8], expected: u64, error: &serde_json::Error) -> LineFault {
    match serde_json::from_slice::<Head>(text) {
        Ok(Head { seq, kind }) if seq == expected => {
            LineFault::Newer(format!("record {}: {error}", escape_line(&kind)))
        }
        _ => LineFault::NotARecord(error.to_string()),
    }
}
