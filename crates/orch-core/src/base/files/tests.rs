use proptest::prelude::*;

use super::*;

fn set(entries: &[&str]) -> FileSet {
    let owned: Vec<String> = entries.iter().map(|&entry| entry.to_owned()).collect();
    FileSet::parse(&owned).expect("valid entries")
}

#[test]
fn faults_name_the_rule_that_is_broken() {
    for (entry, fault) in [
        ("", FileFault::Empty),
        ("./", FileFault::Empty),
        (".", FileFault::Empty),
        ("/etc/passwd", FileFault::Absolute),
        ("//x", FileFault::Absolute),
        ("{/etc,a}/x", FileFault::Absolute),
        ("..", FileFault::Parent),
        ("a/../../b", FileFault::Parent),
        ("{..,a}/x", FileFault::Parent),
        ("./../x", FileFault::Parent),
        ("a\0b", FileFault::Nul),
        ("src/[ab", FileFault::UnclosedClass),
        ("src/[a/b]", FileFault::UnclosedClass),
        ("[z-a]", FileFault::EmptyClass),
        ("{a,b", FileFault::UnbalancedBrace),
        ("a}*", FileFault::UnbalancedBrace),
        ("a*\\", FileFault::DanglingEscape),
    ] {
        assert_eq!(FileSet::parse(&[entry.to_owned()]), Err(vec![(0, fault)]), "{entry:?}");
    }
    let nested = "{".repeat(3000);
    assert_eq!(FileSet::parse(&[nested]), Err(vec![(0, FileFault::UnbalancedBrace)]));
    assert_eq!(FileSet::parse(&["{a,b}".repeat(20)]), Err(vec![(0, FileFault::TooManyAlternatives)]));
    assert_eq!(FileSet::parse(&["x".repeat(5000)]), Err(vec![(0, FileFault::TooLong)]));
}

#[test]
fn all_faults_come_at_once_by_index() {
    let entries = ["ok", "/a", "b/..", "docs/"].map(str::to_owned);
    assert_eq!(FileSet::parse(&entries), Err(vec![(1, FileFault::Absolute), (2, FileFault::Parent)]));
}

#[test]
fn entries_are_kept_without_dots_and_repeats() {
    assert_eq!(set(&["./a", "a", "x//y/./z", "./docs/", "**/*.rs"]).entries(), ["a", "x/y/z", "docs/", "**/*.rs"]);
}

#[test]
fn overlap_is_what_some_path_could_match() {
    for (left, right, expected) in [
        ("src/a.rs", "src/a.rs", true),
        ("src/a.rs", "src/b.rs", false),
        ("src/a", "src/ab", false),
        ("docs/", "docs/x.md", true),
        ("docs/", "docs", true),
        ("docs/", "docs2/x.md", false),
        ("src", "src/a/b.rs", true),
        ("src", "src/*.rs", true),
        ("src/lib.rs", "**/*.md", false),
        ("src/**/*.rs", "src/a/b/c.rs", true),
        ("src/**/*.rs", "src/c.rs", true),
        ("src/*.rs", "src/a/c.rs", false),
        ("src/**", "src/", true),
        ("src/**/a.rs", "**/b/*.rs", true),
        ("a*", "*b", true),
        ("a*c", "a?b", false),
        ("[a-f]x", "[f-z]x", true),
        ("[a-e]x", "[f-z]x", false),
        ("[!a]", "a", false),
        ("[!a]", "[!b]", true),
        ("{a,b}/x", "{c,b}/x", true),
        ("{a,b}/x", "{c,d}/x", false),
        ("{src,test/unit}/**", "test/unit/x", true),
        ("app/[id]/page.tsx", "app/[id]/page.tsx", true),
        ("app/[id]/page.tsx", "app/[slug]/page.tsx", false),
        ("app/[id]/page.tsx", "app/*/page.tsx", true),
        ("**", "anything/at/all", true),
        ("*/x", "a/b/x", false),
        ("a/*/", "a/b/c/d", true),
        ("docs/", "**/*.md", true),
        ("\\*", "a", false),
        ("\\[x\\]*", "[x]y", true),
        ("ü?", "üx", true),
    ] {
        assert_eq!(set(&[left]).overlaps(&set(&[right])), expected, "{left} and {right}");
        assert_eq!(set(&[right]).overlaps(&set(&[left])), expected, "{right} and {left}");
    }
    assert!(!set(&[]).overlaps(&set(&["**"])));
}

#[test]
fn covers_literal_spelling_of_a_glob() {
    let files = set(&["app/[id]/page.tsx", "docs/", "src/*.rs", "plain"]);
    for (path, expected) in [
        ("app/[id]/page.tsx", true),
        ("app/i/page.tsx", true),
        ("app/x/page.tsx", false),
        ("docs/a/b", true),
        ("docsx", false),
        ("src/a.rs", true),
        ("src/a/b.rs", false),
        ("plain", true),
        ("plain/below", true),
        ("plainer", false),
    ] {
        assert_eq!(files.covers(path), expected, "{path}");
    }
}

#[test]
fn shared_names_the_more_specific_side() {
    for (left, right, expected) in [
        (&["a.js", "b.js"][..], &["b.js", "c.js"][..], &["b.js"][..]),
        (&["docs/"], &["docs/x.md", "docs/y.md"], &["docs/x.md", "docs/y.md"]),
        (&["src/**/*.rs"], &["src/a.rs"], &["src/a.rs"]),
        (&["docs/"], &["docs/*.md"], &["docs/*.md"]),
        (&["a"], &["a/b"], &["a/b"]),
        (&["a"], &["b"], &[]),
    ] {
        assert_eq!(set(left).shared(&set(right)), expected);
        assert_eq!(set(right).shared(&set(left)), expected);
    }
}

#[test]
fn deserialising_checks_too() {
    assert!(serde_json::from_str::<FileSet>(r#"["../x"]"#).is_err());
    let files: FileSet = serde_json::from_str(r#"["./a","b/"]"#).expect("valid");
    assert_eq!(serde_json::to_string(&files).expect("serialises"), r#"["a","b/"]"#);
}

/// Every path of up to three components over names of up to two letters.
fn short_paths() -> Vec<String> {
    let names: Vec<String> = ["a", "b", "c", "aa", "ab", "ba", "bb"].map(str::to_owned).into();
    let mut paths = names.clone();
    for depth in [1, 2] {
        let longer: Vec<String> = paths
            .iter()
            .filter(|path| path.matches('/').count() + 1 == depth)
            .flat_map(|path| names.iter().map(move |name| format!("{path}/{name}")))
            .collect();
        paths.extend(longer);
    }
    paths
}

fn glob() -> impl Strategy<Value = String> {
    let unit = prop_oneof![
        4 => Just("a"), 4 => Just("b"), 3 => Just("*"), 2 => Just("?"), 1 => Just("[ab]"), 1 => Just("[!a]"),
        1 => Just("{a,b}"), 1 => Just("{a,bb}"),
    ];
    let name = proptest::collection::vec(unit, 1..3).prop_map(|units| units.concat());
    let component = prop_oneof![4 => name, 1 => Just("**".to_owned())];
    let glob = proptest::collection::vec(component, 1..4).prop_map(|parts| parts.join("/"));
    glob.prop_map(|text| if text.contains(['*', '?', '[', '{']) { text } else { format!("{text}*") })
}

/// An independent reading of a glob: the `globset` crate's, with `/` left alone by `*`.
fn reference(glob: &str) -> globset::GlobMatcher {
    globset::GlobBuilder::new(glob).literal_separator(true).build().expect("valid glob").compile_matcher()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn covers_agrees_with_globset(text in glob()) {
        // `**` inside a name is two stars to us and to git.
        prop_assume!(!text.split('/').any(|part| part.contains("**") && part != "**"));
        let (ours, theirs) = (set(&[&text]), reference(&text));
        for path in short_paths() {
            prop_assert_eq!(ours.covers(&path), theirs.is_match(&path), "{} on {}", text, path);
        }
    }

    #[test]
    fn overlap_agrees_with_brute_force(left in glob(), right in glob()) {
        let (a, b) = (set(&[&left]), set(&[&right]));
        let witness = short_paths().into_iter().find(|path| a.covers(path) && b.covers(path));
        prop_assert_eq!(a.overlaps(&b), b.overlaps(&a));
        if let Some(path) = witness {
            prop_assert!(a.overlaps(&b), "{} and {} both match {}", left, right, path);
        }
    }

    #[test]
    fn no_overlap_without_a_path(left in narrow_glob(), right in narrow_glob()) {
        let (a, b) = (set(&[&left]), set(&[&right]));
        let witness = short_paths().iter().any(|path| a.covers(path) && b.covers(path));
        prop_assert_eq!(a.overlaps(&b), witness, "{} and {}", left, right);
    }
}

/// Globs of which two that meet at all meet in one of [`short_paths`].
fn narrow_glob() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("a?"),
        Just("?b"),
        Just("[ab]"),
        Just("[!a]"),
        Just("*"),
        Just("a*"),
        Just("*b"),
        Just("{a,bb}?"),
        Just("b"),
        Just("**"),
    ];
    let glob = proptest::collection::vec(name, 1..3).prop_map(|parts| parts.join("/"));
    glob.prop_filter("a glob", |text| text.split('/').any(|part| part != "b"))
}
