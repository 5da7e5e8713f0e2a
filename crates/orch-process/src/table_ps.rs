//! The process table from `ps`, for systems without `/proc`.

use std::process::{Command, Stdio};

/// One row of the process table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    /// The process group stands in for the session, which `ps` does not show on macOS.
    pub(crate) session: u32,
    /// Seconds after 1970 in UTC.
    pub(crate) started: u64,
    /// Dead, though its parent has not taken note yet.
    pub(crate) gone: bool,
}

pub(crate) fn boot() -> Option<String> {
    Some(output("sysctl", &["-n", "kern.bootsessionuuid"])?.trim().to_owned())
}

pub(crate) fn entry(pid: u32) -> Option<Entry> {
    output("ps", &["-p", &pid.to_string(), "-o", COLUMNS])?.lines().find_map(parse_row)
}

pub(crate) fn all() -> Vec<Entry> {
    output("ps", &["-ax", "-o", COLUMNS]).unwrap_or_default().lines().filter_map(parse_row).collect()
}

pub(crate) fn name(pid: u32) -> Option<String> {
    let command = output("ps", &["-p", &pid.to_string(), "-o", "comm="])?;
    let last = command.trim().rsplit('/').next()?.to_owned();
    Some(last).filter(|name| !name.is_empty())
}

/// The words of command line and environment together: `ps` does not tell where one ends.
pub(crate) fn environment(pid: u32) -> Option<Vec<Vec<u8>>> {
    let text = output("ps", &["-E", "-ww", "-p", &pid.to_string(), "-o", "command="])?;
    Some(text.split_ascii_whitespace().map(|word| word.as_bytes().to_vec()).collect())
}

const COLUMNS: &str = "pid=,ppid=,pgid=,stat=,lstart=";
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn output(program: &str, args: &[&str]) -> Option<String> {
    let done = Command::new(program)
        .args(args)
        .env("LC_ALL", "C")
        .env("TZ", "UTC0")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn parse_row(row: &str) -> Option<Entry> {
    let fields: Vec<&str> = row.split_ascii_whitespace().collect();
    let [pid, parent, group, state, _weekday, month, day, time, year] = fields.as_slice() else { return None };
    let group = group.parse().ok()?;
    Some(Entry {
        pid: pid.parse().ok()?,
        parent: parent.parse().ok()?,
        group,
        session: group,
        started: epoch_seconds(year, month, day, time)?,
        gone: state.starts_with('Z'),
    })
}

fn epoch_seconds(year: &str, month: &str, day: &str, time: &str) -> Option<u64> {
    let month = u64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()? + 1;
    let (year, day): (u64, u64) = (year.parse().ok()?, day.parse().ok()?);
    let mut clock = time.split(':').map(|part| part.parse::<u64>().ok());
    let (hours, minutes, seconds) = (clock.next()??, clock.next()??, clock.next()??);
    // Howard Hinnant's days_from_civil, for years after 1970.
    let (year, shifted) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let of_era = year % 400;
    let days = year / 400 * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * shifted + 2) / 5 + day - 1;
    Some(((days.checked_sub(719_468)? * 24 + hours) * 60 + minutes) * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_ps_are_read() {
        let row = "  42     7    40 Ss   Sat Jan 17 00:00:05 2026";
        let want = Entry { pid: 42, parent: 7, group: 40, session: 40, started: 1_768_608_005, gone: false };
        assert_eq!(parse_row(row), Some(want));
        assert_eq!(
            parse_row("42 7 40 Z Thu Feb 29 12:00:00 2024").map(|e| (e.gone, e.started)),
            Some((true, 1_709_208_000))
        );
        assert_eq!(parse_row("42 7"), None);
    }

    #[test]
    fn this_process_is_in_the_table() {
        let own = std::process::id();
        assert!(all().iter().any(|entry| entry.pid == own && !entry.gone));
        assert_eq!(entry(own).map(|entry| entry.pid), Some(own));
    }
}
