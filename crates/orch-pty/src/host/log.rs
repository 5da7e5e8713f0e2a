//! A session's raw output on disk.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use camino::Utf8PathBuf;

/// An append-only file that never holds anybody up: what cannot be written is counted and left out.
#[derive(Debug)]
pub(super) struct Log {
    path: Utf8PathBuf,
    file: File,
    size: u64,
    /// How large it grows; endless where it is no plain file.
    limit: u64,
    lost: u64,
    /// How much of `lost` the log itself does not tell of yet.
    untold: u64,
}

impl Log {
    /// Opens or makes the log, with mode 0600 if it is new.
    ///
    /// # Errors
    /// It cannot be opened for writing, or is neither a file nor a device.
    pub(super) fn open(path: Utf8PathBuf, limit: u64) -> io::Result<Self> {
        let (file, size, is_plain) = open(&path)?;
        let limit = if is_plain { limit.max(1) } else { u64::MAX };
        Ok(Self { path, file, size, limit, lost: 0, untold: 0 })
    }

    /// Appends, or counts what is lost.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.size.saturating_add(bytes.len() as u64) > self.limit && self.size > 0 {
            self.rotate();
        }
        if self.untold > 0 {
            let mark = format!("\r\n[{} bytes of output could not be written here]\r\n", self.untold);
            if self.put(mark.as_bytes()) < mark.len() {
                return self.lose(bytes.len());
            }
            self.untold = 0;
        }
        let written = self.put(bytes);
        self.lose(bytes.len() - written);
    }

    /// How many bytes are missing.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    fn put(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            match self.file.write(&bytes[written..]) {
                Ok(0) => break,
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.size += written as u64;
        written
    }

    fn lose(&mut self, count: usize) {
        self.lost += count as u64;
        self.untold += count as u64;
    }

    /// Begins a new file. Where that fails, the old one grows on.
    fn rotate(&mut self) {
        let old = Utf8PathBuf::from(format!("{}.1", self.path));
        if std::fs::rename(&self.path, &old).is_ok()
            && let Ok((file, size, _)) = open(&self.path)
        {
            (self.file, self.size) = (file, size);
        } else {
            self.limit = self.limit.saturating_add(self.limit / 2);
        }
    }
}

/// Non-blocking, because a pipe without a reader would never open.
fn open(path: &Utf8PathBuf) -> io::Result<(File, u64, bool)> {
    use std::os::unix::fs::FileTypeExt;
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options().append(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() && !meta.file_type().is_char_device() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    Ok((file, meta.len(), meta.is_file()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn path(dir: &tempfile::TempDir, name: &str) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(dir.path().join(name)).expect("utf-8")
    }

    #[test]
    fn a_log_is_private_appended_to_and_bounded() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = path(&dir, "log");
        for _ in 0..2 {
            Log::open(at.clone(), 10).expect("opened").write(b"1234");
        }
        assert_eq!(std::fs::read(&at).expect("read"), b"12341234");
        assert_eq!(std::fs::metadata(&at).expect("there").permissions().mode() & 0o777, 0o600);
        let mut log = Log::open(at.clone(), 10).expect("opened");
        log.write(b"abc");
        log.write(b"a piece longer than the limit");
        log.write(b"z");
        assert_eq!(std::fs::read(&at).expect("read"), b"z");
        assert_eq!(std::fs::read(path(&dir, "log.1")).expect("read"), b"a piece longer than the limit");
        assert_eq!(log.lost(), 0);
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_counted() {
        if !std::path::Path::new("/dev/full").exists() {
            return;
        }
        let dir = tempfile::tempdir().expect("a directory");
        let mut log = Log::open("/dev/full".into(), 10).expect("opened");
        log.write(b"lost ");
        log.write(b"too");
        assert_eq!(log.lost(), 8);
        // Room again.
        log.file = File::create(path(&dir, "log")).expect("a file");
        log.write(b"on");
        let text = std::fs::read_to_string(path(&dir, "log")).expect("read");
        assert_eq!(text, "\r\n[8 bytes of output could not be written here]\r\non");
        assert_eq!(log.lost(), 8);
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = path(&dir, "pipe");
        rustix::fs::mknodat(rustix::fs::CWD, at.as_std_path(), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .expect("a pipe");
        assert!(Log::open(at, 10).is_err());
        assert!(Log::open(path(&dir, "no/such/dir"), 10).is_err());
    }
}
