use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use super::follow::{self, Ask, Feed};
use super::line::{self, LineError};
use super::{ControlError, ControlRefusal, Reply};
use crate::atomic::directory_of;
use crate::file_error::{Context, FileError};
use crate::lock::WorkdirLock;
use crate::workdir::{privacy_fault, user};

/// How many clients are served at once.
const CLIENTS: usize = 64;

/// How many followers are served besides.
const FOLLOWERS: usize = 32;

/// How long a client has to say what it wants, and to take the answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The pause after the system ran out of something while a client was let in.
const PAUSE: Duration = Duration::from_millis(200);

/// How long answers that are under way have when the server closes.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Requests as they come in, each with the way back for its answer. When the way back is dropped the
/// client learns that what became of its request is not known.
pub type Requests<Q, A> = mpsc::Receiver<(Q, oneshot::Sender<A>)>;

/// The orchestrator's ear: listens until it is dropped, then takes its socket away.
#[derive(Debug)]
pub struct ControlServer {
    path: Utf8PathBuf,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl ControlServer {
    /// Listens at a path (socket mode 0600), which must lie in a directory that only the user can
    /// enter; only the user's own processes are listened to. `_held` shows that the caller is the
    /// orchestrator, so that a socket found there is a dead one's and may go.
    ///
    /// # Errors
    /// [`ControlError::NotPrivate`]; [`ControlError::File`] when the path cannot be listened at or
    /// something else than a socket is there.
    pub fn listen<Q, A>(path: &Utf8Path, held: &WorkdirLock) -> Result<(Self, Requests<Q, A>), ControlError>
    where
        Q: DeserializeOwned + Send + 'static,
        A: Serialize + Send + 'static,
    {
        Self::listen_with(path, held, None)
    }

    /// Listens as [`ControlServer::listen`] does, and serves those who follow from a feed.
    ///
    /// # Errors
    /// As [`ControlServer::listen`].
    pub fn listen_with<Q, A>(
        path: &Utf8Path,
        _held: &WorkdirLock,
        feed: Option<Feed>,
    ) -> Result<(Self, Requests<Q, A>), ControlError>
    where
        Q: DeserializeOwned + Send + 'static,
        A: Serialize + Send + 'static,
    {
        if let Some(why) = privacy_fault(&directory_of(path), user()) {
            return Err(ControlError::NotPrivate { path: path.to_owned(), why });
        }
        remove_stale(path)?;
        let listener = UnixListener::bind(path).doing("listen at", path)?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).doing("set the mode of", path)?;
        let (sender, requests) = mpsc::channel(CLIENTS);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut clients = JoinSet::new();
            tokio::select! {
                () = accept(&listener, sender, feed.map(Arc::new), &mut clients) => {}
                _ = stopped => {}
            }
            drop(listener);
            while clients.join_next().await.is_some() {}
        });
        Ok((Self { path: path.to_owned(), stop: Some(stop), task }, requests))
    }

    /// Lets nobody in any more and sends the answers that were given, for at most a second. Drop the
    /// receiver of the requests first: those still in it then end without an answer.
    pub async fn close(mut self) {
        drop(self.stop.take());
        let _ = tokio::time::timeout(LAST_WORDS, &mut self.task).await;
    }

    /// Where it listens.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }
}

impl Drop for ControlServer {
    /// A socket that stays is removed by the next lock holder, so a failure here costs nothing.
    fn drop(&mut self) {
        self.task.abort();
        let _ = fs::remove_file(&self.path);
    }
}

fn remove_stale(path: &Utf8Path) -> Result<(), FileError> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Ok(meta) if meta.file_type().is_socket() => fs::remove_file(path).doing("remove the stale socket", path),
        // Binding then fails by itself and names the path.
        Ok(_) => Ok(()),
        Err(source) => Err(FileError { action: "look at", path: path.to_owned(), source }),
    }
}

async fn accept<Q, A>(
    listener: &UnixListener,
    requests: mpsc::Sender<(Q, oneshot::Sender<A>)>,
    feed: Option<Arc<Feed>>,
    clients: &mut JoinSet<()>,
) where
    Q: DeserializeOwned + Send + 'static,
    A: Serialize + Send + 'static,
{
    let user = user();
    let seats = Arc::new(Semaphore::new(CLIENTS));
    let places = Arc::new(Semaphore::new(FOLLOWERS));
    loop {
        while clients.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        if !is_own(stream.peer_cred().map(|peer| peer.uid()), user) {
            continue;
        }
        match Arc::clone(&seats).try_acquire_owned() {
            Ok(seat) => {
                let (requests, feed, places) = (requests.clone(), feed.clone(), Arc::clone(&places));
                clients.spawn(async move {
                    let follower = serve(stream, requests, feed.is_some()).await;
                    drop(seat);
                    let (Some((stream, from)), Some(feed)) = (follower, feed) else { return };
                    match places.try_acquire_owned() {
                        Ok(_place) => follow::serve(stream, feed, from).await,
                        Err(_) => reply(stream, encode(&Reply::<A>::Refused(ControlRefusal::Busy))).await,
                    }
                });
            }
            // The reply fits the socket's buffer, so this does not wait for the client.
            Err(_) => reply(stream, encode(&Reply::<A>::Refused(ControlRefusal::Busy))).await,
        }
    }
}

/// Whether a peer is listened to: a process of the same user. Not even root's is, and neither is one of which the
/// system does not say whose it is.
fn is_own(peer: std::io::Result<u32>, user: u32) -> bool {
    peer.is_ok_and(|peer| peer == user)
}

/// Answers a client; one that follows comes back, with where from.
async fn serve<Q: DeserializeOwned, A: Serialize>(
    mut stream: UnixStream,
    requests: mpsc::Sender<(Q, oneshot::Sender<A>)>,
    follows: bool,
) -> Option<(UnixStream, u64)> {
    let answer = match tokio::time::timeout(PATIENCE, line::read(&mut stream)).await {
        Err(_) | Ok(Err(LineError::Ended)) => return None,
        Ok(Err(LineError::TooLong)) => Reply::Refused(ControlRefusal::TooLong),
        Ok(Ok(line)) if follows && let Ok(Ask::Follow { from }) = serde_json::from_slice(&line) => {
            return Some((stream, from));
        }
        Ok(Ok(line)) => match serde_json::from_slice(&line) {
            Err(error) => Reply::Refused(ControlRefusal::Malformed { why: error.to_string() }),
            Ok(request) => {
                let (back, answer) = oneshot::channel();
                if requests.send((request, back)).await.is_ok() {
                    let Ok(answer) = answer.await else { return None };
                    Reply::Answer(answer)
                } else {
                    Reply::Refused(ControlRefusal::Ending)
                }
            }
        },
    };
    reply(stream, encode(&answer)).await;
    None
}

/// A client that does not take its answer is not waited for.
async fn reply(mut stream: UnixStream, line: Vec<u8>) {
    let _ = tokio::time::timeout(PATIENCE, stream.write_all(&line)).await;
}

/// An answer that cannot be written as JSON is none: the client sees the connection end.
fn encode<A: Serialize>(answer: &Reply<A>) -> Vec<u8> {
    let mut line = serde_json::to_vec(answer).unwrap_or_default();
    if !line.is_empty() {
        line.push(b'\n');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_users_own_processes_are_listened_to() {
        let unknown = || Err(std::io::Error::from(ErrorKind::PermissionDenied));
        let rows = [
            (Ok(1000), 1000, true),
            (Ok(0), 0, true),
            (Ok(1001), 1000, false),
            (Ok(0), 1000, false),
            (Ok(1000), 0, false),
            (Ok(u32::MAX), 1000, false),
            (unknown(), 1000, false),
            (unknown(), 0, false),
        ];
        for (peer, user, listened) in rows {
            let shown = format!("{peer:?} at {user}");
            assert_eq!(is_own(peer, user), listened, "{shown}");
        }
    }
}
