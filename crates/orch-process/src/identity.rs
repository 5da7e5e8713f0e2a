use orch_core::ports::ProcessId;
use rustix::process::Pid;

use crate::clock::boot_id;
use crate::table;

pub use rustix::process::Signal;

/// The process that has this pid now; `None` when there is none or it is dead and not yet reaped.
pub fn identify(pid: u32) -> Option<ProcessId> {
    table::entry(pid).filter(|entry| !entry.gone).map(|entry| identity(&entry))
}

/// Whether exactly this process lives; a zombie does not.
pub fn alive(process: &ProcessId) -> bool {
    identify(process.pid).is_some_and(|now| now == *process)
}

/// What the process that has this pid now is called, for people; at most 15 bytes of it on Linux.
pub fn name(pid: u32) -> Option<String> {
    table::name(pid)
}

/// Sends a signal to exactly this process; `false` when it is gone or may not be signalled.
pub fn signal(process: &ProcessId, signal: Signal) -> bool {
    let Some(pid) = raw(process.pid) else { return false };
    send(pid, process, signal)
}

pub(crate) fn identity(entry: &table::Entry) -> ProcessId {
    ProcessId { pid: entry.pid, started: entry.started, boot: boot_id() }
}

/// The pid as the kernel takes it; never 0 (the own group) nor 1.
pub(crate) fn raw(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().filter(|pid| *pid > 1).and_then(Pid::from_raw)
}

#[cfg(target_os = "linux")]
fn send(pid: Pid, process: &ProcessId, signal: Signal) -> bool {
    use rustix::process::{PidfdFlags, kill_process, pidfd_open, pidfd_send_signal};
    match pidfd_open(pid, PidfdFlags::empty()) {
        // The descriptor holds the pid fast, so the check cannot go stale before the signal.
        Ok(fd) => alive(process) && pidfd_send_signal(&fd, signal).is_ok(),
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
            alive(process) && kill_process(pid, signal).is_ok()
        }
        Err(_) => false,
    }
}

#[cfg(not(target_os = "linux"))]
fn send(pid: Pid, process: &ProcessId, signal: Signal) -> bool {
    alive(process) && rustix::process::kill_process(pid, signal).is_ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use orch_core::base::BootId;

    use super::*;

    #[test]
    fn only_the_very_process_is_alive_and_signalled() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep starts");
        let id = identify(child.id()).expect("it lives");
        assert!(alive(&id));
        let others = [
            ProcessId { started: id.started + 1, ..id.clone() },
            ProcessId { boot: BootId("another".to_owned()), ..id.clone() },
            ProcessId { pid: 0, ..id.clone() },
            ProcessId { pid: 1, ..id.clone() },
        ];
        for other in &others {
            assert!(!alive(other), "{other:?}");
            assert!(!signal(other, Signal::KILL), "{other:?}");
        }
        assert!(alive(&id), "signals meant for others did not reach it");
        assert!(signal(&id, Signal::KILL));
        let status = child.wait().expect("it is reaped");
        assert!(!status.success());
        assert!(!alive(&id));
        assert_eq!(identify(id.pid), None);
    }
}
