//! What the words of a session tell: tests that it ran, and the last thing that it said. Claims, never proof.

use std::sync::LazyLock;

use regex::Regex;

/// How many lines of each kind are told.
const MOST: usize = 20;

/// Lines in which cargo, pytest, unittest, Jest, Mocha, Go and TAP sum up what came of tests.
static SUMMARY: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?x)
        ^test\ result:\ | ^\s*\d+\ (passing|failing|pending)\b | ^=*\ ?.*\b\d+\ (passed|failed)\b
        | ^Tests?:?\s+.*\d+ | ^Ran\ \d+\ tests? | ^(OK|FAILED)(\ \(|$) | ^(ok|FAIL)\s+\S+\s+[\d.]+s$ | ^---\ FAIL:
        | ^\#\ (pass|fail)\ \d+";
    Regex::new(pattern).unwrap_or_else(|e| unreachable!("the pattern does not compile: {e}"))
});
/// The last line of a screen that only takes input.
static INPUT: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^\s*\S*[@:~/]?\S*\s?[$#%❯>›]\s*$";
    Regex::new(pattern).unwrap_or_else(|e| unreachable!("the pattern does not compile: {e}"))
});

/// The last lines of plain text in which tests are summed up, at most 20, each once in a row.
pub fn tests(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| line.len() < 400 && SUMMARY.is_match(line))
        .map(|line| line.trim().to_owned())
        .collect();
    lines.dedup();
    lines.drain(..lines.len().saturating_sub(MOST));
    lines
}

/// The last block of a screen that is not just an input line, at most 20 lines.
pub fn last_message(screen: &str) -> String {
    let said = screen.rsplit("\n\n").filter(|block| !block.trim().is_empty()).find_map(|block| {
        let lines: Vec<&str> = block.lines().filter(|line| !INPUT.is_match(line)).collect();
        (!lines.is_empty()).then(|| lines[lines.len().saturating_sub(MOST)..].join("\n"))
    });
    said.unwrap_or_default().trim_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn summaries_of_tests_are_found() {
        let text = "compiling\ntest result: ok. 12 passed; 0 failed; 0 ignored\n\
            ===== 3 failed, 9 passed in 0.12s =====\nTests:       1 failed, 5 passed, 6 total\n\
            Ran 4 tests in 0.001s\nOK\n  7 passing (12ms)\nok  \texample.com/pkg\t0.01s\n# pass 3\nok I will do that\nnothing";
        let found = super::tests(text);
        assert_eq!(
            found,
            [
                "test result: ok. 12 passed; 0 failed; 0 ignored",
                "===== 3 failed, 9 passed in 0.12s =====",
                "Tests:       1 failed, 5 passed, 6 total",
                "Ran 4 tests in 0.001s",
                "OK",
                "7 passing (12ms)",
                "ok  \texample.com/pkg\t0.01s",
                "# pass 3",
            ]
        );
    }

    #[test]
    fn the_last_message_is_the_last_block_that_says_something() {
        assert_eq!(super::last_message("one\n\nI did it.\nAll of it.\n\n$ \n"), "I did it.\nAll of it.");
        assert_eq!(super::last_message("done\n>\n\n\n"), "done");
        assert_eq!(super::last_message(""), "");
    }
}
