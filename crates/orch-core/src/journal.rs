//! The journal: facts and decisions, the effects that they start, and what came of those.

pub(crate) mod effect;
pub(crate) mod record;

pub use effect::{Effect, Look, Notice, NoticeKind, Outcome, Purpose};
pub use record::{
    DriverRecord, Entry, Evidence, ImportedState, JOURNAL_FORMAT, Marks, Record, StatusRecord, Todo, UserVerb, Verdict,
};
