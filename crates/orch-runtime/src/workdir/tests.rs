use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;
use crate::testdir::TestDir;

fn mode(path: &Utf8Path) -> u32 {
    fs::symlink_metadata(path).expect("there").permissions().mode() & 0o7777
}

fn chmod(path: &Utf8Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("changed");
}

#[test]
fn every_file_has_its_place() {
    let workdir = Workdir { root: "/w".into() };
    let paths = [
        workdir.manifest(),
        workdir.rejected_manifest(3),
        workdir.journal(),
        workdir.settings(),
        workdir.lock(),
        workdir.effects_lock(),
        workdir.repo(),
        workdir.sessions(),
        workdir.pulls(),
    ];
    assert_eq!(workdir.layout(), Layout::new("/w"));
    let list: Vec<&str> = paths.iter().map(|p| p.as_str()).collect();
    insta::assert_snapshot!(list.join("\n"), @r"
    /w/manifest.json
    /w/manifest.rejected-3.json
    /w/events.jsonl
    /w/orch.toml
    /w/orch.lock
    /w/effects.lock
    /w/repo
    /w/sessions
    /w/pulls.json
    ");
}

#[test]
fn init_makes_a_private_marked_directory_and_never_a_second_one() {
    let dir = TestDir::new();
    let workdir = Workdir::create(&dir.path().join("a/b.orch")).expect("made");
    assert_eq!(mode(workdir.root()), 0o700);
    for room in ROOMS {
        assert_eq!(mode(&workdir.root().join(room)), 0o700, "{room}");
    }
    assert_eq!(Workdir::open(workdir.root()).expect("opened"), workdir);
    assert!(matches!(Workdir::create(workdir.root()), Err(WorkdirError::Exists { .. })));

    let interrupted = dir.path().join("half");
    fs::create_dir_all(interrupted.join("prompts")).expect("made");
    chmod(&interrupted, 0o755);
    Workdir::create(&interrupted).expect("taken up again");
    assert_eq!(mode(&interrupted), 0o700);

    fs::create_dir(dir.path().join("full")).expect("made");
    dir.write("full/notes.txt", "");
    let error = Workdir::create(&dir.path().join("full")).expect_err("not empty");
    assert!(matches!(&error, WorkdirError::NotEmpty { example, .. } if example == "notes.txt"), "{error}");
    assert!(!dir.path().join("full/logs").exists());
}

#[test]
fn a_named_directory_may_hold_a_bare_manifest() {
    let dir = TestDir::new();
    assert!(matches!(Workdir::open(dir.path()), Err(WorkdirError::NotAWorkdir { .. })));
    dir.write("manifest.json", "{}");
    let workdir = Workdir::open(dir.path()).expect("enough");
    workdir.make_rooms().expect("made");
    workdir.make_rooms().expect("made before");
    assert!(matches!(Workdir::open(&dir.path().join("absent")), Err(WorkdirError::File(_))));
    let meta = fs::metadata(dir.path()).expect("there");
    let foreign = workdir.check_owner(&meta, user() + 1);
    assert!(matches!(foreign, Err(WorkdirError::ForeignOwner { .. })));
    workdir.check_owner(&meta, 0).expect("root may name any");
}

#[test]
fn a_link_out_of_the_workdir_is_refused() {
    let dir = TestDir::new();
    let outside = dir.write("outside", "precious");
    for name in ["manifest.json", "events.jsonl", "orch.toml", "orch.lock", "pulls.json", "prompts", "logs"] {
        let workdir = Workdir::create(&dir.path().join(format!("w-{name}"))).expect("made");
        let path = workdir.root().join(name);
        let _ = fs::remove_dir(&path);
        symlink(&outside, &path).expect("linked");
        let error = Workdir::open(workdir.root()).expect_err("refused");
        assert!(matches!(&error, WorkdirError::Escapes { path: p, .. } if *p == path), "{name}: {error}");
        fs::remove_file(&path).expect("removed");
        symlink("nowhere", &path).expect("linked");
        assert!(matches!(Workdir::open(workdir.root()), Err(WorkdirError::Escapes { .. })), "{name} dangling");
    }
    let inside = Workdir::create(&dir.path().join("w")).expect("made");
    fs::write(inside.root().join("plan.json"), "{}").expect("written");
    symlink("plan.json", inside.manifest()).expect("linked");
    Workdir::open(inside.root()).expect("a link within the workdir is the user's choice");
}

/// Makes `<dir>/repo` with `<dir>/repo/.orch` and a directory two levels down to stand in.
fn repo_with_workdir(dir: &TestDir) -> (Utf8PathBuf, Workdir) {
    let repo = dir.path().join("repo");
    let cwd = repo.join("src/deep");
    fs::create_dir_all(&cwd).expect("made");
    git(&repo, &["init", "-q"]);
    let workdir = Workdir::create(&repo.join(".orch")).expect("made");
    (cwd, workdir)
}

fn git(repo: &Utf8Path, args: &[&str]) {
    let status = Command::new("git").arg("-C").arg(repo).args(args).status().expect("git runs");
    assert!(status.success(), "git {args:?}");
}

#[test]
fn discovery_takes_only_what_init_made_for_this_user() {
    type Spoil = fn(&Workdir);
    let table: [(&str, Spoil, Option<&str>); 8] = [
        ("as init made it", |_| {}, None),
        ("readable by others", |w| chmod(w.root(), 0o755), Some("its mode is 0755")),
        ("sticky", |w| chmod(w.root(), 0o1700), Some("its mode is 1700")),
        ("without the mark", |w| fs::remove_file(w.root().join(MARKER)).expect("removed"), Some("did not make it")),
        (
            "with a link as mark",
            |w| {
                fs::remove_file(w.root().join(MARKER)).expect("removed");
                symlink("/etc/passwd", w.root().join(MARKER)).expect("linked");
            },
            Some("did not make it"),
        ),
        ("tracked", |w| git(w.root().parent().expect("repo"), &["add", "-f", ".orch"]), Some("git tracks it")),
        (
            "tracked in other letters",
            |w| {
                let repo = w.root().parent().expect("repo");
                fs::create_dir(repo.join(".ORCH")).expect("made");
                fs::write(repo.join(".ORCH/manifest.json"), "{}").expect("written");
                git(repo, &["add", "-f", ".ORCH"]);
            },
            Some("git tracks it"),
        ),
        (
            "a link",
            |w| {
                let elsewhere = w.root().with_file_name("elsewhere");
                fs::rename(w.root(), &elsewhere).expect("moved");
                symlink(&elsewhere, w.root()).expect("linked");
            },
            Some("not a directory"),
        ),
    ];
    for (case, spoil, why) in table {
        let dir = TestDir::new();
        let (cwd, workdir) = repo_with_workdir(&dir);
        spoil(&workdir);
        let found = Search { flag: None, variable: None, cwd: &cwd }.find();
        match (found, why) {
            (Ok(found), None) => assert_eq!((found.workdir, found.notes.len()), (workdir, 0), "{case}"),
            (Err(WorkdirError::NotFound { notes, .. }), Some(why)) => {
                assert!(
                    notes.iter().any(|n| n.starts_with(workdir.root().as_str()) && n.contains(why)),
                    "{case}: {notes:?}"
                );
            }
            (found, _) => panic!("{case}: {found:?}"),
        }
    }
}

#[test]
fn discovery_prefers_what_is_named_and_then_what_is_near() {
    let dir = TestDir::new();
    let (cwd, near) = repo_with_workdir(&dir);
    let far = Workdir::create(&dir.path().join(".orch")).expect("made");
    let other = Workdir::create(&dir.path().join("other")).expect("made");
    let bare = dir.path().join("bare");
    fs::create_dir(&bare).expect("made");
    dir.write("bare/manifest.json", "{}");
    let find = |flag: Option<&str>, variable: Option<&str>, cwd: &Utf8Path| {
        Search { flag: flag.map(Utf8Path::new), variable, cwd }.find().map(|d| (d.workdir.root, d.notes.len()))
    };
    let ok = |found: Result<(Utf8PathBuf, usize), WorkdirError>| found.expect("found");

    assert_eq!(ok(find(Some(other.root().as_str()), Some("/nowhere"), &cwd)), (other.root.clone(), 0));
    assert_eq!(ok(find(Some("../../../other"), None, &cwd)), (other.root.clone(), 0));
    assert_eq!(ok(find(None, Some(other.root().as_str()), &cwd)), (other.root.clone(), 0));
    assert_eq!(ok(find(None, Some(""), &cwd)), (near.root.clone(), 0));
    assert_eq!(ok(find(Some(bare.as_str()), None, &cwd)), (bare.clone(), 0));
    assert_eq!(ok(find(None, None, other.root())), (other.root.clone(), 0), "the current directory itself");
    assert_eq!(ok(find(None, None, &bare)), (far.root.clone(), 1), "a bare manifest must be named");
    chmod(near.root(), 0o750);
    assert_eq!(ok(find(None, None, &cwd)), (far.root.clone(), 1), "passed over, the next one upward is taken");
    assert!(find(Some("/nowhere"), None, &cwd).is_err(), "a wrong name is an error, not a reason to search");
    assert!(find(None, Some("/nowhere"), &cwd).is_err());
    let foreign = discover::fault(other.root(), user() + 1).expect("passed over");
    assert!(foreign.contains("belongs to user"), "{foreign}");
}

#[test]
fn sockets_stay_in_the_workdir_while_their_path_is_short() {
    let dir = TestDir::new();
    let places = |runtime: Option<&Utf8Path>| SocketPlaces {
        runtime: runtime.map(Utf8Path::to_owned),
        temporary: dir.path().to_owned(),
    };
    let short = Workdir::create(&dir.path().join("w")).expect("made");
    assert_eq!(short.tmux_socket(&places(None)).expect("fits"), short.root().join("orchestrator.sock"));
    assert_eq!(short.control_socket(&places(None)).expect("fits"), short.root().join("control.sock"));

    chmod(short.root(), 0o755);
    assert_eq!(short.tmux_socket(&places(None)).expect("fits"), short.root().join("orchestrator.sock"));
    let control = short.control_socket(&places(None)).expect("elsewhere");
    assert!(!control.starts_with(short.root()), "{control}");

    let long = Workdir::create(&dir.path().join("x".repeat(90))).expect("made");
    let runtime = dir.path().join("run");
    fs::create_dir(&runtime).expect("made");
    let socket = long.tmux_socket(&places(Some(&runtime))).expect("elsewhere");
    assert!(socket.starts_with(&runtime) && socket.as_str().len() <= LONGEST_SOCKET, "{socket}");
    assert_eq!(mode(socket.parent().expect("a directory")), 0o700);
    assert_eq!(long.tmux_socket(&places(Some(&runtime))).expect("again"), socket, "the same place each time");

    let too_long = long.root().join("run");
    fs::create_dir(&too_long).expect("made");
    let fallback = long.tmux_socket(&places(Some(&too_long))).expect("the next place");
    assert!(fallback.starts_with(dir.path()) && !fallback.starts_with(long.root()), "{fallback}");

    chmod(fallback.parent().expect("a directory"), 0o777);
    let error = long.tmux_socket(&places(None)).expect_err("anyone could have made it");
    assert!(matches!(&error, WorkdirError::NoSocketPlace { tried } if tried.contains("others can enter")), "{error}");
}

const LONGEST_SOCKET: usize = 100;
