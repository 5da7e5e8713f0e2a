//! The process table from `/proc`.

use std::fs;

/// One row of the process table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) session: u32,
    /// Clock ticks after boot.
    pub(crate) started: u64,
    /// Dead, though its parent has not taken note yet.
    pub(crate) gone: bool,
}

pub(crate) fn boot() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

pub(crate) fn entry(pid: u32) -> Option<Entry> {
    parse_stat(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

pub(crate) fn all() -> Vec<Entry> {
    let Ok(dir) = fs::read_dir("/proc") else { return Vec::new() };
    dir.filter_map(|item| item.ok()?.file_name().to_str()?.parse().ok()).filter_map(entry).collect()
}

pub(crate) fn name(pid: u32) -> Option<String> {
    let raw = fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(String::from_utf8_lossy(&raw).trim_end_matches('\n').to_owned())
}

/// The environment that the process was started with; `None` when it may not be read.
pub(crate) fn environment(pid: u32) -> Option<Vec<Vec<u8>>> {
    let raw = fs::read(format!("/proc/{pid}/environ")).ok()?;
    Some(raw.split(|byte| *byte == 0).filter(|var| !var.is_empty()).map(<[u8]>::to_vec).collect())
}

/// Reads `pid (name) state ppid pgrp session …`; the name may hold anything, even `)` and newlines.
fn parse_stat(raw: &[u8]) -> Option<Entry> {
    let open = raw.iter().position(|byte| *byte == b'(')?;
    let close = raw.iter().rposition(|byte| *byte == b')')?;
    let pid = std::str::from_utf8(&raw[..open]).ok()?.trim().parse().ok()?;
    let rest = std::str::from_utf8(raw.get(close + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let small = |index: usize| u32::try_from(number(index)?).ok();
    // A main thread that ended while others run is shown as a zombie too.
    let threads = number(17)?;
    let gone = matches!(fields.first(), Some(&("Z" | "X" | "x"))) && threads <= 1;
    Some(Entry { pid, parent: small(1)?, group: small(2)?, session: small(3)?, started: number(19)?, gone })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines_with_hostile_names_are_read() {
        let line = b"42 (a) R 1 (b\n) S 7 40 39 34816 40 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3\n";
        let want = Entry { pid: 42, parent: 7, group: 40, session: 39, started: 98765, gone: false };
        assert_eq!(parse_stat(line), Some(want));
        let zombie = b"42 (x) Z 7 40 39 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 0 0\n";
        assert_eq!(parse_stat(zombie).map(|entry| entry.gone), Some(true));
        let main_thread_ended = b"42 (x) Z 7 40 39 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 98765 0 0\n";
        assert_eq!(parse_stat(main_thread_ended).map(|entry| entry.gone), Some(false));
        assert_eq!(parse_stat(b"nonsense"), None);
    }
}
