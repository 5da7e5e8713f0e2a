mod origin;

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::{BranchName, escape_line};
use orch_core::plan::{ExecutorKind, ForgeKind, Manifest, Starter};
use orch_core::ports::Vcs;
use orch_git::{GitConfig, GitVcs, Remote, RemoteInfo};
use orch_runtime::{SystemClock, Workdir, WorkdirError, replace_file};
use serde_json::json;

use super::Act;
use crate::failure::{Exit, Failure};
use crate::shell::{Shell, block_on, cwd};

use origin::{Origin, Source};

/// Make a workdir: for the repository you stand in, or with a clone of its own
///
/// Without --repo: `.orch/` in the repository you stand in, kept out of git by `.git/info/exclude`. With --repo: a
/// clone in `./<repo>.orch/repo/`. --workdir puts it elsewhere. Nothing is ever overwritten.
#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// What to clone: a path, a URL, or OWNER/REPO at GitHub
    #[arg(long, value_name = "OWNER/REPO|URL|PATH")]
    repo: Option<String>,
    /// The project's name [default: that of the repository]
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// The branch that work is for [default: the remote's HEAD]
    #[arg(long, value_name = "BRANCH", value_parser = branch)]
    base: Option<BranchName>,
    /// The agent that works on tasks which name none
    #[arg(long, value_name = "NAME", default_value = "codex")]
    agent: String,
    /// Where agents run [default: tmux where there is one, else pty]
    #[arg(long, value_name = "tmux|pty", value_parser = crate::shell::executor)]
    executor: Option<ExecutorKind>,
    /// Where pull requests live [default: github if the remote is GitHub, else local]
    #[arg(long, value_name = "github|local", value_parser = forge)]
    forge: Option<ForgeKind>,
}

fn branch(text: &str) -> Result<BranchName, String> {
    BranchName::parse(text).map_err(|error| error.to_string())
}

fn forge(text: &str) -> Result<ForgeKind, String> {
    ForgeKind::parse(text).ok_or_else(|| "github or local".to_owned())
}

/// A workdir to make.
#[derive(Debug)]
struct Site {
    root: Utf8PathBuf,
    /// The repository that agents will work on: the clone, or the one around the workdir.
    repo: Utf8PathBuf,
    remote: Option<RemoteInfo>,
    /// What the manifest says of the repository.
    named: Option<String>,
    project: String,
    /// The branch that work is for, where no remote says so.
    base: Option<BranchName>,
}

impl Act for Init {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        let cwd = cwd()?;
        let elsewhere = shell.named_workdir().map(|dir| cwd.join(dir));
        let here = self.repo.is_none().then(|| repository_around(&cwd)).flatten();
        let site = match (&self.repo, here) {
            (Some(repo), _) => block_on(self.cloned(shell, Source::parse(repo, &cwd)?, elsewhere, &cwd))?,
            (None, None) => {
                return Err(Failure::input(format!("{cwd} is in no git repository"))
                    .help("go to one, or name one: `orch init --repo PATH`"));
            }
            (None, Some(top)) => match elsewhere {
                Some(dir) if dir.parent() != Some(&top) => {
                    block_on(self.cloned(shell, Source::Path(top), Some(dir), &cwd))?
                }
                dir => block_on(self.around(top.clone(), dir.unwrap_or_else(|| top.join(".orch"))))?,
            },
        };
        let site = Site { project: self.project.clone().unwrap_or(site.project), ..site };
        let workdir = self.furnish(shell, &site)?;
        if shell.json() {
            let (root, manifest) = (workdir.root(), workdir.manifest());
            shell.document(&json!({"workdir": root, "manifest": manifest, "repo": site.repo, "project": site.project, "base": site.base}))?;
        } else {
            let (root, manifest) = (escape_line(workdir.root().as_str()), escape_line(workdir.manifest().as_str()));
            shell.text(&format!(
                "made the workdir {root} for {}\nnext: write tasks into {manifest} and check them with `orch validate`; then `orch run`\n",
                escape_line(&site.project)
            ))?;
        }
        Ok(Exit::Done)
    }
}

impl Init {
    /// A workdir with a clone of its own.
    async fn cloned(
        &self,
        shell: &Shell,
        source: Source,
        elsewhere: Option<Utf8PathBuf>,
        cwd: &Utf8Path,
    ) -> Result<Site, Failure> {
        let name = source.name();
        let root = elsewhere.unwrap_or_else(|| cwd.join(format!("{name}.orch")));
        check_vacant(&root)?;
        if let Source::Path(path) = &source {
            orch_git::detect_remote(path).await?;
        }
        self.check_forge(shell, &source.origin())?;
        let repo = root.join("repo");
        if !repo.exists() {
            make_private(&root)?;
            shell.detail(&format!("cloning {source} into {repo}"));
            if let Err(error) = orch_git::clone(&source.address(), &repo, None).await {
                // Only an empty directory goes, and a clone that failed leaves nothing else.
                let _ = std::fs::remove_dir(&root);
                return Err(error.into());
            }
        }
        let remote = orch_git::detect_remote(&repo).await?;
        Ok(Site { root, repo, remote, named: Some(source.to_string()), project: name, base: self.base.clone() })
    }

    /// A workdir inside of the repository that agents will work on.
    async fn around(&self, top: Utf8PathBuf, root: Utf8PathBuf) -> Result<Site, Failure> {
        check_vacant(&root)?;
        let remote = orch_git::detect_remote(&top).await?;
        let origin = remote.as_ref().map(|remote| Origin::of(&remote.url, &top));
        let named = match &origin {
            Some(Origin::GitHub(slug)) => Some(slug.clone()),
            Some(Origin::Disk(_) | Origin::Other(_)) | None => None,
        };
        let project = top.file_name().unwrap_or("project").to_owned();
        // Without a remote, work is for the branch that its user stands on now, in whichever worktree, and not for
        // the one that happens to be checked out when it is merged.
        let base = match (&self.base, &remote) {
            (None, None) => orch_git::head_branch(&top).await?,
            (base, _) => base.clone(),
        };
        Ok(Site { root, repo: top, remote, named, project, base })
    }

    /// Refuses what no forge can serve.
    fn check_forge(&self, shell: &Shell, origin: &Origin) -> Result<(), Failure> {
        const CHOICES: &str = "point `origin` at a repository on disk, or start from one: `git clone --bare URL DIR` and `orch init --repo DIR`";
        match (origin, self.forge) {
            (Origin::Disk(_), Some(ForgeKind::Github)) => {
                Err(Failure::input("the forge github needs a remote at github.com")
                    .help("leave --forge out, or say `--forge local`"))
            }
            (Origin::Disk(_), _) => Ok(()),
            (Origin::GitHub(slug), Some(ForgeKind::Local)) => Err(Failure::input(format!(
                "the forge local merges into a repository on disk, but the remote is GitHub's {}",
                escape_line(slug)
            ))
            .help(CHOICES)),
            (Origin::GitHub(_), _) => {
                shell.note(&format!(
                    "the forge github is not part of this build: until it is, plans can be made and checked, but `orch run` refuses. To run now: {CHOICES}"
                ));
                Ok(())
            }
            (Origin::Other(url), _) => Err(Failure::input(format!(
                "the remote {} is neither at GitHub nor a path on disk, and pull requests can live nowhere else",
                escape_line(url)
            ))
            .help(CHOICES)),
        }
    }

    /// Makes the directory, keeps it out of git, records how the repository is configured, writes the manifest.
    fn furnish(&self, shell: &Shell, site: &Site) -> Result<Workdir, Failure> {
        let origin = site.remote.as_ref().map(|remote| Origin::of(&remote.url, &site.repo));
        if let Some(origin) = origin.filter(|_| site.repo != site.root.join("repo")) {
            self.check_forge(shell, &origin)?;
        }
        let workdir = match Workdir::create(&site.root) {
            // One that an earlier call did not finish.
            Err(WorkdirError::Exists { root }) if !root.join("manifest.json").exists() => Workdir::open(&root)?,
            made => made?,
        };
        block_on(self.note_repository(shell, &workdir, site))?;
        let starter = Starter {
            project: site.project.clone(),
            repo: site.named.clone(),
            base: site.base.clone(),
            agent: self.agent.clone(),
            executor: self.executor,
            forge: self.forge,
            workdir: workdir.root().to_string(),
            created: SystemClock::new().now().wall,
        };
        replace_file(&workdir.manifest(), Manifest::starter(&starter).as_bytes(), 0o600)?;
        Ok(workdir)
    }

    async fn note_repository(&self, shell: &Shell, workdir: &Workdir, site: &Site) -> Result<(), Failure> {
        let remote = site.remote.as_ref().map_or(Remote::Itself, |remote| Remote::Named(remote.name.clone()));
        let vcs = GitVcs::open(GitConfig {
            repo: site.repo.clone(),
            remote,
            effects_lock: None,
            identity_default: ("orch".to_owned(), "orch@localhost".to_owned()),
            baseline: workdir.root().join("git-baseline.json"),
            new_baseline: true,
            hooks: false,
            owner: None,
        })
        .await?;
        if site.root.parent() == Some(&site.repo) {
            exclude(vcs.common_dir(), workdir.root().file_name().unwrap_or(".orch"))?;
        }
        let far =
            site.remote.as_ref().is_some_and(|remote| !matches!(Origin::of(&remote.url, &site.repo), Origin::Disk(_)));
        if far {
            return Ok(());
        }
        let base = match &site.base {
            Some(base) => Ok(base.clone()),
            None => vcs.default_base().await,
        };
        let tip = match base {
            Ok(base) => vcs.base_tip(&base).await,
            Err(error) => Err(error),
        };
        if let Err(error) = tip {
            shell.note(&format!("the base branch cannot be used yet: {error}"));
        }
        Ok(())
    }
}

/// Refuses a place where something is already, before anything is made.
fn check_vacant(root: &Utf8Path) -> Result<(), Failure> {
    if root.join("manifest.json").symlink_metadata().is_ok() {
        return Err(WorkdirError::Exists { root: root.to_owned() }.into());
    }
    let marked = Workdir::open(root).is_ok();
    let Ok(entries) = root.read_dir_utf8() else { return Ok(()) };
    let foreign = entries.flatten().map(|entry| entry.file_name().to_owned()).find(|name| name != "repo");
    match foreign {
        Some(example) if !marked => Err(WorkdirError::NotEmpty { root: root.to_owned(), example }.into()),
        _ => Ok(()),
    }
}

/// The top of the worktree that a directory lies in.
fn repository_around(dir: &Utf8Path) -> Option<Utf8PathBuf> {
    dir.ancestors().find(|above| above.join(".git").symlink_metadata().is_ok()).map(Utf8Path::to_owned)
}

fn make_private(dir: &Utf8Path) -> Result<(), Failure> {
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(dir);
    made.map_err(|error| Failure::other(format!("cannot make the directory {dir}: {error}")))
}

/// Adds a line to `.git/info/exclude`, once.
fn exclude(git_dir: &Utf8Path, name: &str) -> Result<(), Failure> {
    let path = git_dir.join("info/exclude");
    let cannot = |error: std::io::Error| Failure::other(format!("cannot write {path}: {error}"));
    let line = format!("/{name}/");
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    if before.lines().any(|have| have == line) {
        return Ok(());
    }
    std::fs::create_dir_all(git_dir.join("info")).map_err(cannot)?;
    let start = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).mode(0o644).open(&path).map_err(cannot)?;
    file.write_all(format!("{start}{line}\n").as_bytes()).map_err(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exclude_file_gets_one_line_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let git = Utf8PathBuf::from_path_buf(dir.path().to_owned()).expect("UTF-8");
        exclude(&git, ".orch").expect("written");
        exclude(&git, ".orch").expect("nothing to do");
        let path = git.join("info/exclude");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "/.orch/\n");
        std::fs::write(&path, "# mine\n*.log").expect("written");
        exclude(&git, ".orch").expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "# mine\n*.log\n/.orch/\n");
    }

    #[test]
    fn only_a_vacant_place_is_taken() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).expect("UTF-8");
        check_vacant(&root.join("absent")).expect("not there");
        check_vacant(&root).expect("empty");
        std::fs::create_dir(root.join("repo")).expect("made");
        check_vacant(&root).expect("an interrupted clone");
        std::fs::write(root.join("notes.txt"), "").expect("written");
        assert!(matches!(check_vacant(&root), Err(Failure::Workdir(WorkdirError::NotEmpty { .. }))));
        std::fs::write(root.join("manifest.json"), "{}").expect("written");
        assert!(matches!(check_vacant(&root), Err(Failure::Workdir(WorkdirError::Exists { .. }))));
    }
}
