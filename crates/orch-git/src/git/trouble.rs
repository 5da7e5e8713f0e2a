//! Trouble of this machine that passes, told from trouble that stays.

use std::io;

use rustix::io::Errno;

/// What git and the system say of a moment, in the C locale: no room, no handles, no memory.
const MOMENTS: &[&str] = &[
    "Another git process seems to be running",
    "Resource temporarily unavailable",
    "Cannot allocate memory",
    "Too many open files",
    "No space left on device",
    "Disk quota exceeded",
    "but expected",
];

/// Whether what git complains of may be gone when it is tried again: a lock that another program holds for a
/// moment, or something that the machine lacks just now. A lock that may not be made at all stays.
pub(crate) fn passes(stderr: &str) -> bool {
    let locked = stderr.contains(".lock'") && stderr.contains("File exists");
    !stays(stderr) && (locked || MOMENTS.iter().any(|text| stderr.contains(text)))
}

/// Whether one branch's name stands in the way of another's: no time cures that.
pub(crate) fn stays(stderr: &str) -> bool {
    stderr.contains("exists; cannot create") || stderr.contains("refname conflict") || stderr.contains("D/F conflict")
}

/// The same of an error of the system.
pub(crate) fn io_passes(error: &io::Error) -> bool {
    const MOMENTS: [Errno; 7] =
        [Errno::AGAIN, Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOSPC, Errno::DQUOT, Errno::TXTBSY];
    error.raw_os_error().is_some_and(|code| MOMENTS.iter().any(|errno| errno.raw_os_error() == code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_from_what_stays() {
        let table = [
            (
                true,
                "fatal: Unable to create '/r/.git/index.lock': File exists.\n\nAnother git process seems to be running",
            ),
            (true, "error: cannot lock ref 'refs/remotes/origin/main': Unable to create '/r/main.lock': File exists."),
            (true, "fatal: cannot lock ref 'refs/heads/main': is at 1 but expected 2"),
            (true, "error: unable to write file x: No space left on device"),
            (true, "fatal: unable to create thread: Resource temporarily unavailable"),
            (false, "fatal: Unable to create '/r/.git/index.lock': Permission denied"),
            (false, "error: cannot lock ref 'refs/heads/a/b': 'refs/heads/a' exists; cannot create 'refs/heads/a/b'"),
            (false, "fatal: refusing to merge unrelated histories"),
            (false, "fatal: bad object HEAD"),
            (false, "fatal: detected dubious ownership in repository at '/r'"),
        ];
        for (expected, text) in table {
            assert_eq!(passes(text), expected, "{text}");
        }
        assert!(io_passes(&io::Error::from_raw_os_error(Errno::MFILE.raw_os_error())));
        assert!(!io_passes(&io::Error::from_raw_os_error(Errno::NOENT.raw_os_error())));
    }
}
