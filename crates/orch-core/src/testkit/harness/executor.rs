use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};

use crate::base::time::Millis;
use crate::ports::LaunchSpec;
use crate::testkit::{Behaviour, ExecutorHarness, MockExecutor, Script, Step, World};

/// Interprets the suite's behaviours as scripts in a simulated world.
#[derive(Default)]
pub(in crate::testkit) struct MockExecutorHarness {
    world: Mutex<World>,
}

impl MockExecutorHarness {
    fn world(&self) -> World {
        self.world.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl ExecutorHarness for MockExecutorHarness {
    type Executor = MockExecutor;

    async fn fresh(&self) -> MockExecutor {
        let world = World::new();
        let stage = world.clone();
        world.on_launch(move |spec| {
            Behaviour::from_data(&spec.argv).map_or_else(Script::new, |b| script(&stage, spec, b))
        });
        *self.world.lock().unwrap_or_else(PoisonError::into_inner) = world.clone();
        world.executor()
    }

    async fn restart(&self, executor: MockExecutor) -> MockExecutor {
        drop(executor);
        self.world().executor()
    }

    async fn settle(&self) {
        self.world().advance(Millis(20));
    }

    fn patience(&self) -> u32 {
        20
    }

    fn argv(&self, behaviour: &Behaviour) -> Vec<String> {
        behaviour.as_data()
    }

    fn scratch(&self) -> Utf8PathBuf {
        "/scratch".into()
    }

    fn make_dir(&self, _: &Utf8Path) {}

    fn write(&self, path: &Utf8Path, content: &[u8]) {
        self.world().write_file(path, content);
    }

    fn read(&self, path: &Utf8Path) -> Option<Vec<u8>> {
        self.world().read_file(path)
    }

    fn mode(&self, _: &Utf8Path) -> Option<u32> {
        None
    }

    fn alive(&self, pid: u32) -> bool {
        self.world().alive(pid)
    }

    async fn plant_foreign(&self, _: &MockExecutor) -> bool {
        self.world().plant_foreign_session("mine");
        true
    }

    async fn lose(&self, _: &MockExecutor) -> bool {
        self.world().lose_executor();
        true
    }
}

fn script(world: &World, spec: &LaunchSpec, behaviour: Behaviour) -> Script {
    let ready = || Script::new().print("ready\n");
    let write = |file: Utf8PathBuf, content: Vec<u8>| {
        Script::new().work(move |world, _| world.append_file(&file, &content)).exit(0)
    };
    match behaviour {
        Behaviour::ExitWith(code) => Script::new().exit(code),
        Behaviour::DieBySignal(signal) => Script::new().die(signal),
        Behaviour::PrintAndExit(text) => Script::new().print(&text).exit(0),
        Behaviour::PrintAndSleep(text) => Script::new().print(&text).hang(),
        Behaviour::Sleep => ready().hang(),
        Behaviour::IgnoreHangup => Script::new().deaf().print("ready\n").hang(),
        Behaviour::CountStarts(file) => {
            Script::new().work(move |world, _| world.append_file(&file, b"x\n")).print("ready\n").hang()
        }
        Behaviour::CountStartsAndExit(file) => write(file, b"x\n".to_vec()),
        Behaviour::EchoLines => ready().step(echo_lines()),
        Behaviour::AskYesNo => Script::new().print("Continue? [y/n] ").step(Step::listen(|typed| {
            let answer = typed.strip_suffix('\r')?;
            Some(vec![Step::Screen(format!("answer {answer}\n")), Step::Hang])
        })),
        Behaviour::RecordInput { file, bracketed } => {
            let script = if bracketed { Script::new().step(Step::BracketedPaste) } else { Script::new() };
            script.print("ready\n").step(record(file))
        }
        Behaviour::WriteArguments { file, arguments } => {
            write(file, arguments.iter().flat_map(|argument| [argument.as_bytes(), b"\0"].concat()).collect())
        }
        Behaviour::WriteVariable { name, file } => {
            write(file, spec.env.get(&name).map(|value| value.clone().into_bytes()).unwrap_or_default())
        }
        Behaviour::PrintEnvironment => {
            let lines: Vec<String> = spec.env.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
            Script::new().print(&lines.concat()).exit(0)
        }
        Behaviour::WriteDirectory(file) => write(file, format!("{}\n", spec.cwd).into_bytes()),
        Behaviour::CopyStdin(file) => {
            write(file, spec.stdin.as_ref().and_then(|path| world.read_file(path)).unwrap_or_default())
        }
        Behaviour::PrintSize => Script::new().print(&format!("{} {}\n", spec.size.1, spec.size.0)).exit(0),
        Behaviour::SetTitle(title) => Script::new().title(&title).print("ready\n").hang(),
        Behaviour::CountRedraws => ready().step(Step::Redraws("redrawn\n".to_owned())).hang(),
        Behaviour::LeaveChild { pid_file, exit, .. } => {
            let script = Script::new().step(Step::LeaveChild(pid_file));
            if exit { script.exit(0) } else { script.print("ready\n").hang() }
        }
    }
}

fn echo_lines() -> Step {
    Step::listen(|typed| {
        let lines = typed.strip_suffix('\r')?.split('\r');
        let answers = lines.map(|line| Step::Print(format!("got {line}\n")));
        Some(answers.chain([echo_lines()]).collect())
    })
}

fn record(file: Utf8PathBuf) -> Step {
    Step::listen(move |typed| {
        let (to, bytes) = (file.clone(), typed.as_bytes().to_vec());
        Some(vec![Step::act(move |world, _| world.append_file(&to, &bytes)), record(file.clone())])
    })
}
