use orch_core::base::Millis;

use super::*;
use crate::testdir::TestDir;

fn user(text: &str) -> Layer {
    Layer { origin: Origin::User("/u/orch.toml".into()), text: text.to_owned() }
}

fn workdir(text: &str) -> Layer {
    Layer { origin: Origin::Workdir("/w/orch.toml".into()), text: text.to_owned() }
}

fn problems(text: &str) -> String {
    Settings::from_layers(&[workdir(text)]).expect_err("refused").to_string()
}

#[test]
fn the_contracts_example_is_read_whole() {
    let text = r#"
[agents.mybot]
command = ["/opt/mybot", "--task", "{prompt_file}"]
resume  = ["/opt/mybot", "--resume", "{session_id}", "{prompt}"]
prompt  = "file"
env     = ["MYBOT_API_KEY"]
poke = "go on"
answers = { login = "2", update = "n" }
[env]
pass = ["EXTRA"]
[verify]
timeout = "45m"
parallel = 2
[notify]
command = ["notify-send", "{title}", "{text}"]
[git]
hooks = true
[heal]
suspect_after = "90s"
poke_after = "1h30m"
restart_after = "2h"
backoff = "250ms"
max_attempts = 5
same_prompt_limit = 4
feedback_rounds = 0
heartbeat = "15m"
settle = "1s"
ready_after = "3s"
enter_after = "400ms"
confirm_after = "4s"
ask_grace = "0s"
relaunch_limit = 7
relaunch_wait = "12h"
hands_off = "2m"
loop_after = "7m"
screen_interval = "1s"
pull_interval = "1m"
"#;
    let settings = Settings::from_layers(&[workdir(text)]).expect("accepted");
    let words = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let mybot = &settings.agents["mybot"];
    assert_eq!(mybot.command, Some(words(&["/opt/mybot", "--task", "{prompt_file}"])));
    assert_eq!(mybot.resume, Some(words(&["/opt/mybot", "--resume", "{session_id}", "{prompt}"])));
    assert_eq!(mybot.prompt, Some(PromptVia::File));
    assert_eq!(mybot.env, Some(words(&["MYBOT_API_KEY"])));
    assert_eq!(mybot.poke.as_deref(), Some("go on"));
    assert_eq!(mybot.answers.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(), ["login=2", "update=n"]);
    assert_eq!((settings.env_pass, settings.notify_command.len()), (words(&["EXTRA"]), 3));
    assert!(settings.git_hooks);
    let limits = Limits {
        suspect_after: Millis::from_secs(90),
        poke_after: Millis::from_mins(90),
        restart_after: Millis::from_mins(120),
        backoff: Millis(250),
        max_attempts: 5,
        same_prompt_limit: 4,
        feedback_rounds: 0,
        heartbeat: Millis::from_mins(15),
        settle: Millis::from_secs(1),
        ready_after: Millis::from_secs(3),
        enter_after: Millis(400),
        confirm_after: Millis::from_secs(4),
        ask_grace: Millis(0),
        relaunch_limit: 7,
        relaunch_wait: Millis::from_mins(720),
        hands_off: Millis::from_mins(2),
        loop_after: Millis::from_mins(7),
        screen_interval: Millis::from_secs(1),
        pull_interval: Millis::from_mins(1),
        verify_timeout: Millis::from_mins(45),
        verify_parallel: 2,
    };
    assert_eq!(settings.limits, limits);
    assert!(settings.warnings.is_empty());
}

#[test]
fn layers_override_key_by_key_and_each_says_where() {
    let base = user(
        "[heal]\npoke_after = \"1m\"\nbackoff = \"1s\"\n[agents.codex]\nenv = [\"A\"]\npoke = \"hm\"\nanswers = { login = \"1\", update = \"n\" }\n",
    );
    let over =
        workdir("heal.poke_after = \"2m\"\nagents.codex.poke = \"hey\"\n[agents.codex.answers]\nlogin = \"2\"\n");
    let flag = Layer { origin: Origin::Flag("--heartbeat".into()), text: "heal.heartbeat = \"1s\"".into() };
    let env = Layer { origin: Origin::Env("ORCH_HOOKS".into()), text: "git.hooks = true".into() };
    let settings = Settings::from_layers(&[base, over, env, flag]).expect("accepted");
    assert_eq!(settings.limits.poke_after, Millis::from_mins(2));
    assert_eq!(settings.limits.backoff, Millis::from_secs(1));
    assert_eq!(settings.limits.restart_after, Millis::from_mins(20));
    let codex = &settings.agents["codex"];
    assert_eq!((codex.command.as_ref(), codex.poke.as_deref()), (None, Some("hey")));
    assert_eq!(codex.env.as_deref(), Some(["A".to_owned()].as_slice()));
    assert_eq!(codex.answers.values().collect::<Vec<_>>(), ["2", "n"]);

    let shown: Vec<String> = settings.sources().map(|(key, source)| format!("{key} {source}")).collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    agents.codex.answers.login /w/orch.toml:4
    agents.codex.answers.update /u/orch.toml:7
    agents.codex.env /u/orch.toml:5
    agents.codex.poke /w/orch.toml:2
    git.hooks ORCH_HOOKS
    heal.backoff /u/orch.toml:3
    heal.heartbeat --heartbeat
    heal.poke_after /w/orch.toml:1
    ");
    assert_eq!(settings.provenance("heal.restart_after"), Source::Default);
    assert_eq!(settings.provenance("heal.restart_after").to_string(), "default");
    assert_eq!(settings.provenance("heal.backoff"), Source::User { path: "/u/orch.toml".into(), line: 3 });
}

#[test]
fn no_layer_means_the_defaults_of_the_contract() {
    let settings = Settings::from_layers(&[]).expect("nothing is wrong");
    assert_eq!(settings, Settings::default());
    for empty in ["", "# nothing\n", "[heal]\n[env]\n[agents]\n", "heal = {}"] {
        assert_eq!(Settings::from_layers(&[workdir(empty)]).expect("empty"), settings, "{empty}");
    }
    assert!(problems("[heal.poke_after]").contains("it must be a duration in quotes, not a table"));
    let heal = settings.limits;
    let counts = [heal.max_attempts, heal.same_prompt_limit, heal.feedback_rounds, heal.relaunch_limit];
    assert_eq!((counts, heal.verify_timeout, heal.verify_parallel), ([3, 3, 3, 5], Millis::from_mins(30), 1));
    let spans =
        [heal.suspect_after, heal.poke_after, heal.restart_after, heal.backoff, heal.heartbeat, heal.relaunch_wait];
    assert_eq!(spans.map(|s| s.to_string()), ["5m", "10m", "20m", "10s", "2m", "24h"]);
}

#[test]
fn everything_wrong_is_said_at_once_with_its_place_and_cure() {
    let text = r#"colour = 1
heal = { suspect_aftr = "5m", poke_after = 300, backoff = "ten", max_attempts = 0, heartbeat = "1ms", settle = ["1s"] }
verify.timeot = "1m"
verify.parallel = 99999999999999
notify.command = "notify-send"
git.hooks = "yes"
env.pass = ["A=1", "B"]
poke_after = "1m"
hael.poke_after = "1m"
agents.x = 1
[agents.mybot]
comand = ["x"]
command = ["/opt/mybot", "{promt}"]
prompt = "telepathy"
env = "KEY"
answers = "y"
[agents.codx]
poke = ""
[agents."a b"]
poke = ""
[agents.empty]
command = []
resume = ["", 1]
[agents.bare]
[agents."c d"]
[colours]
"#;
    insta::assert_snapshot!(problems(text), @r#"
    /w/orch.toml:1:1: colour: there is no such key; the tables are agents, env, verify, notify, heal, git
    /w/orch.toml:2:10: heal.suspect_aftr: there is no such key; was `heal.suspect_after` meant?
    /w/orch.toml:2:31: heal.poke_after: it must be a duration in quotes, not an integer; write a duration such as "250ms", "90s", "5m" or "1h30m"
    /w/orch.toml:2:49: heal.backoff: "ten": it is no duration; write a duration such as "250ms", "90s", "5m" or "1h30m"
    /w/orch.toml:2:66: heal.max_attempts: 0 is out of range; write a whole number from 1 to 1000
    /w/orch.toml:2:84: heal.heartbeat: "1ms" is too short; the least is 50ms
    /w/orch.toml:2:103: heal.settle: it must be a duration in quotes, not an array; write a duration such as "250ms", "90s", "5m" or "1h30m"
    /w/orch.toml:3:8: verify.timeot: there is no such key; was `verify.timeout` meant?
    /w/orch.toml:4:8: verify.parallel: 99999999999999 is out of range; write a whole number from 1 to 1000
    /w/orch.toml:5:8: notify.command: it must be a list of texts, not a string; write a list, one text an argument: `["program", "--flag"]`; no shell reads it
    /w/orch.toml:6:5: git.hooks: it must be true or false, not a string; write it without quotes
    /w/orch.toml:7:5: env.pass: "A=1" is no variable's name; give names without values
    /w/orch.toml:8:1: poke_after: there is no such key; was `heal.poke_after` meant?
    /w/orch.toml:9:1: hael: there is no such key; was `heal` meant?
    /w/orch.toml:10:8: agents.x: it is a table; write `[agents.x]` and its keys below
    /w/orch.toml:12:1: agents.mybot.comand: there is no such key; was `command` meant?
    /w/orch.toml:13:1: agents.mybot.command: {promt} is no placeholder; was `{prompt}` meant?
    /w/orch.toml:14:1: agents.mybot.prompt: "telepathy" is no way to give a prompt; write "argument", "file", "stdin" or "paste"
    /w/orch.toml:15:1: agents.mybot.env: it must be a list of texts, not a string; write `["NAME", …]`
    /w/orch.toml:16:1: agents.mybot.answers: it must be a table, not a string; write `answers = { login = "2" }`
    /w/orch.toml:20:1: agents.a b.poke: an agent's name has 1 to 64 letters, digits, '.', '_' or '-'
    /w/orch.toml:22:1: agents.empty.command: it must name a program
    /w/orch.toml:23:1: agents.empty.resume: it must be a text, not an integer; put it in quotes
    /w/orch.toml:25:9: agents.c d: an agent's name has 1 to 64 letters, digits, '.', '_' or '-'
    /w/orch.toml:26:2: colours: there is no such key; the tables are agents, env, verify, notify, heal, git
    /w/orch.toml:24: agents.bare: agent "bare" has no command; add `command = ["program", …]` to [agents.bare]
    /w/orch.toml:18: agents.codx.poke: agent "codx" has no command; add `command = ["program", …]` to [agents.codx], or was `codex` meant?
    "#);
}

#[test]
fn hostile_text_ends_in_problems() {
    let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let table = [
        "\0",
        "[heal",
        "heal.poke_after = \"5m\"\nheal.poke_after = \"6m\"",
        "[heal]\n[heal]",
        "= 1",
        &deep,
        "a = \"\u{1b}[31m",
        "\u{feff}\u{feff}",
    ];
    for text in table {
        let error = Settings::from_layers(&[workdir(text)]).expect_err("refused");
        assert!(!error.problems.is_empty() && error.problems.len() <= 20, "{}", error.problems.len());
        assert!(error.problems.iter().all(|p| p.line >= 1 && p.place == "/w/orch.toml"), "{error}");
    }
    let both = Settings::from_layers(&[user("= 1"), workdir("x = 1")]).expect_err("refused");
    assert_eq!(both.problems.iter().map(|p| p.place.as_str()).collect::<Vec<_>>(), ["/u/orch.toml", "/w/orch.toml"]);
}

#[test]
fn a_forge_token_in_a_list_is_a_warning() {
    let settings =
        Settings::from_layers(&[workdir("env.pass = [\"A\", \"GH_TOKEN\"]\nagents.codex.env = [\"GITHUB_TOKEN\"]")]);
    let warnings = settings.expect("accepted").warnings;
    let shown: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(shown.join("\n"), @r##"
    /w/orch.toml:1:5: env.pass: GH_TOKEN is a forge's token and reaches no agent; take it out of the list
    /w/orch.toml:2:14: agents.codex.env: GITHUB_TOKEN is a forge's token and reaches no agent; take it out of the list
    "##);
}

#[test]
fn an_empty_table_of_a_built_in_agent_changes_nothing() {
    let settings =
        Settings::from_layers(&[workdir("[agents.codex]\nanswers = {}\n[agents.claude]")]).expect("accepted");
    assert_eq!(settings.agents.keys().collect::<Vec<_>>(), ["claude", "codex"]);
    assert!(settings.agents.values().all(|agent| *agent == AgentSettings::default()));
}

#[test]
fn other_words_in_braces_are_the_programs_own() {
    let text = r#"agents.awk.command = ["awk", "{print $1}", "{print}", "{\"a\":1}", "{", "{prompt}"]"#;
    Settings::from_layers(&[workdir(text)]).expect("accepted");
}

#[test]
fn files_are_read_where_they_are() {
    let dir = TestDir::new();
    let absent = dir.path().join("absent.toml");
    assert_eq!(Settings::load(Some(&absent), None).expect("no file, no matter"), Settings::default());
    let one = dir.write("user.toml", "heal.backoff = \"1s\"");
    let two = dir.write("orch.toml", "heal.backoff = \"2s\"");
    let settings = Settings::load(Some(&one), Some(&two)).expect("read");
    assert_eq!(settings.limits.backoff, Millis::from_secs(2));
    assert_eq!(settings.provenance("heal.backoff"), Source::Workdir { path: two.clone(), line: 1 });

    let binary = dir.write("binary.toml", b"a = \xff");
    let long = dir.write("long.toml", "#".repeat(1024 * 1024 + 1));
    dir.write("bad.toml", "x = 1");
    for (file, why) in
        [(&binary, "not UTF-8"), (&long, "longer than 1 MiB"), (&dir.path().to_owned(), "cannot be read")]
    {
        let error = Settings::load(Some(file), Some(&dir.path().join("bad.toml"))).expect_err("refused");
        assert_eq!(error.problems.len(), 2, "{error}");
        assert!(error.problems[0].message.contains(why), "{error}");
    }
}

#[test]
fn the_users_file_is_where_xdg_says() {
    let path = |pairs: &[(&str, &str)]| {
        let env = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        user_settings_path(&env).map(Utf8PathBuf::into_string)
    };
    assert_eq!(path(&[("XDG_CONFIG_HOME", "/c"), ("HOME", "/h")]).as_deref(), Some("/c/orch/orch.toml"));
    assert_eq!(path(&[("XDG_CONFIG_HOME", "relative"), ("HOME", "/h")]).as_deref(), Some("/h/.config/orch/orch.toml"));
    assert_eq!(path(&[("HOME", "/h")]).as_deref(), Some("/h/.config/orch/orch.toml"));
    assert_eq!(path(&[]), None);
}

#[test]
fn a_profile_is_laid_over_the_built_in_one_field_by_field() {
    let text = r#"
[agents.shell]
poke = "go on"
env = ["A"]
[agents.mybot]
command = ["mybot", "{prompt}"]
poke = ""
[agents.codex]
"#;
    let settings = Settings::from_layers(&[workdir(text)]).expect("accepted");
    let shell = settings.profile("shell", Some(AgentProfile::shell())).expect("built in");
    let poke = SessionInput { text: Some("go on".into()), keys: vec![Key::Enter] };
    let mut expected = AgentProfile::shell();
    (expected.env, expected.poke) = (vec!["A".into()], poke);
    assert_eq!(shell, expected);
    let mybot = settings.profile("mybot", None).expect("it has a command");
    assert_eq!(mybot, AgentProfile::of_command("mybot", vec!["mybot".into(), "{prompt}".into()]));
    assert_eq!(settings.profile("codex", None), None);
    assert_eq!(settings.profile("claude", Some(AgentProfile::shell())), Some(AgentProfile::shell()));
    assert_eq!(settings.profile("unheard", None), None);
}
