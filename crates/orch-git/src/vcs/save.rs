mod scratch;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use camino::Utf8Path;
use orch_core::base::Sha;
use orch_core::ports::{SaveSpec, Saved, VcsError};

use super::GitVcs;
use super::checkout::Checkout;
use super::nested::{Kept, regular};
use super::status::{STATUS, Status, operation};
use crate::merge::Signature;

use scratch::Scratch;

/// How a person gets saved work back, byte for byte: a POSIX shell script that takes the ref and the path of a new
/// worktree, and is run in the repository.
///
/// A saved commit's tree is the whole worktree, untracked files included. Its first parent is the commit that was
/// checked out; its second holds the index: the file itself as `index`, and under `entries/` everything that the
/// index refers to (`staged/`, and `stage-1/` to `stage-3/` in the middle of a merge). A third parent is the commit
/// that was being merged.
///
/// Of repositories inside the worktree, those with changes or commits that are nowhere else are kept whole: their
/// files in the tree, their git directories under `inner/` of the index commit. Ignored files are not saved.
pub const RESTORE: &str = r#"set -e; ref=$1 dir=$2
git worktree add --quiet --detach "$dir" "$ref^1"
cd "$dir"
GIT_ATTR_SOURCE=$(git hash-object -t tree /dev/null) \
    git -c core.autocrlf=false -c core.attributesFile=/dev/null read-tree -m -u "$ref^1" "$ref"
git cat-file blob "$ref^2:index" > "$(git rev-parse --git-path index)"
git ls-tree --name-only "$ref^2" inner/ | while read -r inner; do
    path=./$(git cat-file blob "$ref^2:$inner/path" && echo /)
    rm -rf "$path.git"; mkdir -p "$path.git/objects" "$path.git/refs"
    git archive "$ref^2:$inner/git" | tar -xf - -C "$path.git"
    git config --file "$path.git/config" --unset core.worktree || :
done
if merging=$(git rev-parse --quiet --verify "$ref^3"); then
    echo "$merging" > "$(git rev-parse --git-path MERGE_HEAD)"
fi
"#;

/// What is saved, as git objects.
#[derive(Debug)]
struct Contents {
    /// The whole worktree.
    tree: Sha,
    /// The index file.
    index: Sha,
    /// What it refers to, as a tree that does not change with the times of files.
    entries: Sha,
    /// The commit checked out.
    head: Sha,
    /// What was being merged into it.
    merging: Vec<Sha>,
    /// The repositories inside it.
    kept: Kept,
    /// What cannot be read, and is left out.
    missing: Vec<String>,
}

impl Contents {
    fn saved_at(self, reference: &str, sha: Sha) -> Saved {
        let mut saved = Saved::new(reference, sha);
        saved.missing = self.missing;
        saved
    }
}

impl GitVcs {
    pub(super) async fn save_work(&self, spec: &SaveSpec) -> Result<Option<Saved>, VcsError> {
        let _path = self.paths.hold(&spec.worktree).await;
        self.save_tree(spec).await
    }

    /// Saves while the worktree's path is held.
    pub(super) async fn save_tree(&self, spec: &SaveSpec) -> Result<Option<Saved>, VcsError> {
        let checkout = self.unchecked(&spec.worktree)?;
        let work = Work::of(self, &checkout).await?;
        let Some(contents) = work.contents(spec.partial).await? else { return Ok(None) };
        let prefix = format!("refs/orch/saved/{}/", spec.task);
        let first = format!("{prefix}{}", spec.attempt);
        let again = format!("{first}-");
        let mut taken = self.repo.read(["for-each-ref", "--format=%(refname)", &prefix]).ok().await?.lines();
        taken.retain(|name| *name == first || name.starts_with(&again));
        for reference in &taken {
            if let Some(sha) = self.holding(reference, &contents).await? {
                return Ok(Some(contents.saved_at(reference, sha)));
            }
        }
        let sha = work.commit(&contents, spec).await?;
        let mut reference = first;
        let mut number = 1_u32;
        while taken.contains(&reference) {
            number += 1;
            reference = format!("{again}{number}");
        }
        self.repo.set_ref(&reference, &sha, Some("")).await?;
        Ok(Some(contents.saved_at(&reference, sha)))
    }

    /// The commit of a saved ref, if it holds the same.
    async fn holding(&self, reference: &str, contents: &Contents) -> Result<Option<Sha>, VcsError> {
        let mut wanted = vec![("^{tree}".to_owned(), Some(&contents.tree))];
        wanted.push(("^2:entries".to_owned(), Some(&contents.entries)));
        wanted.push(("^2:inner".to_owned(), contents.kept.tree.as_ref()));
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

/// A worktree whose work is saved, and the index that it is saved by: the agent's own stays as it is.
struct Work<'a> {
    vcs: &'a GitVcs,
    checkout: &'a Checkout,
    by: Signature,
    scratch: Scratch,
}

impl<'a> Work<'a> {
    async fn of(vcs: &'a GitVcs, checkout: &'a Checkout) -> Result<Self, VcsError> {
        Ok(Self { vcs, checkout, by: vcs.signature().await?, scratch: Scratch::of(vcs, checkout).await? })
    }

    /// What there is to save; `None` when everything is committed, the head is on a branch or kept elsewhere, and so
    /// is what repositories inside it hold.
    async fn contents(&self, partial: bool) -> Result<Option<Contents>, VcsError> {
        let output = self.scratch.read(STATUS).args(["--untracked-files=all"]).ok().await?;
        let status = Status::parse(&output.stdout);
        let mut missing = unseen(&output.stderr);
        if !missing.is_empty() && !partial {
            return Err(unreadable(self.checkout.repo.dir(), &missing));
        }
        let inner = match self.vcs.inner(self.checkout).await {
            Err(error) if partial => {
                missing.push(error.to_string());
                Vec::new()
            }
            inner => inner?,
        };
        let clean = status.tracked.is_empty() && status.untracked.iter().all(|path| path.ends_with(b"/"));
        let clean = clean && inner.iter().all(|inner| inner.at_risk().is_none());
        if clean && operation(&self.checkout.git_dir).is_none() && !self.is_only_here().await? {
            return Ok(None);
        }
        let (index, entries) = self.index_trees().await?;
        let paths = status.tracked.iter().chain(&status.untracked).filter(|path| !path.ends_with(b"/"));
        missing.extend(self.take_in(paths.map(Vec::as_slice).collect(), partial).await?);
        let kept = match self.vcs.yard(self.checkout).keep(inner).await {
            Err(error) if partial => {
                missing.push(error.to_string());
                Kept::default()
            }
            kept => kept?,
        };
        if !kept.entries.is_empty() {
            let update = self.scratch.write(["update-index", "--add", "--replace", "-z", "--index-info"]);
            update.input(kept.entries.clone()).ok().await?;
        }
        let tree = self.scratch.write(["write-tree", "--missing-ok"]).sha().await?;
        let head = match self.scratch.head.clone() {
            Some(head) => head,
            None => self.no_commit().await?,
        };
        let merging = fs::read_to_string(self.checkout.git_dir.join("MERGE_HEAD")).unwrap_or_default();
        let merging = merging.lines().filter_map(|line| Sha::parse(line).ok()).collect();
        Ok(Some(Contents { tree, index, entries, head, merging, kept, missing }))
    }

    /// Takes files into the index as they are; what cannot be read, which is an error unless `partial`.
    async fn take_in(&self, mut paths: Vec<&[u8]>, partial: bool) -> Result<Vec<String>, VcsError> {
        let update = |paths: &[&[u8]]| {
            let update = self.scratch.write(["update-index", "--add", "--remove", "--replace", "-z", "--stdin"]);
            update.input(paths.iter().flat_map(|path| [path, &[0_u8][..]].concat()).collect()).ok()
        };
        let Err(error) = update(&paths).await else { return Ok(Vec::new()) };
        let root = self.checkout.repo.dir().as_std_path();
        let is_missing = |path: &&[u8]| !can_be_read(&root.join(OsStr::from_bytes(path)));
        let missing: Vec<String> =
            paths.iter().copied().filter(is_missing).map(|path| String::from_utf8_lossy(path).into_owned()).collect();
        match missing.is_empty() {
            true => return Err(error),
            false if !partial => return Err(unreadable(self.checkout.repo.dir(), &missing)),
            false => {}
        }
        paths.retain(|path| !is_missing(path));
        update(&paths).await?;
        Ok(missing)
    }

    async fn no_commit(&self) -> Result<Sha, VcsError> {
        self.vcs.repo.commit_tree(&self.scratch.empty_tree, &[], "no commit was checked out", &self.by).await
    }

    /// Whether the head is detached and no branch, remote or saved ref contains it.
    async fn is_only_here(&self) -> Result<bool, VcsError> {
        let head = fs::read_to_string(self.checkout.git_dir.join("HEAD")).unwrap_or_default();
        let Some(head) = self.scratch.head.as_ref().filter(|_| !head.starts_with("ref:")) else { return Ok(false) };
        let contains = format!("--contains={head}");
        let args = ["for-each-ref", "--count=1", "--format=%(refname)", &contains];
        Ok(self.vcs.repo.read(args).ok().await?.stdout.is_empty())
    }

    /// The index as a tree that keeps everything which it refers to, and the part of that which only changes with
    /// its contents.
    async fn index_trees(&self) -> Result<(Sha, Sha), VcsError> {
        let raw = fs::read(&self.scratch.index).map_err(|error| failed(&error))?;
        let blob = self.vcs.repo.write(["hash-object", "-w", "--no-filters", "--stdin"]).input(raw).sha().await?;
        let listed = self.scratch.read(["ls-files", "--stage", "-z"]).ok().await?;
        let lines: Vec<Vec<u8>> = listed.pieces().filter_map(staged_line).collect();
        let update = self.scratch.write_entries(["update-index", "-z", "--index-info"]);
        update.input(lines.concat()).ok().await?;
        let entries = self.scratch.write_entries(["write-tree", "--missing-ok"]).sha().await?;
        Ok((blob, entries))
    }

    async fn commit(&self, contents: &Contents, spec: &SaveSpec) -> Result<Sha, VcsError> {
        let state = operation(&self.checkout.git_dir).map_or_else(String::new, |what| format!(", in a {what}"));
        let message = format!("Work of {} saved in attempt {}{state}", spec.task, spec.attempt);
        let repo = &self.vcs.repo;
        let tree = self.index_tree(contents).await?;
        let parents: Vec<&Sha> = [&contents.head].into_iter().chain(&contents.kept.commits).collect();
        let index = repo.commit_tree(&tree, &parents, &format!("Index of: {message}"), &self.by).await?;
        let mut parents = vec![&contents.head, &index];
        parents.extend(&contents.merging);
        repo.commit_tree(&contents.tree, &parents, &message, &self.by).await
    }

    async fn index_tree(&self, contents: &Contents) -> Result<Sha, VcsError> {
        let Contents { index, entries, kept, .. } = contents;
        let mut tree = format!("040000 tree {entries}\tentries\n100644 blob {index}\tindex\n");
        if let Some(inner) = &kept.tree {
            tree.push_str(&format!("040000 tree {inner}\tinner\n"));
        }
        self.vcs.repo.write(["mktree"]).input(tree.into_bytes()).sha().await
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

/// Directories that git could not look into, as it warns.
fn unseen(stderr: &str) -> Vec<String> {
    let warned = stderr.lines().filter_map(|line| line.strip_prefix("warning: could not open directory "));
    warned.map(str::to_owned).collect()
}

/// Whether a path holds what can be saved: a link, a file that opens, or nothing.
fn can_be_read(path: &Path) -> bool {
    match path.symlink_metadata() {
        Ok(found) if found.is_file() => regular(path).is_ok(),
        Ok(found) => found.is_symlink() || found.is_dir(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn unreadable(worktree: &Utf8Path, what: &[String]) -> VcsError {
    let what = format!("what cannot be read: {}", what.join(", "));
    VcsError::Unsafe { worktree: worktree.to_owned(), what }
}

fn failed(error: &std::io::Error) -> VcsError {
    VcsError::Git { command: "save".to_owned(), stderr: error.to_string() }
}
