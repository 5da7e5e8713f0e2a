//! Which settings could mislead a call of orch's, and which cannot, whoever wrote them.
//!
//! Install scripts write settings all the time (hooks, sparse checkouts, more remotes); what orch's own calls
//! override or never read is theirs. Whatever is not known to be harmless counts.

/// Sections, with their dot, in which every key counts unless it is known to be harmless.
const SECTIONS: &[&str] =
    &["core.", "includeif.", "filter.", "diff.", "url.", "credential.", "remote.", "extensions.", "lfs."];

/// Keys of `core` that start nothing, lead nowhere else and unlock no path: how files are written and compared.
/// Editor, pager and file monitor are set by each of our calls; hooks too, unless the user wants them to run.
const CORE: &[&str] = &[
    "abbrev",
    "autocrlf",
    "bare",
    "bigfilethreshold",
    "checkstat",
    "commentchar",
    "commentstring",
    "commitgraph",
    "compression",
    "editor",
    "eol",
    "excludesfile",
    "filemode",
    "fscache",
    "fsmonitor",
    "hidedotfiles",
    "ignorecase",
    "logallrefupdates",
    "longpaths",
    "loosecompression",
    "multipackindex",
    "pager",
    "precomposeunicode",
    "preloadindex",
    "quotepath",
    "repositoryformatversion",
    "safecrlf",
    "sharedrepository",
    "sparsecheckout",
    "sparsecheckoutcone",
    "splitindex",
    "symlinks",
    "trustctime",
    "untrackedcache",
    "whitespace",
];

/// Keys of a remote that are only read by calls that name no branches, or by other programs.
const REMOTE: &[&str] = &["fetch", "gh-resolved", "prune", "prunetags", "skipdefaultupdate", "skipfetchall", "tagopt"];

/// Keys that say where a remote is: harmless for remotes that orch does not use.
const REMOTE_PLACES: &[&str] = &["url", "pushurl", "push", "mirror"];

/// Keys of a driver of `diff` that start nothing.
const DIFF: &[&str] = &["xfuncname", "funcname", "binary", "algorithm", "wordregex", "cachetextconv"];

/// What `git lfs install` writes into a repository.
const LFS_FILTER: &[(&str, &[&str])] = &[
    ("filter.lfs.clean", &["git-lfs clean -- %f"]),
    ("filter.lfs.smudge", &["git-lfs smudge -- %f", "git-lfs smudge --skip -- %f"]),
    ("filter.lfs.process", &["git-lfs filter-process", "git-lfs filter-process --skip"]),
    ("filter.lfs.required", &["true"]),
];

/// What of orch's own settings decides what is harmless.
#[derive(Debug, Clone)]
pub(super) struct Use {
    /// The remote that orch fetches from and pushes to.
    pub(super) remote: Option<String>,
    /// Whether the repository's hooks run.
    pub(super) hooks: bool,
}

impl Use {
    /// Whether a setting could make a call of ours start a program, reach another place or follow another's word.
    pub(super) fn is_watched(&self, key: &str, values: &[String]) -> bool {
        let counts = SECTIONS.iter().any(|section| key.starts_with(section))
            || key.starts_with("merge.") && key.ends_with(".driver");
        counts && !self.is_harmless(key, values)
    }

    fn is_harmless(&self, key: &str, values: &[String]) -> bool {
        let Some((section, rest)) = key.split_once('.') else { return false };
        match (section, rest.rsplit_once('.')) {
            ("core", None) => CORE.contains(&rest) || rest == "hookspath" && !self.hooks,
            ("remote", None) => rest == "pushdefault",
            ("remote", Some((name, key))) => {
                REMOTE.contains(&key) || REMOTE_PLACES.contains(&key) && self.remote.as_deref() != Some(name)
            }
            // `diff.external` is set by each of our calls, and the others choose how people see differences.
            ("diff", None) => true,
            ("diff", Some((_, key))) => DIFF.contains(&key),
            ("extensions", None) => matches!(rest, "worktreeconfig" | "preciousobjects" | "relativeworktrees"),
            ("lfs", None) => rest == "repositoryformatversion",
            ("lfs", Some((_, key))) => matches!(key, "access" | "locksverify"),
            ("filter", Some(_)) => {
                let known = LFS_FILTER.iter().find(|(known, _)| *known == key);
                known.is_some_and(|(_, known)| values.iter().all(|value| known.contains(&value.as_str())))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_install_scripts_write_is_theirs() {
        let ours = Use { remote: Some("origin".to_owned()), hooks: false };
        let harmless = [
            ("core.hookspath", ".husky/_"),
            ("core.sparsecheckout", "true"),
            ("core.repositoryformatversion", "1"),
            ("extensions.worktreeconfig", "true"),
            ("remote.origin.gh-resolved", "base"),
            ("remote.upstream.url", "https://example.org/x"),
            ("remote.upstream.fetch", "+refs/heads/*:refs/remotes/upstream/*"),
            ("remote.pushdefault", "upstream"),
            ("filter.lfs.clean", "git-lfs clean -- %f"),
            ("filter.lfs.process", "git-lfs filter-process"),
            ("lfs.repositoryformatversion", "0"),
            ("lfs.https://example.org/x/info/lfs.access", "basic"),
            ("diff.external", "difft"),
            ("diff.renames", "true"),
            ("gpg.program", "gpg2"),
            ("user.name", "x"),
            ("branch.main.remote", "upstream"),
        ];
        for (key, value) in harmless {
            assert!(!ours.is_watched(key, &[value.to_owned()]), "{key}");
        }
    }

    #[test]
    fn what_could_mislead_a_call_counts() {
        let ours = Use { remote: Some("origin".to_owned()), hooks: false };
        let watched = [
            ("core.sshcommand", "x"),
            ("core.gitproxy", "x"),
            ("core.attributesfile", "x"),
            ("core.worktree", "x"),
            ("core.alternaterefscommand", "x"),
            ("core.protecthfs", "false"),
            ("core.whatever", "x"),
            ("remote.origin.url", "x"),
            ("remote.origin.pushurl", "x"),
            ("remote.origin.uploadpack", "x"),
            ("remote.upstream.uploadpack", "x"),
            ("remote.upstream.promisor", "true"),
            ("remote.upstream.vcs", "x"),
            ("extensions.partialclone", "upstream"),
            ("filter.lfs.clean", "evil"),
            ("filter.evil.clean", "git-lfs clean -- %f"),
            ("lfs.customtransfer.evil.path", "x"),
            ("lfs.standalonetransferagent", "evil"),
            ("diff.evil.textconv", "x"),
            ("merge.evil.driver", "x"),
            ("url.ext::x.insteadof", "/"),
            ("credential.helper", "!x"),
            ("includeif.gitdir:/.path", "x"),
        ];
        for (key, value) in watched {
            assert!(ours.is_watched(key, &[value.to_owned()]), "{key}");
        }
        let hooks = Use { hooks: true, ..ours };
        assert!(hooks.is_watched("core.hookspath", &[".husky/_".to_owned()]), "hooks that the user wants to run");
    }
}
