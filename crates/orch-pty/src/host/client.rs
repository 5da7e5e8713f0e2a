//! One connection: questions in, answers and news out, and never more kept than fits.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use orch_core::base::LaunchId;
use orch_core::ports::ExecutorError;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use super::Host;
use super::session::Session;
use super::{attach, input, launch};
use crate::protocol::{
    Answer, Ask, Hello, News, OLDEST_PROTOCOL, Question, Said, Trouble, json_frame, read_frame, refused, send,
};

/// How long a client may take to greet.
const GREETING: Duration = Duration::from_secs(10);
/// How many questions of one client are worked on at once.
const AT_ONCE: usize = 256;
/// How many ends of sessions one client waits for at once.
const WAITS: usize = 4096;
/// How many bytes of answers wait for a client before it gets to ask no more.
const MOST: usize = 8 << 20;
/// The least time between two announcements of output; exits are announced at once.
const PACE: Duration = Duration::from_millis(4);

/// What waits to be sent to a client.
#[derive(Debug, Default)]
pub(super) struct Client {
    answers: RefCell<VecDeque<Vec<u8>>>,
    bytes: Cell<usize>,
    busy: Cell<usize>,
    waits: Cell<usize>,
    printed: RefCell<BTreeSet<LaunchId>>,
    exited: RefCell<BTreeSet<LaunchId>>,
    /// The connection is gone, and with it everybody who waits for an answer.
    gone: Cell<bool>,
    end: Notify,
    /// Something is to be sent.
    wake: Notify,
    /// Something was sent.
    room: Notify,
}

/// Serves a connection until it ends.
pub(super) async fn serve(host: &Rc<Host>, stream: UnixStream) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let sessions = host.sessions.borrow().len();
    let greeting = async {
        let hello: Option<Hello> = read_frame(&mut reader).await?.map(|frame| frame.parse()).transpose()?;
        send(&mut writer, &Hello::new(Some(host.process.clone()), sessions)).await?;
        io::Result::Ok(hello)
    };
    let Ok(Ok(Some(hello))) = timeout(GREETING, greeting).await else { return };
    if hello.protocol < OLDEST_PROTOCOL {
        return;
    }
    let Some(first) = next_question(&mut reader).await else { return };
    if let Question { id, ask: Ask::Attach { launch, size } } = first {
        return attach::serve(host, (id, launch, size), reader, writer).await;
    }
    let client = Rc::new(Client::default());
    let sending = tokio::task::spawn_local(write(Rc::clone(&client), writer));
    let mut next = Some(first);
    while let Some(Question { id, ask }) = next.filter(|_| !sending.is_finished()) {
        client.take(host, id, ask);
        client.has_room().await;
        next = next_question(&mut reader).await;
    }
    sending.abort();
    client.gone.set(true);
    client.end.notify_waiters();
}

/// The next question; `None` behind the last one and behind nonsense.
async fn next_question(reader: &mut BufReader<OwnedReadHalf>) -> Option<Question> {
    read_frame(reader).await.ok()??.parse().ok()
}

impl Client {
    /// Takes in what happened; any number of outputs of one session count once.
    pub(super) fn hear(&self, news: &News) {
        if self.gone.get() {
            return;
        }
        self.printed.borrow_mut().extend(&news.printed);
        self.exited.borrow_mut().extend(&news.exited);
        self.wake.notify_one();
    }

    /// Answers a question, now or from a task of its own. What a question does to a terminal it does now,
    /// so that questions take effect in their order.
    fn take(self: &Rc<Self>, host: &Rc<Host>, id: u64, ask: Ask) {
        let answer = match ask {
            Ask::Launch(launch) => {
                let host = Rc::clone(host);
                return self.work(id, async move {
                    launch::launch(&host, *launch).await.map(|session| Answer::Session(Box::new(session)))
                });
            }
            Ask::Input { launch, input, expected } => match input::begin(host, launch, &input, expected) {
                Ok(typing) => return self.work(id, async move { typing.finish().await.map(|()| Answer::Done) }),
                Err(error) => Err(error),
            },
            Ask::List => Ok(Answer::Sessions(host.list())),
            Ask::Look(launches) => {
                let sessions = host.sessions.borrow();
                let wanted: BTreeSet<LaunchId> = launches.into_iter().collect();
                let screens = wanted.iter().filter_map(|launch| sessions.get(launch)?.screen());
                Ok(Answer::Screens(screens.collect()))
            }
            Ask::Resize { launch, size } => {
                host.session(launch).and_then(|session| session.resize(size)).map(|()| Answer::Done)
            }
            Ask::Forget(launch) => host.forget(launch).map(|()| Answer::Done),
            Ask::Wait(launch) => match host.session(launch) {
                Ok(_) if self.waits.get() >= WAITS => Err(refused("waiting", "too many sessions are waited for")),
                Ok(session) => return self.wait(id, session),
                Err(error) => Err(error),
            },
            Ask::Leave => {
                host.hurries.set(true);
                Ok(Answer::Done)
            }
            Ask::Subscribe => {
                self.subscribe(host);
                Ok(Answer::Done)
            }
            Ask::Attach { launch, .. } => {
                Err(refused(format!("attaching to launch {launch}"), "it takes a connection of its own"))
            }
        };
        self.answer(id, answer);
    }

    /// Whoever subscribes hears first of what ended before.
    fn subscribe(self: &Rc<Self>, host: &Host) {
        host.clients.borrow_mut().push(Rc::downgrade(self));
        let sessions = host.sessions.borrow();
        let ended = sessions.iter().filter(|(_, session)| !session.is_running() && session.keeps_host());
        self.hear(&News { printed: Vec::new(), exited: ended.map(|(launch, _)| *launch).collect() });
    }

    fn work(self: &Rc<Self>, id: u64, work: impl Future<Output = Result<Answer, ExecutorError>> + 'static) {
        let client = Rc::clone(self);
        client.busy.set(client.busy.get() + 1);
        tokio::task::spawn_local(async move {
            client.answer(id, work.await);
            client.busy.set(client.busy.get() - 1);
            client.room.notify_one();
        });
    }

    /// Waits for a session's end without keeping other questions up.
    fn wait(self: &Rc<Self>, id: u64, session: Rc<Session>) {
        let client = Rc::clone(self);
        client.waits.set(client.waits.get() + 1);
        tokio::task::spawn_local(async move {
            tokio::select! {
                () = session.ended() => client.answer(id, Ok(Answer::Session(Box::new(session.info())))),
                () = client.end.notified() => {}
            }
            client.waits.set(client.waits.get() - 1);
        });
    }

    fn answer(&self, id: u64, answer: Result<Answer, ExecutorError>) {
        if self.gone.get() {
            return;
        }
        let said = Said::Answer { id, answer: answer.map_err(Trouble::from) };
        let frame = json_frame(&said).or_else(|error| {
            let trouble = Trouble::Unavailable(format!("the answer is too large: {error}"));
            json_frame(&Said::Answer { id, answer: Err(trouble) })
        });
        if let Ok(frame) = frame {
            self.bytes.set(self.bytes.get() + frame.len());
            self.answers.borrow_mut().push_back(frame);
            self.wake.notify_one();
        }
    }

    async fn has_room(&self) {
        while self.busy.get() >= AT_ONCE || self.bytes.get() > MOST {
            self.room.notified().await;
        }
    }

    /// What is to be sent next.
    fn next(&self, output_too: bool) -> Option<Vec<u8>> {
        if let Some(frame) = self.answers.borrow_mut().pop_front() {
            self.bytes.set(self.bytes.get() - frame.len());
            return Some(frame);
        }
        let exited: Vec<LaunchId> = self.exited.take().into_iter().collect();
        let printed: Vec<LaunchId> = if output_too { self.printed.take().into_iter().collect() } else { Vec::new() };
        if exited.is_empty() && printed.is_empty() {
            return None;
        }
        json_frame(&Said::News(News { printed, exited })).ok()
    }
}

async fn write(client: Rc<Client>, mut writer: OwnedWriteHalf) {
    let mut paced = Instant::now();
    loop {
        let due = Instant::now() >= paced;
        let told = due && !client.printed.borrow().is_empty();
        let Some(frame) = client.next(due) else {
            if due || client.printed.borrow().is_empty() {
                client.wake.notified().await;
            } else {
                timeout_at(paced, client.wake.notified()).await.unwrap_or_default();
            }
            continue;
        };
        if writer.write_all(&frame).await.is_err() {
            return;
        }
        client.room.notify_one();
        if told && client.printed.borrow().is_empty() {
            paced = Instant::now() + PACE;
        }
    }
}
