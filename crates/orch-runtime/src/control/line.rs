use tokio::io::{AsyncRead, AsyncReadExt};

use super::LONGEST;

/// Why there is no line.
pub(super) enum LineError {
    /// It would be over 1 MiB long.
    TooLong,
    /// The other side closed or broke off before it was whole.
    Ended,
}

/// Reads up to the first newline; what follows is not looked at.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, LineError> {
    let mut line = Vec::with_capacity(4096);
    loop {
        let seen = line.len();
        if matches!(stream.read_buf(&mut line).await, Ok(0) | Err(_)) {
            return Err(LineError::Ended);
        }
        let end = line[seen..].iter().position(|b| *b == b'\n').map(|at| seen + at);
        line.truncate(end.unwrap_or(line.len()));
        if line.len() > LONGEST {
            return Err(LineError::TooLong);
        }
        if end.is_some() {
            return Ok(line);
        }
    }
}
