//! What carries the engine into the world: the journal on disk, the lock, the workdir, settings, the
//! control socket, notices and the clock.
//!
//! Nothing here decides; [`orch_core`] does. One directory, the [`Workdir`], holds everything that one
//! project needs. Whoever wants to change it takes the [`WorkdirLock`], waits with [`EffectsLock::drain`]
//! for what a predecessor's children still do, opens the [`Journal`], and only then acts. Everyone else
//! reads: [`holder`], [`read_journal`], [`tail_journal`], or asks the holder over its control socket.

mod atomic;
mod caught;
mod clear;
mod clock;
mod control;
mod driver;
mod edits;
mod environment;
mod file_error;
mod journal;
mod lock;
mod logs;
mod notify;
mod perform;
mod session_store;
mod settings;
mod template;
#[cfg(test)]
mod testdir;
mod workdir;

pub use atomic::{remove_leftovers, replace_file, replace_unchanged};
pub use clear::{ClearError, Cleared, Kept, clear};
pub use clock::SystemClock;
pub use control::{
    ControlError, ControlRefusal, ControlServer, Feed, Followed, Following, Publisher, Requests, ask, follow,
};
pub use driver::{Answer, DriveError, Driver, Ending, ManifestFile, Mode, Observer, Request, answer_of};
pub use edits::{AddError, add_tasks, edit_input, judge_manifest};
pub use environment::{environment, is_forge_token, parent_environment};
pub use file_error::FileError;
pub use journal::{
    Cursor, DieAt, Faults, Journal, JournalError, LineFault, NoFaults, Opened, Records, Sequenced, read_journal,
    tail_journal,
};
pub use lock::{EffectsLock, LockError, Owner, WorkdirLock, holder};
pub use logs::{plain_text, tail_text};
pub use notify::{Notifier, NotifyError};
pub use perform::Surroundings;
pub use session_store::{SessionEnd, SessionFacts, SessionStore};
pub use settings::{
    AgentSettings, Layer, Origin, Settings, SettingsError, SettingsProblem, Source, user_settings_path,
};
pub use workdir::{Discovery, Search, SocketPlaces, Workdir, WorkdirError, WorkdirIdentity};
