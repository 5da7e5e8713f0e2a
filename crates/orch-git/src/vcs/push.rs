use std::io::Write;

use orch_core::base::{Sha, TaskId};
use orch_core::ports::{PushSpec, VcsError};

use super::{GitVcs, Remote, local_ref};
use crate::git::{Output, printable, stays};

impl GitVcs {
    pub(super) async fn publish(&self, spec: &PushSpec) -> Result<(), VcsError> {
        let what = format!("a push to {}", spec.branch);
        if spec.branch == spec.base {
            return Err(VcsError::Refused { what, why: "it is the base branch".to_owned() });
        }
        self.existing(&spec.sha).await?;
        let Remote::Named(remote) = &self.remote else { return self.is_published(spec).await };
        self.baseline.check(None).await?;
        if self.known_default(remote).await?.as_deref() == Some(spec.branch.as_str()) {
            return Err(VcsError::Refused { what, why: "it is the remote's default branch".to_owned() });
        }
        if self.hooks {
            self.run_pre_push(remote, spec).await?;
        } else if let Some(hook) = self.unrun_hook(&spec.sha).await? {
            let why = format!("{hook}, so the branch could not be checked out without it; {ALLOW}");
            return Err(VcsError::Refused { what, why });
        }
        let refspec = format!("{}:{}", spec.sha, local_ref(&spec.branch));
        let force = match &spec.leaves {
            None => "--no-force".to_owned(),
            Some(left) => {
                self.keep_pushed(&left.task, &left.tip).await?;
                format!("--force-with-lease={}:{}", local_ref(&spec.branch), left.tip)
            }
        };
        let output = self
            .repo
            .network(["push", "--porcelain", "--no-verify", "--no-follow-tags", "--no-recurse-submodules"])
            .args(["--no-signed", &force, "--", remote, &refspec])
            .run()
            .await?;
        match Answer::read(&output) {
            Answer::Done => Ok(()),
            Answer::NotForward => Err(VcsError::Moved {
                branch: spec.branch.clone(),
                found: self.ask_remote_tip(&spec.branch).await?,
                expected: spec.sha.clone(),
            }),
            Answer::Refused(why) => Err(VcsError::Refused { what, why }),
            Answer::Later(why) => Err(VcsError::Unreachable { why }),
            Answer::Nothing => Err(output.remote_error(&what)),
        }
    }

    /// Keeps a tip that is left behind at `refs/orch/saved/<task>/pushed-<n>`, once.
    pub(super) async fn keep_pushed(&self, task: &TaskId, tip: &Sha) -> Result<(), VcsError> {
        self.existing(tip).await?;
        for number in 1_u32.. {
            let name = format!("refs/orch/saved/{task}/pushed-{number}");
            match self.repo.commit_of(&name).await? {
                Some(kept) if kept == *tip => break,
                Some(_) => {}
                None => return self.repo.set_ref(&name, tip, Some("")).await,
            }
        }
        Ok(())
    }

    /// Without a remote the branch is where it belongs as soon as it contains the commit.
    async fn is_published(&self, spec: &PushSpec) -> Result<(), VcsError> {
        let found = self.repo.commit_of(&local_ref(&spec.branch)).await?;
        if let Some(tip) = &found
            && self.reaches(&spec.sha, tip).await?
        {
            return Ok(());
        }
        Err(VcsError::Moved { branch: spec.branch.clone(), found, expected: spec.sha.clone() })
    }

    /// The remote's default branch, as far as it is known here.
    async fn known_default(&self, remote: &str) -> Result<Option<String>, VcsError> {
        let output = self.repo.read(["symbolic-ref", "--quiet", &format!("refs/remotes/{remote}/HEAD")]).run().await?;
        let prefix = format!("refs/remotes/{remote}/");
        Ok(output.text().strip_prefix(&prefix).map(str::to_owned))
    }

    /// Runs the user's `pre-push` hook before the push, and so without what only the push may see.
    async fn run_pre_push(&self, remote: &str, spec: &PushSpec) -> Result<(), VcsError> {
        let failed = |why: String| VcsError::Git { command: "hook".to_owned(), stderr: why };
        let reference = local_ref(&spec.branch);
        let known = self.repo.commit_of(&self.remote_ref(&spec.branch)).await?;
        let known = known.map_or_else(|| "0".repeat(spec.sha.as_str().len()), String::from);
        let line = format!("{reference} {} {reference} {known}\n", spec.sha);
        let mut file = tempfile::NamedTempFile::new().map_err(|error| failed(error.to_string()))?;
        file.write_all(line.as_bytes()).map_err(|error| failed(error.to_string()))?;
        let path = file.path().to_str().ok_or_else(|| failed("the temporary directory is not UTF-8".to_owned()))?;
        let url = self.repo.read(["remote", "get-url", "--push", "--", remote]).ok().await?.text();
        let input = format!("--to-stdin={path}");
        let call = self.repo.write(["hook", "run", "--ignore-missing", &input, "pre-push", "--", remote, &url]);
        let output = call.with_hooks(true).run().await?;
        if output.status == 0 {
            return Ok(());
        }
        let why = format!("the pre-push hook ended with {}: {}", output.status, output.stderr);
        Err(VcsError::Refused { what: format!("a push to {}", spec.branch), why })
    }
}

/// How a person lets hooks run.
const ALLOW: &str = "set `[git] hooks = true` in orch.toml to have the repository's hooks run";

/// What the remote made of the one ref that was pushed.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// It is there.
    Done,
    /// The branch has something else.
    NotForward,
    /// No, for good.
    Refused(String),
    /// No, but perhaps later.
    Later(String),
    /// It did not come to that.
    Nothing,
}

impl Answer {
    /// Reads `git push --porcelain`: `<flag> TAB <from>:<to> TAB <summary>`.
    fn read(output: &Output) -> Self {
        let text = output.text();
        let Some((flag, summary)) = text.lines().find_map(|line| {
            let mut fields = line.splitn(3, '\t');
            let (flag, to, summary) = (fields.next()?, fields.next()?, fields.next()?);
            to.contains(":refs/heads/").then_some((flag, summary))
        }) else {
            return Self::Nothing;
        };
        match flag {
            " " | "*" | "=" | "+" if output.status == 0 => Self::Done,
            "!" if summary.starts_with("[rejected]") => Self::NotForward,
            "!" if stays(summary) || stays(&output.stderr) => Self::Refused(explained(summary, output)),
            "!" if TRANSIENT.iter().any(|text| summary.contains(text)) => Self::Later(explained(summary, output)),
            "!" if summary.starts_with("[remote rejected]") => Self::Refused(explained(summary, output)),
            _ => Self::Later(explained(summary, output)),
        }
    }
}

/// Rejections that tell of a moment and not of a rule.
const TRANSIENT: &[&str] = &["cannot lock ref", "failed to update ref", "unable to create", "remote failed to report"];

fn explained(summary: &str, output: &Output) -> String {
    let said: Vec<&str> = output.stderr.lines().filter_map(|line| line.strip_prefix("remote: ")).collect();
    printable(&[&[summary], said.as_slice()].concat().join("\n"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn answers_of_remotes_are_told_apart() {
        let rejected = Answer::Refused("[remote rejected] (pre-receive hook declined)\nno merges here".to_owned());
        let name = "[remote rejected] ('refs/heads/x' exists; cannot create 'refs/heads/x/y')\nno merges here";
        let named = Answer::Refused(name.to_owned());
        let locked = Answer::Later("[remote rejected] (cannot lock ref 'refs/heads/x')\nno merges here".to_owned());
        let cases = [
            (0, "To /o\n*\tabc:refs/heads/x\t[new branch]\nDone", Answer::Done),
            (0, "To /o\n=\tabc:refs/heads/x\t[up to date]\nDone", Answer::Done),
            (0, "To /o\n \tabc:refs/heads/x\t1..2\nDone", Answer::Done),
            (0, "To /o\n+\tabc:refs/heads/x\t1...2 (forced update)\nDone", Answer::Done),
            (1, "To /o\n!\tabc:refs/heads/x\t[rejected] (stale info)\nDone", Answer::NotForward),
            (1, "To /o\n!\tabc:refs/heads/x\t[rejected] (fetch first)\nDone", Answer::NotForward),
            (1, "To /o\n!\tabc:refs/heads/x\t[rejected] (non-fast-forward)", Answer::NotForward),
            (1, "To /o\n!\tabc:refs/heads/x\t[remote rejected] (pre-receive hook declined)", rejected),
            (1, "To /o\n!\tabc:refs/heads/x\t[remote rejected] (cannot lock ref 'refs/heads/x')", locked),
            (
                1,
                "To /o\n!\tabc:refs/heads/x/y\t[remote rejected] ('refs/heads/x' exists; cannot create 'refs/heads/x/y')",
                named,
            ),
            (128, "", Answer::Nothing),
        ];
        for (status, text, expected) in cases {
            let status = ExitStatus::from_raw(status << 8);
            let output = Output::new(status, text.into(), b"remote: no merges here\nerror: failed");
            assert_eq!(Answer::read(&output), expected, "{text}");
        }
    }

    #[test]
    fn a_sha_is_never_an_option_or_a_forced_refspec() {
        for text in ["+0123456789012345678901234567890123456789", "--force", "HEAD"] {
            assert!(Sha::parse(text).is_err(), "{text}");
        }
    }
}
