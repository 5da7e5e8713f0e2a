use orch_core::{BootId, ProcessId};

/// The kernel's name for its present run.
pub(crate) fn boot_id() -> BootId {
    BootId(std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned())
}

/// Milliseconds since boot during which the machine was awake.
pub(crate) fn awake_ms() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let part = |n: i64| u64::try_from(n).unwrap_or(0);
    part(now.tv_sec).saturating_mul(1000).saturating_add(part(now.tv_nsec) / 1_000_000)
}

/// A live process in a way that survives pid reuse; `None` when there is none of that pid.
pub(crate) fn identify(pid: u32) -> Option<ProcessId> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name may hold blanks and parentheses; the last ')' ends it.
    let (_, rest) = stat.rsplit_once(')')?;
    let started = rest.split_whitespace().nth(19)?.parse().ok()?;
    Some(ProcessId { pid, started, boot: boot_id() })
}
