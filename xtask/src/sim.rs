//! `cargo xtask sim`: plays stories from seeds and tells the shortest that breaks a law.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use orch_core::testkit::sim::{Coverage, Law, Tale};

const USAGE: &str =
    "usage: cargo xtask sim [--seeds N] [--first SEED] [--break LAW] [--all] [--whole] [--journal] [--coverage]";

struct Args {
    seeds: u64,
    first: u64,
    planted: Option<Law>,
    /// Goes on after the first breach.
    all: bool,
    /// Tells the story as it is, not the shortest that breaks the same law.
    whole: bool,
    /// Prints the story's journal, too.
    journal: bool,
    coverage: bool,
}

/// Plays; exits with 1 where a law was broken, or where a planted fault was not found.
pub(crate) fn run(args: &[&str]) -> ExitCode {
    let args = match parse(args) {
        Ok(args) => args,
        Err(why) => {
            eprintln!("{why}\n{USAGE}\nlaws: {}", names());
            return ExitCode::from(2);
        }
    };
    let found = play(&args);
    match (found, args.planted) {
        (None, None) => ExitCode::SUCCESS,
        (None, Some(law)) => {
            eprintln!("the fault planted against {law} was not found in {} stories", args.seeds);
            ExitCode::FAILURE
        }
        (Some(seed), planted) => {
            let tale = Tale::of(seed);
            let tale = if args.whole { tale } else { tale.shrunk(planted) };
            let account = tale.play_with(planted);
            for entry in account.journal.iter().filter(|_| args.journal) {
                eprintln!("{}", serde_json::to_string(entry).unwrap_or_default());
            }
            eprintln!("{account}");
            eprintln!("again: cargo xtask sim --first {seed} --seeds 1{}", again(planted));
            if planted.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    }
}

/// Stories are played in a build that is made for it.
pub(crate) fn optimised(args: &[&str]) -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = ["run", "--quiet", "--profile", "sim", "--package", "xtask", "--", "sim"];
    match Command::new(cargo).args(build).args(args).current_dir(super::root()).status() {
        Ok(status) => ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)),
        Err(error) => {
            eprintln!("cargo cannot be started: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(args: &[&str]) -> Result<Args, String> {
    let mut parsed =
        Args { seeds: 10_000, first: 0, planted: None, all: false, whole: false, journal: false, coverage: false };
    let mut rest = args.iter();
    while let Some(flag) = rest.next() {
        let mut value = || rest.next().copied().ok_or(format!("{flag} needs a value"));
        let number = |text: &str| text.parse().map_err(|_| format!("{text} is no number"));
        match *flag {
            "--seeds" => parsed.seeds = number(value()?)?,
            "--first" => parsed.first = number(value()?)?,
            "--break" => {
                let name = value()?;
                parsed.planted = Some(Law::parse(name).ok_or(format!("{name} is no law"))?);
            }
            "--all" => parsed.all = true,
            "--whole" => parsed.whole = true,
            "--journal" => parsed.journal = true,
            "--coverage" => parsed.coverage = true,
            other => return Err(format!("{other} is no flag")),
        }
    }
    Ok(parsed)
}

fn names() -> String {
    Law::ALL.iter().map(|law| law.as_str()).collect::<Vec<_>>().join(", ")
}

fn again(planted: Option<Law>) -> String {
    planted.map_or(String::new(), |law| format!(" --break {law}"))
}

/// The first seed whose story breaks a law.
fn play(args: &Args) -> Option<u64> {
    let began = Instant::now();
    let (next, found) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let sums = Mutex::new((Coverage::default(), 0_u64, 0_u64, 0_u64));
    let breaches = Mutex::new(BTreeMap::<Law, Vec<u64>>::new());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut covered = Coverage::default();
                let (mut stories, mut records, mut crashes) = (0, 0, 0);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= args.seeds || !args.all && number > found.load(Ordering::Relaxed) {
                        break;
                    }
                    let account = Tale::of(args.first + number).play_with(args.planted);
                    if let Some(breach) = &account.breach {
                        if let Ok(mut breaches) = breaches.lock() {
                            breaches.entry(breach.law).or_default().push(args.first + number);
                        }
                        found.fetch_min(number, Ordering::Relaxed);
                    }
                    stories += 1;
                    records += account.journal.len() as u64;
                    crashes += u64::from(account.crashes);
                    covered.add(&account.coverage);
                }
                if let Ok(mut sums) = sums.lock() {
                    sums.0.add(&covered);
                    (sums.1, sums.2, sums.3) = (sums.1 + stories, sums.2 + records, sums.3 + crashes);
                }
            });
        }
    });
    let (coverage, stories, records, crashes) = sums.into_inner().unwrap_or_default();
    let average = records.checked_div(stories).unwrap_or(0);
    eprintln!(
        "{stories} stories, {average} records each, {crashes} crashes, {:.1} s on {threads} threads",
        began.elapsed().as_secs_f64()
    );
    for (law, seeds) in breaches.into_inner().unwrap_or_default() {
        let mut first = seeds.clone();
        first.sort_unstable();
        first.truncate(8);
        eprintln!("{law}: broken by {} stories, first by {first:?}", seeds.len());
    }
    if args.coverage {
        eprintln!("{coverage}");
        let empty = coverage.empty_cells();
        eprintln!("{} cells are empty", empty.len());
        for (from, to, column, why) in empty {
            let why = why.unwrap_or("rare: more stories reach it");
            eprintln!("{from} -> {to} after {column}: {why}");
        }
    }
    let number = found.into_inner();
    (number != u64::MAX).then(|| args.first + number)
}
