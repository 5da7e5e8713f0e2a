use std::ffi::OsString;

use super::command::Kind;

/// What a call without network sees of our environment.
const LOCAL: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TZ",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
];

/// Of git's own variables, the ones that say where its programs and the user's configuration are. All others could
/// redirect our calls.
const GIT: &[&str] = &["GIT_EXEC_PATH", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"];

/// Git's variables that only calls with network get.
const GIT_NETWORK: &[&str] = &[
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "GIT_SSL_CERT",
    "GIT_SSL_KEY",
];

/// The environment of a call: tokens and other variables of the user only where a remote is talked to.
pub(super) fn of(kind: Kind) -> Vec<(String, OsString)> {
    let network = kind.is_remote();
    let passes = |name: &str| {
        if name.starts_with("GIT_") {
            GIT.contains(&name) || network && GIT_NETWORK.contains(&name)
        } else {
            network || LOCAL.contains(&name) || name.starts_with("XDG_")
        }
    };
    let own = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value));
    let mut env: Vec<_> = std::env::vars_os().filter_map(own).filter(|(name, _)| passes(name)).collect();
    let mut set = |name: &str, value: &str| env.push((name.to_owned(), value.into()));
    set("LC_ALL", "C");
    set("GIT_TERMINAL_PROMPT", "0");
    // History as it was committed, whatever replacements and grafts somebody laid over it.
    set("GIT_NO_REPLACE_OBJECTS", "1");
    set("GIT_GRAFT_FILE", "/dev/null");
    if kind == Kind::Read {
        set("GIT_OPTIONAL_LOCKS", "0");
    }
    if network {
        // Whoever would ask on a terminal (ssh for a passphrase or a host key) gets "no" instead.
        set("SSH_ASKPASS", "false");
        set("SSH_ASKPASS_REQUIRE", "force");
        set("GIT_ASKPASS", "false");
    }
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_git_variables_and_no_tokens_pass_without_network() {
        let names = |kind| of(kind).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        for name in names(Kind::Read).iter().filter(|name| !name.starts_with("GIT_")) {
            assert!(LOCAL.contains(&name.as_str()) || name.starts_with("XDG_") || name == "LC_ALL", "{name}");
        }
        assert!(!names(Kind::Network).iter().any(|name| name == "GIT_DIR" || name == "GIT_INDEX_FILE"));
        assert!(names(Kind::Read).iter().any(|name| name == "GIT_OPTIONAL_LOCKS"));
    }
}
