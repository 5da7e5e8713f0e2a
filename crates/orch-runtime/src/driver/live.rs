//! What is seen of live sessions, told now and then.

use std::time::{Duration, Instant};

use orch_core::engine::{Input, Orchestrator, Seen};
use orch_core::views::LiveView;

/// The least time between two tellings.
const INTERVAL: Duration = Duration::from_secs(1);

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct Live {
    told: Vec<LiveView>,
    /// When it was last asked whether there is more.
    looked_at: Option<Instant>,
    /// Something was seen since.
    stirred: bool,
}

impl Live {
    /// Notes what is about to be taken in.
    pub(super) fn note(&mut self, inputs: &[Input]) {
        let shows = |input: &Input| matches!(input, Input::Seen(Seen::Screen(_) | Seen::Sessions(_)));
        self.stirred |= inputs.iter().any(shows);
    }

    /// How long until something may be told.
    pub(super) fn due(&self, now: Instant) -> Option<Duration> {
        let at = self.looked_at.map_or(now, |at| at + INTERVAL);
        self.stirred.then(|| at.saturating_duration_since(now))
    }

    /// What is to be told now.
    pub(super) fn news(&mut self, engine: &Orchestrator, now: Instant) -> Option<&[LiveView]> {
        if self.due(now) != Some(Duration::ZERO) {
            return None;
        }
        self.stirred = false;
        self.looked_at = Some(now);
        let live = engine.live_views();
        if live == self.told {
            return None;
        }
        self.told = live;
        Some(&self.told)
    }
}
