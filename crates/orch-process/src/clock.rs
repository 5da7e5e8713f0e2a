use std::sync::OnceLock;

use orch_core::base::{AwakeMs, BootId};
use rustix::time::{ClockId, clock_gettime};

use crate::table;

/// Milliseconds since boot during which the machine was awake (`CLOCK_MONOTONIC`; on macOS that clock
/// goes on in sleep).
pub fn awake_ms() -> AwakeMs {
    let now = clock_gettime(ClockId::Monotonic);
    let secs = u64::try_from(now.tv_sec).unwrap_or(0);
    let millis = u64::try_from(now.tv_nsec / 1_000_000).unwrap_or(0);
    AwakeMs(secs.saturating_mul(1000).saturating_add(millis))
}

/// The running kernel's boot; empty where the system does not tell.
pub fn boot_id() -> BootId {
    static BOOT: OnceLock<BootId> = OnceLock::new();
    BOOT.get_or_init(|| BootId(table::boot().unwrap_or_default())).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_is_known_and_time_moves_forward() {
        assert_eq!(boot_id(), boot_id());
        assert_ne!(boot_id(), BootId::default());
        let before = awake_ms();
        assert!(before > AwakeMs(0));
        assert!(awake_ms() >= before);
    }
}
