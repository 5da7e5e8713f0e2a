use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};

use crate::failure::Failure;

/// Where a repository is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// `OWNER/REPO` at GitHub.
    GitHub(String),
    /// A path on this machine.
    Disk(Utf8PathBuf),
    /// Somewhere that no forge serves.
    Other(String),
}

/// What a person named to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A repository on disk.
    Path(Utf8PathBuf),
    /// `OWNER/REPO` at GitHub.
    GitHub(String),
    /// Any other URL.
    Url(String),
}

impl Origin {
    /// What a remote's URL means, seen from a repository.
    pub(super) fn of(url: &str, repo: &Utf8Path) -> Self {
        if let Some(slug) = github_slug(url) {
            return Self::GitHub(slug);
        }
        match url.strip_prefix("file://") {
            Some(path) => Self::Disk(path.into()),
            None if is_remote(url) => Self::Other(url.to_owned()),
            None => Self::Disk(repo.join(url)),
        }
    }
}

impl Source {
    /// What `--repo` means: a path that exists, else `OWNER/REPO`, else a URL.
    ///
    /// # Errors
    /// [`Failure::Input`] for what is none of them.
    pub(super) fn parse(text: &str, cwd: &Utf8Path) -> Result<Self, Failure> {
        let path = text.strip_prefix("file://").unwrap_or(text);
        if let Ok(path) = cwd.join(path).canonicalize_utf8() {
            return Ok(Self::Path(path));
        }
        if let Some(slug) = github_slug(text) {
            return Ok(Self::GitHub(slug));
        }
        if is_remote(text) {
            return Ok(Self::Url(text.to_owned()));
        }
        if is_slug(text) {
            return Ok(Self::GitHub(text.to_owned()));
        }
        Err(Failure::input(format!("there is no repository at {text:?}"))
            .help("give a path that exists, a URL, or OWNER/REPO"))
    }

    /// Where it is published.
    pub(super) fn origin(&self) -> Origin {
        match self {
            Self::Path(path) => Origin::Disk(path.clone()),
            Self::GitHub(slug) => Origin::GitHub(slug.clone()),
            Self::Url(url) => Origin::Other(url.clone()),
        }
    }

    /// What git is told to clone.
    pub(super) fn address(&self) -> String {
        match self {
            Self::Path(path) => path.to_string(),
            Self::GitHub(slug) => format!("https://github.com/{slug}.git"),
            Self::Url(url) => url.clone(),
        }
    }

    /// The repository's name without `.git`.
    pub(super) fn name(&self) -> String {
        let address = self.address();
        let last = address.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
        let name = last.strip_suffix(".git").unwrap_or(last);
        if name.is_empty() { "project".to_owned() } else { name.to_owned() }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.fmt(f),
            Self::GitHub(text) | Self::Url(text) => text.fmt(f),
        }
    }
}

/// `OWNER/REPO` of a GitHub URL in any of the forms that git takes.
fn github_slug(url: &str) -> Option<String> {
    let schemes = ["https://", "http://", "ssh://", "git://"];
    let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
    let (host, path) = match rest {
        Some(rest) => rest.split_once('/')?,
        None => url.split_once(':')?,
    };
    let host = host.rsplit('@').next()?;
    let host = host.split(':').next()?.to_ascii_lowercase();
    let slug = path.trim_matches('/');
    let slug = slug.strip_suffix(".git").unwrap_or(slug);
    (["github.com", "www.github.com", "ssh.github.com"].contains(&host.as_str()) && is_slug(slug))
        .then(|| slug.to_owned())
}

fn is_slug(text: &str) -> bool {
    let plain = |part: &str| {
        let letters = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        !part.is_empty() && part.bytes().all(letters) && !part.starts_with(['.', '-'])
    };
    text.split_once('/').is_some_and(|(owner, repo)| plain(owner) && plain(repo))
}

/// Whether git would take this for another machine: a scheme, or a colon before the first slash.
fn is_remote(text: &str) -> bool {
    let before_slash = text.split('/').next().unwrap_or_default();
    text.contains("://") || before_slash.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_are_told_apart() {
        let hub = |slug: &str| Origin::GitHub(slug.to_owned());
        let disk = |path: &str| Origin::Disk(path.into());
        let other = |url: &str| Origin::Other(url.to_owned());
        let table = [
            ("https://github.com/me/it.git", hub("me/it")),
            ("https://token@github.com/me/it", hub("me/it")),
            ("git@github.com:me/it.git", hub("me/it")),
            ("ssh://git@ssh.github.com:443/me/it.git", hub("me/it")),
            ("https://github.com.evil.org/me/it", other("https://github.com.evil.org/me/it")),
            ("https://evil.org/github.com/me/it", other("https://evil.org/github.com/me/it")),
            ("git@gitlab.com:me/it.git", other("git@gitlab.com:me/it.git")),
            ("/srv/it.git", disk("/srv/it.git")),
            ("../it.git", disk("/home/../it.git")),
            ("file:///srv/it.git", disk("/srv/it.git")),
            ("./a:b", disk("/home/./a:b")),
        ];
        for (url, expected) in table {
            assert_eq!(Origin::of(url, Utf8Path::new("/home")), expected, "{url}");
        }
    }

    #[test]
    fn what_is_named_is_a_path_first() {
        let dir = tempfile::tempdir().expect("a directory");
        let cwd = Utf8PathBuf::from_path_buf(dir.path().canonicalize().expect("real")).expect("UTF-8");
        std::fs::create_dir_all(cwd.join("me/it.git")).expect("made");
        let name = |text: &str| Source::parse(text, &cwd).map(|source| (source.to_string(), source.name())).ok();
        assert_eq!(name("me/it.git"), Some((cwd.join("me/it.git").to_string(), "it".to_owned())));
        assert_eq!(name("me/other"), Some(("me/other".to_owned(), "other".to_owned())));
        assert_eq!(name("git@gitlab.com:me/lab.git").map(|(_, name)| name), Some("lab".to_owned()));
        assert_eq!(name("https://github.com/me/hub/").map(|(text, _)| text), Some("me/hub".to_owned()));
        for bad in ["", "nope", "a/b/c", "-x/y", "../absent"] {
            assert_eq!(Source::parse(bad, &cwd.join("me")).is_err(), !bad.is_empty(), "{bad}");
        }
    }
}
