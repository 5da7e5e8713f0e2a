//! What a scripted agent does, step by step in virtual time.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use camino::Utf8PathBuf;

use super::world::World;
use crate::base::time::Millis;
use crate::ports::LaunchSpec;

/// The steps of one scripted agent; when they run out it exits with 0.
///
/// Steps take no time but [`Script::wait`]. They are played by [`World::advance`], never by a call of a port.
#[derive(Debug, Clone, Default)]
pub struct Script {
    pub(super) steps: VecDeque<Step>,
}

/// What a listening agent makes of what was typed.
type Answer = Arc<dyn Fn(&str) -> Option<Vec<Step>> + Send + Sync>;
/// What an agent does to the world.
type Act = Arc<dyn Fn(&World, &LaunchSpec) + Send + Sync>;

/// One step of a [`Script`].
#[derive(Clone)]
pub enum Step {
    /// Prints text below what the screen shows.
    Print(String),
    /// Replaces all that the screen shows.
    Screen(String),
    /// Sets the terminal title.
    Title(String),
    /// Does nothing for a while.
    Wait(Millis),
    /// Waits for input. The function gets what was typed since the step began (keys as the bytes that
    /// a terminal sends, so Enter is `\r`) and says which steps follow, or `None` to go on waiting.
    Listen(Answer),
    /// From now on shows what is typed, as a terminal's line discipline does.
    EchoTyping,
    /// From now on a text that is typed arrives as a bracketed paste.
    BracketedPaste,
    /// From now on prints this text when it is made to redraw.
    Redraws(String),
    /// From now on survives hang-up and terminate.
    Deaf,
    /// Does something to the world, such as work in its worktree.
    Do(Act),
    /// Starts a process outside its group that survives it and is deaf; writes its pid to the file.
    LeaveChild(Utf8PathBuf),
    /// Exits.
    Exit(i32),
    /// Is ended by a signal.
    Die(i32),
    /// Does nothing for ever.
    Hang,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Print(text) => write!(f, "print {text:?}"),
            Self::Screen(text) => write!(f, "screen {text:?}"),
            Self::Title(text) => write!(f, "title {text:?}"),
            Self::Wait(span) => write!(f, "wait {span}"),
            Self::Listen(_) => f.write_str("listen"),
            Self::EchoTyping => f.write_str("echo typing"),
            Self::BracketedPaste => f.write_str("bracketed paste"),
            Self::Redraws(text) => write!(f, "redraws {text:?}"),
            Self::Deaf => f.write_str("deaf"),
            Self::Do(_) => f.write_str("do"),
            Self::LeaveChild(path) => write!(f, "leave child {path}"),
            Self::Exit(code) => write!(f, "exit {code}"),
            Self::Die(signal) => write!(f, "die {signal}"),
            Self::Hang => f.write_str("hang"),
        }
    }
}

impl Step {
    /// A step that listens; see [`Step::Listen`].
    pub fn listen(answer: impl Fn(&str) -> Option<Vec<Step>> + Send + Sync + 'static) -> Self {
        Self::Listen(Arc::new(answer))
    }

    /// A step that acts on the world.
    pub fn act(act: impl Fn(&World, &LaunchSpec) + Send + Sync + 'static) -> Self {
        Self::Do(Arc::new(act))
    }
}

impl Script {
    /// A script without steps.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a step.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push_back(step);
        self
    }

    /// Prints text below what the screen shows.
    #[must_use]
    pub fn print(self, text: &str) -> Self {
        self.step(Step::Print(text.to_owned()))
    }

    /// Replaces all that the screen shows.
    #[must_use]
    pub fn screen(self, text: &str) -> Self {
        self.step(Step::Screen(text.to_owned()))
    }

    /// Sets the terminal title.
    #[must_use]
    pub fn title(self, text: &str) -> Self {
        self.step(Step::Title(text.to_owned()))
    }

    /// Does nothing for a while.
    #[must_use]
    pub fn wait(self, span: Millis) -> Self {
        self.step(Step::Wait(span))
    }

    /// Prints a prompt and waits until what was typed ends with `expected`, such as `y` or `y\r`;
    /// anything else leaves it waiting.
    #[must_use]
    pub fn ask(self, prompt: &str, expected: &str) -> Self {
        let expected = expected.to_owned();
        self.print(prompt).step(Step::listen(move |typed| typed.ends_with(&expected).then(Vec::new)))
    }

    /// Does something to the world, such as work in its worktree.
    #[must_use]
    pub fn work(self, act: impl Fn(&World, &LaunchSpec) + Send + Sync + 'static) -> Self {
        self.step(Step::act(act))
    }

    /// From now on survives hang-up and terminate.
    #[must_use]
    pub fn deaf(self) -> Self {
        self.step(Step::Deaf)
    }

    /// Exits.
    #[must_use]
    pub fn exit(self, code: i32) -> Self {
        self.step(Step::Exit(code))
    }

    /// Is ended by a signal.
    #[must_use]
    pub fn die(self, signal: i32) -> Self {
        self.step(Step::Die(signal))
    }

    /// Does nothing for ever.
    #[must_use]
    pub fn hang(self) -> Self {
        self.step(Step::Hang)
    }
}

impl FromIterator<Step> for Script {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        Self { steps: steps.into_iter().collect() }
    }
}
