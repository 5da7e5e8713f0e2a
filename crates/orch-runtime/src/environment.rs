use std::collections::BTreeMap;

/// What every agent gets from the parent's environment, beside [`PREFIXES`].
const NAMES: [&str; 36] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "TZ",
    "TERM",
    "TMPDIR",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "CARGO_HTTP_CAINFO",
    "PIP_CERT",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "GOPATH",
    "JAVA_HOME",
    "NVM_DIR",
    "VIRTUAL_ENV",
    "PYENV_ROOT",
];

/// Beginnings of names that every agent gets.
const PREFIXES: [&str; 2] = ["LC_", "XDG_"];

/// The forges whose tokens open more than an agent's own account.
const FORGES: [&str; 8] = ["GITHUB", "GH", "GITLAB", "GITEA", "FORGEJO", "CODEBERG", "BITBUCKET", "FORGE"];

/// What the secret part of such a name is called.
const SECRETS: [&str; 5] = ["TOKEN", "PAT", "PASSWORD", "SECRET", "KEY"];

/// The environment of an agent: the names that every program needs, and those that its profile's `env`
/// and `[env] pass` list, as far as the parent has them. Forge tokens are left out whatever a list
/// says; so is everything of orch's own, which the launch adds anew.
pub fn environment(
    pass: &[String],
    profile_env: &[String],
    parent: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let listed = |name: &String| pass.contains(name) || profile_env.contains(name);
    let wanted = |name: &String| {
        NAMES.contains(&name.as_str()) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || listed(name)
    };
    let allowed = |name: &String| !is_forge_token(name) && !name.starts_with("ORCH_");
    let kept = parent.iter().filter(|(name, value)| wanted(name) && allowed(name) && !value.contains('\0'));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Whether a variable's name says that it holds a forge's credentials: `GITHUB_TOKEN`, `GH_ENTERPRISE_TOKEN`,
/// `GITLAB_TOKEN`, `HOMEBREW_GITHUB_API_TOKEN`, `ACME_FORGE_TOKEN` … in any case of letters.
pub fn is_forge_token(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let mut words = name.split('_').peekable();
    let secret = name.rsplit('_').next().is_some_and(|last| SECRETS.contains(&last));
    let runs_together = || FORGES.iter().any(|forge| SECRETS.iter().any(|s| name == format!("{forge}{s}")));
    (secret && words.any(|word| FORGES.contains(&word))) || runs_together()
}

/// This process's own environment, without names and values that are not UTF-8.
pub fn parent_environment() -> BTreeMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(pass: &[&str], profile: &[&str], parent: &[&str]) -> Vec<String> {
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let parent = parent.iter().map(|name| ((*name).to_owned(), format!("value of {name}"))).collect();
        environment(&owned(pass), &owned(profile), &parent).into_keys().collect()
    }

    #[test]
    fn programs_get_what_they_need_and_nothing_else() {
        let parent = [
            "PATH",
            "HOME",
            "LC_ALL",
            "LC_TIME",
            "XDG_RUNTIME_DIR",
            "https_proxy",
            "HTTPS_PROXY",
            "SSL_CERT_FILE",
            "NVM_DIR",
            "SECRET",
            "AWS_SECRET_ACCESS_KEY",
            "ORCH_WORKDIR",
            "LD_PRELOAD",
            "lc_all",
            "PATHS",
            "GIT_DIR",
        ];
        assert_eq!(
            names(&[], &[], &parent),
            [
                "HOME",
                "HTTPS_PROXY",
                "LC_ALL",
                "LC_TIME",
                "NVM_DIR",
                "PATH",
                "SSL_CERT_FILE",
                "XDG_RUNTIME_DIR",
                "https_proxy"
            ]
        );
    }

    #[test]
    fn lists_add_names_that_the_parent_has() {
        let parent = ["PATH", "MYBOT_API_KEY", "EXTRA", "OTHER"];
        assert_eq!(names(&["EXTRA", "ABSENT"], &["MYBOT_API_KEY"], &parent), ["EXTRA", "MYBOT_API_KEY", "PATH"]);
    }

    #[test]
    fn forge_tokens_and_orchs_own_names_never_pass() {
        let never = [
            "GITHUB_TOKEN",
            "GH_TOKEN",
            "GH_ENTERPRISE_TOKEN",
            "GITHUB_ENTERPRISE_TOKEN",
            "GITLAB_TOKEN",
            "ACME_FORGE_TOKEN",
            "github_token",
            "Gh_Token",
            "HOMEBREW_GITHUB_API_TOKEN",
            "COPILOT_GITHUB_TOKEN",
            "GITHUB_PAT",
            "GITLAB_PRIVATE_TOKEN",
            "GITHUBTOKEN",
            "ORCH_FORGE_TOKEN",
            "ORCH_LAUNCH",
            "ORCH_WORKDIR",
        ];
        assert_eq!(names(&never, &never, &never), Vec::<String>::new());
        let fine = ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GITHUB_ACTIONS", "TOKEN_LIMIT", "HIGH_TOKEN", "FORGED_KEY"];
        assert!(fine.iter().all(|name| !is_forge_token(name)));
        assert_eq!(names(&fine, &[], &fine).len(), fine.len());
    }
}
