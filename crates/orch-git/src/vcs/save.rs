use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::{SaveSpec, Saved, Sha, VcsError};
use tempfile::TempDir;

use super::GitVcs;
use super::checkout::Checkout;
use super::status::{STATUS, Status, operation};
use crate::git::{Call, GitVersion};
use crate::merge::Signature;

/// How a person gets saved work back, byte for byte: a POSIX shell script that takes the ref and the path of a new
/// worktree, and is run in the repository.
///
/// A saved commit's tree is the whole worktree, untracked files included. Its first parent is the commit that was
/// checked out; its second holds the index: the file itself as `index`, and under `entries/` everything that the
/// index refers to (`staged/`, and `stage-1/` to `stage-3/` in the middle of a merge). A third parent is the commit
/// that was being merged.
///
/// Repositories inside the worktree and ignored files are not saved.
pub const RESTORE: &str = r#"set -e; ref=$1 dir=$2
git worktree add --quiet --detach "$dir" "$ref^1"
cd "$dir"
GIT_ATTR_SOURCE=$(git hash-object -t tree /dev/null) \
    git -c core.autocrlf=false -c core.attributesFile=/dev/null read-tree -m -u "$ref^1" "$ref"
git cat-file blob "$ref^2:index" > "$(git rev-parse --git-path index)"
if merging=$(git rev-parse --quiet --verify "$ref^3"); then
    echo "$merging" > "$(git rev-parse --git-path MERGE_HEAD)"
fi
"#;

/// What is saved, as git objects.
#[derive(Debug)]
struct Contents {
    /// The whole worktree.
    tree: Sha,
    /// The index commit's tree.
    index: Sha,
    /// The part of it that does not change with the times of files.
    entries: Sha,
    /// The commit checked out.
    head: Sha,
    /// What was being merged into it.
    merging: Vec<Sha>,
}

impl GitVcs {
    pub(super) async fn save_work(&self, spec: &SaveSpec) -> Result<Option<Saved>, VcsError> {
        let _path = self.paths.hold(&spec.worktree).await;
        let checkout = self.unchecked(&spec.worktree)?;
        if self.version < GitVersion::ATTR_SOURCE {
            self.baseline.check(Some(&checkout.git_dir)).await?;
        }
        self.baseline.check_attributes().await?;
        let index = IndexCopy::of(self, &checkout).await?;
        let Some(contents) = index.contents().await? else { return Ok(None) };
        let prefix = format!("refs/orch/saved/{}/", spec.task);
        let first = format!("{prefix}{}", spec.attempt);
        let again = format!("{first}-");
        let mut taken = self.repo.read(["for-each-ref", "--format=%(refname)", &prefix]).ok().await?.lines();
        taken.retain(|name| *name == first || name.starts_with(&again));
        for reference in &taken {
            if let Some(sha) = self.holding(reference, &contents).await? {
                return Ok(Some(Saved { reference: reference.clone(), sha }));
            }
        }
        let sha = index.commit(&contents, spec).await?;
        let mut reference = first;
        let mut number = 1_u32;
        while taken.contains(&reference) {
            number += 1;
            reference = format!("{again}{number}");
        }
        self.repo.set_ref(&reference, &sha, Some("")).await?;
        Ok(Some(Saved { reference, sha }))
    }

    /// The commit of a saved ref, if it holds the same.
    async fn holding(&self, reference: &str, contents: &Contents) -> Result<Option<Sha>, VcsError> {
        let mut wanted = vec![("^{tree}".to_owned(), Some(&contents.tree))];
        wanted.push(("^2:entries".to_owned(), Some(&contents.entries)));
        wanted.push(("^1".to_owned(), Some(&contents.head)));
        let merging = contents.merging.iter().map(Some).chain([None]);
        wanted.extend(merging.enumerate().map(|(n, sha)| (format!("^{}", n + 3), sha)));
        for (part, sha) in &wanted {
            let name = format!("{reference}{part}");
            let output = self.repo.read(["rev-parse", "--verify", "--quiet", "--end-of-options", &name]).run().await?;
            let found = if output.status == 0 { Some(output.sha()?) } else { None };
            if found.as_ref() != *sha {
                return Ok(None);
            }
        }
        self.repo.commit_of(reference).await
    }
}

/// A copy of a worktree's index, so that the agent's own stays as it is, and calls that take files as they are:
/// without attributes there are no filters and no line endings.
struct IndexCopy<'a> {
    vcs: &'a GitVcs,
    checkout: &'a Checkout,
    by: Signature,
    empty_tree: Sha,
    file: Utf8PathBuf,
    scratch: Utf8PathBuf,
    _dir: TempDir,
}

impl<'a> IndexCopy<'a> {
    async fn of(vcs: &'a GitVcs, checkout: &'a Checkout) -> Result<Self, VcsError> {
        let empty_tree = vcs.repo.write(["mktree"]).input(Vec::new()).sha().await?;
        let dir = tempfile::Builder::new().prefix("orch-save-").tempdir().map_err(|error| failed(&error))?;
        let path = Utf8PathBuf::from_path_buf(dir.path().to_owned());
        let path = path.map_err(|_| VcsError::Missing { what: "a UTF-8 temporary directory".to_owned() })?;
        let (file, scratch) = (path.join("index"), path.join("entries"));
        let copy = Self { vcs, checkout, by: vcs.signature().await?, empty_tree, file, scratch, _dir: dir };
        match fs::copy(checkout.git_dir.join("index"), &copy.file) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                copy.write(["read-tree", "--empty"]).ok().await?;
            }
            Err(error) => return Err(failed(&error)),
        }
        // Unsplits it, and looks also at files that somebody told git to assume unchanged. The exit status only
        // says whether there are changes.
        copy.write(["update-index", "-q", "--really-refresh", "--force-write-index"]).run().await?;
        Ok(copy)
    }

    /// A call with that index.
    fn with(&self, call: Call, index: &Utf8Path) -> Call {
        let settings = ["core.attributesFile=/dev/null", "core.autocrlf=false", "core.safecrlf=false"];
        let call = settings.into_iter().fold(call, Call::config).config("core.splitIndex=false");
        call.env("GIT_INDEX_FILE", index.as_str()).env("GIT_ATTR_SOURCE", self.empty_tree.as_str())
    }

    fn write<'b>(&self, args: impl IntoIterator<Item = &'b str>) -> Call {
        self.with(self.checkout.repo.write(args), &self.file)
    }

    /// What there is to save; `None` when everything is committed and the head is on a branch or kept elsewhere.
    async fn contents(&self) -> Result<Option<Contents>, VcsError> {
        let call = self.with(self.checkout.repo.read(STATUS), &self.file);
        let status = Status::of(call.args(["--untracked-files=all"])).await?;
        let clean = status.tracked.is_empty() && status.untracked.is_empty();
        if clean && operation(&self.checkout.git_dir).is_none() && !self.is_only_here(&status).await? {
            return Ok(None);
        }
        let (index, entries) = self.index_trees().await?;
        let mut paths = Vec::new();
        for path in status.tracked.iter().chain(&status.untracked).filter(|path| !path.ends_with(b"/")) {
            paths.extend_from_slice(path);
            paths.push(0);
        }
        let update = self.write(["update-index", "--add", "--remove", "--replace", "-z", "--stdin"]);
        update.input(paths).ok().await?;
        let tree = self.write(["write-tree"]).sha().await?;
        let head = match status.head {
            Some(head) => head,
            None => self.vcs.repo.commit_tree(&self.empty_tree, &[], "no commit was checked out", &self.by).await?,
        };
        let merging = fs::read_to_string(self.checkout.git_dir.join("MERGE_HEAD")).unwrap_or_default();
        let merging = merging.lines().filter_map(|line| Sha::parse(line).ok()).collect();
        Ok(Some(Contents { tree, index, entries, head, merging }))
    }

    /// Whether the head is detached and no branch, remote or saved ref contains it.
    async fn is_only_here(&self, status: &Status) -> Result<bool, VcsError> {
        let Some(head) = status.head.as_ref().filter(|_| status.branch.is_none()) else { return Ok(false) };
        let contains = format!("--contains={head}");
        let args = ["for-each-ref", "--count=1", "--format=%(refname)", &contains];
        Ok(self.vcs.repo.read(args).ok().await?.stdout.is_empty())
    }

    /// The index as a tree that keeps everything which it refers to, and the part of that which only changes with
    /// its contents.
    async fn index_trees(&self) -> Result<(Sha, Sha), VcsError> {
        let raw = fs::read(&self.file).map_err(|error| failed(&error))?;
        let blob = self.vcs.repo.write(["hash-object", "-w", "--no-filters", "--stdin"]).input(raw).sha().await?;
        let listed = self.with(self.checkout.repo.read(["ls-files", "--stage", "-z"]), &self.file).ok().await?;
        let lines: Vec<Vec<u8>> = listed.pieces().filter_map(staged_line).collect();
        let call = |args: &[&str]| self.with(self.checkout.repo.write(args.iter().copied()), &self.scratch);
        call(&["update-index", "-z", "--index-info"]).input(lines.concat()).ok().await?;
        let entries = call(&["write-tree"]).sha().await?;
        let tree = format!("040000 tree {entries}\tentries\n100644 blob {blob}\tindex\n");
        let index = self.vcs.repo.write(["mktree"]).input(tree.into_bytes()).sha().await?;
        Ok((index, entries))
    }

    async fn commit(&self, contents: &Contents, spec: &SaveSpec) -> Result<Sha, VcsError> {
        let state = operation(&self.checkout.git_dir).map_or_else(String::new, |what| format!(", in a {what}"));
        let message = format!("Work of {} saved in attempt {}{state}", spec.task, spec.attempt);
        let (repo, head) = (&self.vcs.repo, &contents.head);
        let index = repo.commit_tree(&contents.index, &[head], &format!("Index of: {message}"), &self.by).await?;
        let mut parents = vec![head, &index];
        parents.extend(&contents.merging);
        repo.commit_tree(&contents.tree, &parents, &message, &self.by).await
    }
}

/// One line of `ls-files --stage` as `update-index --index-info` takes it, moved into the directory of its stage.
fn staged_line(line: &[u8]) -> Option<Vec<u8>> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let (fields, path) = (std::str::from_utf8(&line[..tab]).ok()?, &line[tab + 1..]);
    let mut fields = fields.split(' ');
    let (mode, oid, stage) = (fields.next()?, fields.next()?, fields.next()?);
    let place = if stage == "0" { "staged".to_owned() } else { format!("stage-{stage}") };
    let mut entry = format!("{mode} {oid} 0\t{place}/").into_bytes();
    entry.extend_from_slice(path);
    entry.push(0);
    Some(entry)
}

fn failed(error: &std::io::Error) -> VcsError {
    VcsError::Git { command: "save".to_owned(), stderr: error.to_string() }
}
