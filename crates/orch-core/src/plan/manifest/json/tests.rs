use proptest::prelude::*;

use super::super::problem::ProblemKind;
use super::*;

/// `offset path: message (help)` of each fault.
fn faults(text: &str) -> Vec<String> {
    let (_, faults) = read(text.to_owned());
    faults.iter().map(|f| format!("{} {}: {} ({})", f.offset, f.path, f.message, f.help)).collect()
}

#[test]
fn faults_say_where_what_and_how_to_mend() {
    let shown: Vec<String> = [
        "",
        "{",
        r#"{"a": 1,}"#,
        r#"{"a": [1, 2,]}"#,
        r#"{"a" 1}"#,
        r"{a: 1}",
        r#"{"a": 'x'}"#,
        r#"{"a": 1 "b": 2}"#,
        "{\n  // note\n}",
        r#"{"a": 01}"#,
        r#"{"a": NaN}"#,
        r#"{"a": truth}"#,
        r#"{"a": "x"#,
        "{\"a\": \"x\n\"}",
        "{\"a\": \"x\u{1}\"}",
        r#"{"a": "\x"}"#,
        r#"{"a": {"b": ["\ud800"]}}"#,
        "{} {}",
        "<<<<<<< HEAD",
        "\u{feff}{}",
        r#"{"x": {"a": 1, "\u0061": 2}}"#,
    ]
    .iter()
    .map(|text| faults(text).join("\n"))
    .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    0 $: the file ends where a value should be (the file was cut short: close what is open)
    1 $: the file ends where a key in double quotes should be (the file was cut short: close what is open)
    8 $.a: there is a comma before the closing bracket (remove that comma)
    12 $.a[2]: there is a comma before the closing bracket (remove that comma)
    5 $: `1` stands where ':' after the key should be (write JSON: https://www.json.org)
    1 $: `a` stands where a key in double quotes should be (write keys in double quotes)
    6 $.a: `'` stands where a value should be (JSON writes strings in double quotes)
    8 $.a: `"` stands where ',' or '}' should be (put a comma between the two)
    4 $: `/` stands where a key in double quotes should be (JSON has no comments: remove it)
    6 $.a: this is not a number as JSON writes it (write digits without leading zeros, as in 4, -1 or 2.5e3)
    6 $.a: `N` stands where a value should be (write JSON: https://www.json.org)
    6 $.a: `t` stands where a value should be (write JSON: https://www.json.org)
    6 $.a: the string is never closed (close it with ")
    8 $.a: the string does not end on its line (close it with ", or write \n for a line break)
    8 $.a: a string may not hold the control character U+0001 (write it as \u00XX, or remove it)
    7 $.a: the string has an escape that JSON does not know (JSON knows \" \\ \/ \b \f \n \r \t and \uXXXX (surrogates in pairs); double a backslash that means itself)
    14 $.a.b[0]: the string has an escape that JSON does not know (JSON knows \" \\ \/ \b \f \n \r \t and \uXXXX (surrogates in pairs); double a backslash that means itself)
    3 $: `{` stands where the end of the file should be (write JSON: https://www.json.org)
    0 $: `<` stands where a value should be (resolve the merge conflict)
    0 $: `\u{feff}` stands where a value should be (write JSON: https://www.json.org)
    15 $.x.a: the key "a" stands twice in one object (keep one of the two)
    "#);
}

#[test]
fn depth_is_bounded_and_costs_no_stack() {
    for (text, faulty) in [
        ("[".repeat(128) + &"]".repeat(128), false),
        ("[".repeat(129) + &"]".repeat(129), true),
        ("[".repeat(1_000_000), true),
        (r#"{"a":"#.repeat(100_000), true),
    ] {
        let (_, faults) = read(text);
        assert_eq!(
            faults.iter().map(|fault| fault.kind).collect::<Vec<_>>(),
            vec![ProblemKind::TooDeep; usize::from(faulty)]
        );
    }
}

#[test]
fn numbers_are_read_as_written() {
    for (raw, whole, number) in [
        ("4", Some(4), Some(4.0)),
        ("4.0", Some(4), Some(4.0)),
        ("4.5", None, Some(4.5)),
        ("-1", None, Some(-1.0)),
        ("1e3", None, Some(1000.0)),
        ("1e999", None, None),
        ("18446744073709551616", None, Some(18_446_744_073_709_551_616.0)),
    ] {
        let (document, _) = read(raw.to_owned());
        let document = document.expect("JSON");
        assert_eq!((document.root().whole(), document.root().number()), (whole, number), "{raw}");
    }
}

fn data() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_serde_writes_comes_back(value in data()) {
        let (document, faults) = read(value.to_string());
        prop_assert!(faults.is_empty(), "{:?}", faults);
        let mut out = Pretty::new();
        out.copy(document.expect("JSON").root());
        prop_assert_eq!(out.finish(), format!("{value:#}\n"));
    }

    #[test]
    fn it_accepts_what_serde_accepts(text in r#"[\[\]{}",:0-9a\\u. ntrue-]{0,24}"#) {
        let (document, faults) = read(text.clone());
        let sound = document.is_some() && faults.is_empty();
        let theirs: Result<serde_json::Value, _> = serde_json::from_str(&text);
        let huge = theirs.as_ref().is_err_and(|error| error.to_string().contains("number out of range"));
        let duplicate = faults.iter().any(|fault| fault.kind == ProblemKind::DuplicateKey);
        prop_assert!(sound == theirs.is_ok() || duplicate || huge, "{} {:?} {:?}", text, faults, theirs);
    }
}
