use std::fmt::Display;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::escape_line;
use orch_core::plan::{Manifest, Plan};
use orch_core::ports::VcsError;
use orch_git::{GitConfig, GitVcs, GitVersion, Identity, Remote};
use orch_runtime::{Settings, SocketPlaces, Workdir, holder, read_journal};
use serde::Serialize;
use serde_json::json;

use super::Act;
use crate::failure::{Exit, Failure};
use crate::output::Paint;
use crate::reading::read_file;
use crate::shell::{Shell, block_on, cwd, settings};

/// Check the machine, the settings and the workdir; says what to do about what is not right
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {}

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    status: Health,
    message: String,
    help: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Health {
    Ok,
    Warning,
    Error,
}

impl Check {
    fn new(name: &'static str, status: Health, message: &dyn Display, help: &str) -> Self {
        let help = Some(help.to_owned()).filter(|help| !help.is_empty());
        Self { name, status, message: message.to_string(), help }
    }

    fn ok(name: &'static str, message: &dyn Display) -> Self {
        Self::new(name, Health::Ok, message, "")
    }
}

impl Act for Doctor {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        let workdir = shell.workdir();
        let found = workdir.as_ref().ok();
        let cwd = cwd()?;
        let mut checks = vec![block_on(async { Ok(git().await) })?, tmux()];
        let clone = found.map(Workdir::repo).filter(|clone| clone.exists());
        checks.push(block_on(async { Ok(identity(clone.as_ref().unwrap_or(&cwd)).await) })?);
        let settings = settings(found);
        checks.extend(of_settings(settings.as_ref()));
        match &workdir {
            Ok(workdir) => {
                checks.extend(of_workdir(workdir));
                checks.extend(block_on(async { Ok(configuration(workdir).await) })?);
                checks.extend(block_on(async { Ok(contents(workdir).await) })?);
            }
            Err(failure) => checks.push(Check::new("workdir", Health::Warning, &failure, "`orch init` makes one")),
        }
        let ok = checks.iter().all(|check| check.status != Health::Error);
        if shell.json() {
            shell.document(&json!({"ok": ok, "checks": checks}))?;
        } else {
            shell.text(&rendered(&checks, shell.paint()))?;
        }
        Ok(if ok { Exit::Done } else { Exit::Failed })
    }
}

async fn git() -> Check {
    let update = "install git 2.40 or newer";
    match orch_git::git_version().await {
        Err(error) => Check::new("git", Health::Error, &error, update),
        Ok(version) if version < GitVersion::OLDEST => {
            Check::new("git", Health::Error, &format!("{version} is older than {}", GitVersion::OLDEST), update)
        }
        Ok(version) if version < GitVersion::MERGE_BASE => Check::new(
            "git",
            Health::Warning,
            &format!("{version}: squashed predecessors are left to the agents to merge"),
            update,
        ),
        Ok(version) => Check::ok("git", &version),
    }
}

fn tmux() -> Check {
    let install = "agents run on PTYs without it; install tmux 3.2 or newer to run them there";
    let output = Command::new("tmux").arg("-V").stdin(Stdio::null()).output();
    match output {
        Err(error) => Check::new("tmux", Health::Warning, &format!("it cannot be run: {error}"), install),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            match tmux_version(&said) {
                Some(version) if version >= (3, 2) => Check::ok("tmux", &said),
                _ => Check::new("tmux", Health::Warning, &format!("{said:?} is not 3.2 or newer"), install),
            }
        }
    }
}

/// What `tmux -V` says: `tmux 3.3a`, `tmux next-3.6`, `tmux openbsd-7.4`.
fn tmux_version(text: &str) -> Option<(u32, u32)> {
    let text = text.strip_prefix("tmux ")?;
    let text = text.strip_prefix("next-").unwrap_or(text);
    let (major, minor) = text.split_once('.')?;
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    Some((digits(major)?, digits(minor)?))
}

/// Whom commits in a repository, if it is one, will be by.
async fn identity(repo: &Utf8Path) -> Check {
    match identity_of(repo).await {
        Ok(Identity { name, email, configured: true }) => Check::ok("identity", &format!("{name} <{email}>")),
        Ok(Identity { name, email, .. }) => Check::new(
            "identity",
            Health::Warning,
            &format!("none is configured: agents and orch commit as {name} <{email}>"),
            "git config --global user.name NAME && git config --global user.email ADDRESS",
        ),
        Err(Failure::Vcs(VcsError::Missing { .. })) => {
            Check::ok("identity", &"not asked for: there is no repository here")
        }
        Err(failure) => Check::new("identity", Health::Warning, &format!("not known: {failure}"), ""),
    }
}

async fn identity_of(repo: &Utf8Path) -> Result<Identity, Failure> {
    let scratch = tempfile::tempdir().map_err(|error| Failure::other(format!("no temporary directory: {error}")))?;
    let scratch = Utf8PathBuf::from_path_buf(scratch.path().to_owned())
        .map_err(|path| Failure::other(format!("{} is not UTF-8", path.display())))?;
    let config = GitConfig {
        repo: repo.to_owned(),
        remote: Remote::Itself,
        effects_lock: None,
        identity_default: orch_fleet::IDENTITY.map(str::to_owned).into(),
        baseline: scratch.join("baseline.json"),
        new_baseline: true,
        hooks: false,
        owner: None,
    };
    Ok(GitVcs::open(config).await?.identity().await?)
}

fn of_settings(settings: Result<&Settings, &Failure>) -> Vec<Check> {
    let settings = match settings {
        Ok(settings) => settings,
        Err(Failure::Settings(error)) => {
            let check = |problem: &orch_runtime::SettingsProblem| Check::new("settings", Health::Error, &problem, "");
            return error.problems.iter().map(check).collect();
        }
        Err(failure) => return vec![Check::new("settings", Health::Error, &failure, "")],
    };
    let mut checks = vec![Check::ok("settings", &format!("{} keys are set", settings.sources().count()))];
    checks.extend(settings.warnings.iter().map(|problem| Check::new("settings", Health::Warning, &problem, "")));
    let programs = settings.agents.iter().filter_map(|(name, agent)| Some((name, agent.command.as_ref()?.first()?)));
    checks.extend(programs.filter(|(_, program)| !is_program(program)).map(|(name, program)| {
        let message = format!("the program of agent {name} is not there: {program}");
        Check::new("agents", Health::Warning, &message, "install it, or give its path in orch.toml")
    }));
    checks
}

/// Whether a program can be found, by its path or on `PATH`.
fn is_program(program: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let executable = |path: std::path::PathBuf| {
        std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return executable(program.into());
    }
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| executable(dir.join(program))))
}

fn of_workdir(workdir: &Workdir) -> Vec<Check> {
    let places = SocketPlaces::from_env();
    let mut checks = vec![permissions(workdir)];
    checks.push(match workdir.tmux_socket(&places).and_then(|_| workdir.control_socket(&places)) {
        Ok(socket) => Check::ok("sockets", &socket.parent().unwrap_or(workdir.root())),
        Err(error) => Check::new("sockets", Health::Error, &error, ""),
    });
    checks.push(manifest(workdir));
    checks.push(match read_journal::<orch_core::journal::Entry>(&workdir.journal()) {
        Ok(found) => Check::ok("journal", &format!("{} records", found.records.len())),
        Err(error) => Check::new("journal", Health::Error, &error, ""),
    });
    checks.push(match holder(workdir) {
        Ok(Some(owner)) => Check::ok("orchestrator", &format!("process {} since {}", owner.process.pid, owner.since)),
        Ok(None) => Check::ok("orchestrator", &"none runs"),
        Err(error) => Check::new("orchestrator", Health::Error, &error, ""),
    });
    checks
}

/// What of the repository will not be in worktrees, or not in what is pushed.
async fn contents(workdir: &Workdir) -> Vec<Check> {
    let Ok(vcs) = orch_fleet::existing_repository(workdir).await else { return Vec::new() };
    let survey = match vcs.survey().await {
        Ok(survey) => survey,
        Err(error) => return vec![Check::new("repository", Health::Warning, &error, "")],
    };
    let mut checks = Vec::new();
    if !survey.empty_submodules.is_empty() {
        let message = format!("submodules that agents will have empty: {}", survey.empty_submodules.join(", "));
        let help = format!("git -C {} submodule update --init --recursive", vcs.top());
        checks.push(Check::new("submodules", Health::Warning, &message, &help));
    }
    if let Some(hook) = survey.unrun_hook {
        let message = format!("orch pushes without hooks, but {hook}; `orch run` refuses");
        checks.push(Check::new("hooks", Health::Error, &message, crate::failure::HOOKS));
    }
    checks
}

/// What of the repository's configuration changed since orch began and could mislead it.
async fn configuration(workdir: &Workdir) -> Vec<Check> {
    let changes = match orch_fleet::existing_repository(workdir).await {
        Ok(vcs) => vcs.configuration_changes().await.map_err(Failure::from),
        Err(error) => Err(error.into()),
    };
    match changes {
        // Settings, manifest and repository have checks of their own.
        Err(Failure::Vcs(error)) => vec![Check::new("configuration", Health::Error, &error, "")],
        Err(_) => Vec::new(),
        Ok(changes) if changes.is_empty() => vec![Check::ok("configuration", &"as it was when orch began")],
        Ok(changes) => {
            let accept = "if you or a tool of yours did this, `orch sync --accept-config` accepts it; else undo it";
            changes.iter().map(|change| Check::new("configuration", Health::Error, change, accept)).collect()
        }
    }
}

fn permissions(workdir: &Workdir) -> Check {
    use std::os::unix::fs::PermissionsExt;
    let root = workdir.root();
    match std::fs::metadata(root).map(|meta| meta.permissions().mode() & 0o777) {
        Ok(0o700) => Check::ok("workdir", &root),
        Ok(mode) => {
            let message =
                format!("{root} has mode {mode:04o}: others can look in, and it is only taken when it is named");
            Check::new("workdir", Health::Warning, &message, &format!("chmod 700 {root}"))
        }
        Err(error) => Check::new("workdir", Health::Error, &format!("{root} cannot be looked at: {error}"), ""),
    }
}

fn manifest(workdir: &Workdir) -> Check {
    let bytes = match read_file(&workdir.manifest()) {
        Ok(bytes) => bytes,
        Err(failure) => return Check::new("manifest", Health::Error, &failure, "`orch schema` says what goes in"),
    };
    match Manifest::parse(&bytes) {
        Ok(parsed) => {
            let Plan { tasks, phases, .. } = parsed.manifest.plan();
            Check::ok("manifest", &format!("{} tasks in {} phases", tasks.len(), phases.len()))
        }
        Err(problems) => {
            let message = format!("{} errors", problems.len());
            Check::new("manifest", Health::Error, &message, "`orch validate` lists them")
        }
    }
}

fn rendered(checks: &[Check], paint: Paint) -> String {
    let mut text = String::new();
    for check in checks {
        let status = match check.status {
            Health::Ok => "ok     ".to_owned(),
            Health::Warning => paint.alarm("warning"),
            Health::Error => paint.alarm("error  "),
        };
        text.push_str(&format!("{status}  {:<12}  {}\n", check.name, escape_line(&check.message)));
        text.extend(check.help.as_ref().map(|help| format!("                       help: {}\n", escape_line(help))));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_tmux_are_read() {
        let table = [
            ("tmux 3.3a", Some((3, 3))),
            ("tmux 2.9", Some((2, 9))),
            ("tmux next-3.6", Some((3, 6))),
            ("tmux openbsd-7.4", None),
            ("screen 4", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(tmux_version(text), expected, "{text}");
        }
    }

    #[test]
    fn programs_are_found_by_path_and_by_name() {
        assert!(is_program("sh") && is_program("/bin/sh"));
        assert!(!is_program("/bin") && !is_program("no-such-program-anywhere") && !is_program("/no/such"));
    }

    #[test]
    fn what_is_wrong_comes_with_its_cure() {
        let checks =
            [Check::ok("git", &"2.47.3"), Check::new("tmux", Health::Warning, &"it\u{1b} is not there", "install it")];
        insta::assert_snapshot!(rendered(&checks, Paint(false)), @r"
        ok       git           2.47.3
        warning  tmux          it\u{1b} is not there
                               help: install it
        ");
    }

    #[test]
    fn wrong_settings_are_listed_one_by_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = Utf8PathBuf::from_path_buf(dir.path().join("orch.toml")).expect("UTF-8");
        std::fs::write(&file, "[heal]\npoke_aftr = \"1m\"\n[verify]\nparallel = 0\n").expect("written");
        let failure = Settings::load(None, Some(&file)).map_err(Failure::from);
        assert_eq!(of_settings(failure.as_ref()).len(), 2);
        std::fs::write(&file, "[agents.mine]\ncommand = [\"/no/such\"]\n").expect("written");
        let settings = Settings::load(None, Some(&file)).map_err(Failure::from);
        let names: Vec<&str> = of_settings(settings.as_ref()).iter().map(|check| check.name).collect();
        assert_eq!(names, ["settings", "agents"]);
    }
}
