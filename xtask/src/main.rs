//! What a person repeats: `cargo xtask tidy` holds the house rules that compiler and clippy cannot see,
//! `cargo xtask ci` does everything that must hold before a change lands, `cargo xtask sim` plays stories from seeds
//! against the engine.

#![expect(clippy::print_stderr, reason = "a tool for a person at a terminal")]

mod ci;
mod sim;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask tidy | ci | sim";

fn main() -> ExitCode {
    let verb: Vec<String> = std::env::args().skip(1).collect();
    let verb: Vec<&str> = verb.iter().map(String::as_str).collect();
    match verb.as_slice() {
        ["tidy"] => tidy(),
        ["ci"] => ci::run(root()),
        ["sim", args @ ..] if cfg!(debug_assertions) => sim::optimised(args),
        ["sim", args @ ..] => sim::run(args),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn tidy() -> ExitCode {
    match tidy::check(root()) {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(findings) => {
            for finding in findings {
                eprintln!("{finding}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's directory.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}
