//! Time as data: what a clock said, handed in by whoever drives the core.

use std::fmt;
use std::ops::Add;

use serde::{Deserialize, Serialize};

/// A moment of wall-clock time: milliseconds since the Unix epoch, shown as RFC 3339 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A span of time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

/// Time since boot during which the machine was awake, in milliseconds (`CLOCK_MONOTONIC` on Linux,
/// `CLOCK_UPTIME_RAW` on macOS): a laptop that slept did not stall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AwakeMs(pub u64);

/// What identifies one run of the kernel; awake times of different boots are not comparable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(pub String);

/// The present, as every decision sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    /// Wall-clock time: for backoff, reset times and people.
    pub wall: Timestamp,
    /// Awake time: for silence.
    pub awake: AwakeMs,
    /// The boot that `awake` counts from.
    pub boot: BootId,
}

impl Timestamp {
    /// The moment `ms` milliseconds after the Unix epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Parses RFC 3339 text with any offset; digits below a millisecond are dropped.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_millisecond()))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub fn since(self, earlier: Self) -> Millis {
        Millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clamped = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{clamped:.3}")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not an RFC 3339 time")))
    }
}

impl Add<Millis> for Timestamp {
    type Output = Self;
    fn add(self, span: Millis) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.0).unwrap_or(i64::MAX)))
    }
}

impl Millis {
    /// A span of whole seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// A span of whole minutes.
    pub const fn from_mins(mins: u64) -> Self {
        Self::from_secs(mins.saturating_mul(60))
    }
}

impl fmt::Display for Millis {
    /// The span for people: `250ms`, `12s`, `1.5s`, `5m`, `5m 3s`, `2h 5m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, secs) = (self.0, self.0 / 1000);
        match (secs / 3600, secs % 3600 / 60, secs % 60) {
            (0, 0, 0) => write!(f, "{ms}ms"),
            (0, 0, s) if ms % 1000 != 0 => write!(f, "{s}.{}s", ms % 1000 / 100),
            (0, 0, s) => write!(f, "{s}s"),
            (0, m, 0) => write!(f, "{m}m"),
            (0, m, s) => write!(f, "{m}m {s}s"),
            (h, 0, _) => write!(f, "{h}h"),
            (h, m, _) => write!(f, "{h}h {m}m"),
        }
    }
}

impl AwakeMs {
    /// How much awake time has passed since `earlier`; zero if it lies ahead.
    pub fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Millis> for AwakeMs {
    type Output = Self;
    fn add(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_rfc3339_with_milliseconds() {
        let t = Timestamp::from_millis(1_768_608_000_123);
        assert_eq!(t.to_string(), "2026-01-17T00:00:00.123Z");
        assert_eq!(Timestamp::parse("2026-01-17T01:00:00.123+01:00"), Some(t));
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn spans_read_well() {
        let shown: Vec<String> =
            [250, 1500, 12_000, 300_000, 303_000, 7_500_000].map(|ms| Millis(ms).to_string()).into();
        assert_eq!(shown, ["250ms", "1.5s", "12s", "5m", "5m 3s", "2h 5m"]);
    }
}
