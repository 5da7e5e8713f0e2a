//! Time that moves only when told to.

use crate::base::time::{AwakeMs, BootId, Millis, Now, Timestamp};

/// A simulated clock; starts at 2026-01-17T00:00:00Z, awake for no time, in boot `sim`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimClock {
    wall: Timestamp,
    awake: AwakeMs,
    reboots: u32,
}

impl Default for SimClock {
    fn default() -> Self {
        Self { wall: Timestamp::from_millis(1_768_608_000_000), awake: AwakeMs(0), reboots: 0 }
    }
}

impl SimClock {
    /// The clock at its start.
    pub fn new() -> Self {
        Self::default()
    }

    /// The present.
    pub fn now(&self) -> Now {
        let boot = if self.reboots == 0 { "sim".to_owned() } else { format!("sim-{}", self.reboots + 1) };
        Now { wall: self.wall, awake: self.awake, boot: BootId(boot) }
    }

    /// Moves wall and awake time.
    pub fn advance(&mut self, span: Millis) {
        self.wall = self.wall + span;
        self.awake = self.awake + span;
    }

    /// Moves wall time alone: the machine sleeps.
    pub fn suspend(&mut self, span: Millis) {
        self.wall = self.wall + span;
    }

    /// Sets wall time forwards or backwards by so many seconds.
    pub fn set(&mut self, seconds: i64) {
        self.wall = Timestamp::from_millis(self.wall.as_millis().saturating_add(seconds.saturating_mul(1000)));
    }

    /// Begins a new boot; awake time starts again at zero.
    pub fn reboot(&mut self) {
        self.awake = AwakeMs(0);
        self.reboots += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_and_awake_part_in_suspend_and_reboot() {
        let mut clock = SimClock::new();
        let mut seen = Vec::new();
        let steps: [fn(&mut SimClock); 4] =
            [|_| (), |c| c.advance(Millis(1500)), |c| c.suspend(Millis::from_mins(5)), SimClock::reboot];
        for step in steps {
            step(&mut clock);
            let now = clock.now();
            seen.push(format!("{} {} {}", now.wall, now.awake.0, now.boot.0));
        }
        insta::assert_snapshot!(seen.join("\n"), @r"
        2026-01-17T00:00:00.000Z 0 sim
        2026-01-17T00:00:01.500Z 1500 sim
        2026-01-17T00:05:01.500Z 1500 sim
        2026-01-17T00:05:01.500Z 0 sim-2
        ");
    }
}
