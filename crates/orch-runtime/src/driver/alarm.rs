//! When the driver calls the engine next, if nothing happens before.

use std::time::{Duration, Instant};

/// Time is looked at again after so long at the latest: a timer stands still while the machine sleeps, and
/// deadlines of wall time do not.
const AGAIN: Duration = Duration::from_secs(60);
/// The least time between two calls for time alone, so that what cannot be done yet is no busy loop.
const PAUSE: Duration = Duration::from_millis(1);

/// The driver's alarm.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    rang_at: Option<Instant>,
}

impl Alarm {
    /// How long until the soonest of what is due; nothing at all once that is overdue, so that whatever
    /// else is ready does not go before it for ever.
    pub(super) fn due(&self, now: Instant, soonest: impl IntoIterator<Item = Option<Duration>>) -> Duration {
        let due = soonest.into_iter().flatten().fold(AGAIN, Duration::min);
        let rest = self.rang_at.map(|at| (at + PAUSE).saturating_duration_since(now));
        due.max(rest.unwrap_or_default())
    }

    /// The engine was called for time.
    pub(super) fn rang(&mut self, now: Instant) {
        self.rang_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_looked_at_again_whatever_is_due() {
        let (alarm, now) = (Alarm::default(), Instant::now());
        assert_eq!(alarm.due(now, []), AGAIN);
        assert_eq!(alarm.due(now, [Some(AGAIN * 100), None]), AGAIN, "the machine may sleep meanwhile");
        assert_eq!(alarm.due(now, [Some(AGAIN), Some(AGAIN / 2), None]), AGAIN / 2);
    }

    #[test]
    fn what_is_overdue_is_due_now_but_not_without_end() {
        let (mut alarm, now) = (Alarm::default(), Instant::now());
        assert_eq!(alarm.due(now, [Some(Duration::ZERO)]), Duration::ZERO);
        alarm.rang(now);
        assert_eq!(alarm.due(now, [Some(Duration::ZERO)]), PAUSE);
        assert_eq!(alarm.due(now + PAUSE / 4, [Some(Duration::ZERO)]), PAUSE * 3 / 4);
        assert_eq!(alarm.due(now + PAUSE, [Some(Duration::ZERO)]), Duration::ZERO);
    }
}
