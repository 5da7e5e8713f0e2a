use std::time::{SystemTime, UNIX_EPOCH};

use orch_core::base::{BootId, Now, Timestamp};

/// The one place that reads the machine's clocks.
#[derive(Debug, Clone)]
pub struct SystemClock {
    boot: BootId,
}

impl SystemClock {
    /// A clock of this boot.
    pub fn new() -> Self {
        Self { boot: orch_process::boot_id() }
    }

    /// The present.
    pub fn now(&self) -> Now {
        Now { wall: wall(), awake: orch_process::awake_ms(), boot: self.boot.clone() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

/// Wall-clock time; a clock before 1970 reads as 1970.
pub(crate) fn wall() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_runs_forward_within_one_boot() {
        let clock = SystemClock::new();
        let first = clock.now();
        let second = clock.now();
        assert!(second.awake >= first.awake);
        assert_eq!(first.boot, second.boot);
        assert!(!first.boot.0.is_empty());
        assert!(first.wall > Timestamp::parse("2025-01-01T00:00:00Z").expect("a time"));
    }
}
