//! Notices under way: a drive that is over waits for them a little, never for one that hangs.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use orch_core::base::EffectId;

/// How long a drive that has nothing else to do waits for notices.
const PATIENCE: Duration = Duration::from_secs(5);

/// The notices under way.
#[derive(Debug, Default)]
pub(super) struct Notices {
    under_way: BTreeSet<EffectId>,
    waiting_since: Option<Instant>,
}

impl Notices {
    pub(super) fn begin(&mut self, id: EffectId) {
        self.under_way.insert(id);
    }

    /// One ended; whether it was a notice.
    pub(super) fn end(&mut self, id: EffectId) -> bool {
        self.under_way.remove(&id)
    }

    pub(super) fn count(&self) -> usize {
        self.under_way.len()
    }

    /// The drive goes on: whatever it waited for was not the end.
    pub(super) fn go_on(&mut self) {
        self.waiting_since = None;
    }

    /// Whether a drive that is over may leave: no notice is under way, or those that are had their time.
    pub(super) fn may_leave(&mut self, now: Instant) -> bool {
        self.under_way.is_empty() || now >= *self.waiting_since.get_or_insert(now) + PATIENCE
    }

    /// How long until the drive may leave; `None` while it does not wait.
    pub(super) fn due(&self, now: Instant) -> Option<Duration> {
        self.waiting_since.map(|since| (since + PATIENCE).saturating_duration_since(now))
    }

    /// Those that are given up once their ends are recorded.
    pub(super) fn give_up(&self) -> Vec<EffectId> {
        self.under_way.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_waits_for_notices_a_little_and_only_once_it_is_the_end() {
        let mut notices = Notices::default();
        let start = Instant::now();
        assert!(notices.may_leave(start), "nothing is under way");
        notices.begin(EffectId(1));
        notices.begin(EffectId(2));
        assert_eq!(notices.due(start), None);
        assert!(!notices.may_leave(start));
        assert_eq!(notices.due(start + PATIENCE / 5), Some(PATIENCE * 4 / 5));
        notices.go_on();
        let later = start + PATIENCE * 2;
        assert!(!notices.may_leave(later), "what came between starts the wait anew");
        assert!(notices.end(EffectId(1)));
        assert!(!notices.may_leave(later + PATIENCE / 2));
        assert!(notices.may_leave(later + PATIENCE));
        assert_eq!(notices.give_up(), [EffectId(2)]);
        assert!(notices.end(EffectId(2)) && !notices.end(EffectId(2)));
        assert!(notices.may_leave(later));
    }
}
