//! A story before it is played: everything that a seed decides.

use std::fmt;
use std::sync::Arc;

use super::account::Account;
use super::act::{Act, mins, secs};
use super::dice::Dice;
use super::happening::Happening;
use super::laws::{Breach, Law};
use super::stage::Stage;
use crate::base::time::Millis;
use crate::heal::HealPolicy;
use crate::journal::record::UserVerb;
use crate::plan::spec::{Gate, Plan, PushMode, SameFile};
use crate::plan::status::Status;
use crate::ports::MergeMethod;
use crate::testkit::fault::{Failure, Operation};
use crate::testkit::{planned, planned_task};

/// One orchestration with everything that happens in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tale {
    /// What all times of effects and looks follow from.
    pub(super) seed: u64,
    pub(super) parts: Vec<Part>,
    pub(super) rules: Rules,
    /// By time from the start.
    pub(super) happenings: Vec<(Millis, Happening)>,
    /// After how many records each life of the orchestrator ends; the last one lives on.
    pub(super) lives: Vec<u64>,
    pub(super) pace: Pace,
    /// Whether a person looks after what waits for people, now and then.
    pub(super) tidied: bool,
}

/// One task and its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) phase: usize,
    pub(super) files: Vec<&'static str>,
    pub(super) depends_on: Vec<String>,
    /// What its agent does in each launch; the last one is repeated.
    pub(super) acts: Vec<Act>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) goal: Status,
    pub(super) auto_merge: bool,
    pub(super) gate: Gate,
    pub(super) same_file: SameFile,
    pub(super) push: PushMode,
    pub(super) merge_method: MergeMethod,
    pub(super) max_parallel: u32,
    pub(super) verify: bool,
    pub(super) notify: bool,
}

/// How long effects and looks take, and how badly they are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Everything happens at once.
    Instant,
    /// Times of a good machine.
    Brisk,
    /// Some take minutes, some are answered twice, some never.
    Bad,
}

const FILES: [&str; 6] = ["a.txt", "b.txt", "c.txt", "src/", "src/lib.rs", "docs/*.md"];

/// From when on a person looks after what waits for people, and how often.
pub(super) const TIDIES: (Millis, Millis, u64) = (Millis::from_mins(150), Millis::from_mins(35), 40);

/// One story in so many is played twice.
const REPLAYED: u64 = 32;

impl Tale {
    /// The tale of a seed.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::of(seed);
        // Most stories have a little of everything; some are calm, so that what goes wrong in them is easily seen.
        let trouble = dice.pick(&[0, 2, 5, 9]);
        let odd = dice.pick(&[100, 300, 600]);
        let rules = Rules::draw(&mut dice);
        let parts = parts(&mut dice, odd);
        let mut happenings: Vec<(Millis, Happening)> = (0..dice.below(trouble + 1))
            .chain(0..dice.below(trouble + 1))
            .map(|_| (dice.span(0, mins(120).0), Happening::draw(&mut dice)))
            .collect();
        happenings.sort_by_key(|(at, _)| *at);
        let lives = (0..dice.below(trouble + 1)).map(|_| 1 + dice.below(60)).collect();
        let pace = dice.pick(&[Pace::Instant, Pace::Brisk, Pace::Bad, Pace::Bad]);
        Self { seed, parts, rules, happenings, lives, pace, tidied: true }
    }

    /// Plays it.
    pub fn play(&self) -> Account {
        self.play_with(None)
    }

    /// Plays it with a policy of one's own: what the laws say of it, whatever else happens.
    pub fn play_under(&self, policy: &Arc<dyn HealPolicy>) -> Account {
        Stage::new(self, None).under(policy).play()
    }

    /// Plays it with the fault planted that a law is to find; only breaches of that law count then.
    pub fn play_with(&self, planted: Option<Law>) -> Account {
        let mut account = Stage::new(self, planted).play();
        let replayed = match planted {
            // What is planted is that something else than the seed decides.
            Some(Law::Replays) => Some(Self { seed: !self.seed, ..self.clone() }),
            None if self.seed.is_multiple_of(REPLAYED) => Some(self.clone()),
            _ => None,
        };
        if let (None, Some(tale)) = (&account.breach, replayed) {
            let again = Stage::new(&tale, planted).play().journal;
            let first = account.journal.iter().zip(&again).take_while(|(one, other)| one == other).count();
            if first < account.journal.len().max(again.len()) {
                let what = format!("played again, the journal differs from record {}", first + 1);
                account.breach = Some(Breach { law: Law::Replays, what });
            }
        }
        account
    }

    pub(super) fn plan(&self) -> Plan {
        let task = |part: &Part| planned_task(&part.name, part.phase, &part.files, &part.depends_on);
        let mut plan = planned(self.parts.iter().map(task).collect());
        let (settings, rules) = (&mut plan.settings, &self.rules);
        (settings.gate, settings.same_file, settings.push) = (rules.gate, rules.same_file, rules.push);
        (settings.merge_method, settings.max_parallel) = (rules.merge_method, rules.max_parallel);
        settings.verify = rules.verify.then(|| "check".to_owned()).into_iter().collect();
        plan
    }
}

fn parts(dice: &mut Dice, odd: u64) -> Vec<Part> {
    let count = 4 + dice.index(9);
    let phases = 1 + dice.index(3);
    let mut parts: Vec<Part> = Vec::new();
    for number in 0..count {
        let mut files: Vec<&'static str> = (0..dice.below(3)).map(|_| dice.pick(&FILES)).collect();
        files.sort_unstable();
        files.dedup();
        let most = if dice.chance(200) { 3 } else { 2 };
        let mut depends_on: Vec<String> = (0..dice.below(most))
            .filter_map(|_| parts.get(dice.index(number.max(1))).map(|part| part.name.clone()))
            .collect();
        depends_on.sort();
        depends_on.dedup();
        let mut acts: Vec<Act> =
            (0..=dice.below(3)).map(|_| if dice.chance(odd) { dice.pick(&Act::ODD) } else { Act::Works }).collect();
        // Who is limited for ever waits for ever, a day at a time.
        acts.extend(acts.last().filter(|act| **act == Act::IsLimited).map(|_| Act::Works));
        parts.push(Part { name: format!("t{}", number + 1), phase: number * phases / count, files, depends_on, acts });
    }
    parts
}

impl Rules {
    fn draw(dice: &mut Dice) -> Self {
        let goal = dice.pick(&[Status::Merged, Status::Merged, Status::Merged, Status::PrOpen, Status::Complete]);
        Self {
            goal,
            auto_merge: goal == Status::Merged && dice.chance(700),
            // A phase that nothing takes through its gate would hold all others for ever.
            gate: if goal == Status::Merged { dice.pick(Gate::ALL) } else { Gate::Complete },
            same_file: dice.pick(SameFile::ALL),
            push: dice.pick(PushMode::ALL),
            merge_method: dice.pick(&[
                MergeMethod::Merge,
                MergeMethod::Merge,
                MergeMethod::Squash,
                MergeMethod::Rebase,
            ]),
            max_parallel: 1 + u32::try_from(dice.below(4)).unwrap_or(0),
            verify: dice.chance(600),
            notify: dice.chance(300),
        }
    }

    /// What a manifest that says nothing means.
    pub(super) fn plain() -> Self {
        Self {
            goal: Status::Merged,
            auto_merge: true,
            gate: Gate::Complete,
            same_file: SameFile::Serialize,
            push: PushMode::Early,
            merge_method: MergeMethod::Merge,
            max_parallel: 4,
            verify: false,
            notify: false,
        }
    }
}

impl Happening {
    fn draw(dice: &mut Dice) -> Self {
        let number = dice.index(8);
        match dice.below(30) {
            0..=8 => Self::Said((!dice.chance(150)).then_some(number), verb(dice)),
            9..=14 => {
                let (operation, times) = (dice.pick(&Operation::FALLIBLE), 1 + dice.index(4));
                let failure = dice.pick(&[
                    Failure::Unreachable,
                    Failure::Busy,
                    Failure::Refused,
                    Failure::AnswerLost,
                    Failure::Ignored,
                    Failure::Stale,
                ]);
                let failure = match (operation, failure) {
                    (Operation::Input, _) | (Operation::End, Failure::Ignored) => failure,
                    (_, Failure::Ignored | Failure::Stale) => Failure::Unreachable,
                    (_, failure) => failure,
                };
                Self::Fails(operation, times, failure)
            }
            15 => Self::ExecutorDies,
            16 => dice.pick(&[Self::MachineReboots, Self::AgentIsKilled(number), Self::AgentIsKilled(number)]),
            17 => Self::MachineSleeps(dice.span(mins(1).0, mins(100).0)),
            18 => Self::ClockJumps(i64::try_from(dice.below(7200)).unwrap_or(0) - 3600),
            19 => Self::BaseMoves,
            20 => Self::BaseConflicts(number),
            21 => {
                Self::PersonMerges(number, dice.pick(&[MergeMethod::Merge, MergeMethod::Squash, MergeMethod::Rebase]))
            }
            22 => dice.pick(&[Self::PersonCloses(number), Self::PersonReopens(number), Self::BranchIsDeleted(number)]),
            23 => Self::PersonReopens(number),
            24 => Self::ChecksFail(number),
            25 => Self::ChecksRun(number),
            26 => Self::ChangesRequested(number),
            27 => Self::SomeonePushes(number),
            28 => dice.pick(&[Self::TaskIsAdded, Self::TaskIsEdited(number), Self::TaskIsRemoved(number)]),
            _ => Self::Crash,
        }
    }
}

fn verb(dice: &mut Dice) -> UserVerb {
    dice.pick(&[
        UserVerb::Kill,
        UserVerb::Retry,
        UserVerb::Publish,
        UserVerb::Pause,
        UserVerb::Resume,
        UserVerb::Skip,
        UserVerb::Send { text: "y".to_owned() },
        UserVerb::Attach,
    ])
}

impl fmt::Display for Tale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {:?} pace, {:?}", self.seed, self.pace, self.rules)?;
        for Part { name, phase, files, depends_on, acts } in &self.parts {
            writeln!(f, "  {name}: phase {phase}, files {files:?}, after {depends_on:?}, agent {acts:?}")?;
        }
        for (at, happening) in &self.happenings {
            writeln!(f, "  at {at}: {happening:?}")?;
        }
        if self.tidied {
            writeln!(f, "  from {} on a person tidies up now and then", TIDIES.0)?;
        }
        if !self.lives.is_empty() {
            writeln!(f, "  killed after so many records: {:?}", self.lives)?;
        }
        Ok(())
    }
}

/// How long something takes before it happens, and after that until it is answered.
pub(super) fn delays(pace: Pace, dice: &mut Dice, is_look: bool) -> (Millis, Millis) {
    let mut one = || match (pace, dice.below(100)) {
        (Pace::Instant, _) => Millis(0),
        (Pace::Brisk, _) => Millis(1 + dice.below(if is_look { 40 } else { 300 })),
        (Pace::Bad, 0..=69) => Millis(1 + dice.below(400)),
        (Pace::Bad, 70..=92) => dice.span(400, secs(15).0),
        (Pace::Bad, _) if is_look => dice.span(secs(5).0, secs(40).0),
        (Pace::Bad, _) => dice.span(secs(15).0, mins(4).0),
    };
    (one(), one())
}
