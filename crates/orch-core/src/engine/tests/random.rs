//! Stories that nobody thought of: random plans, agents, faults, people and crashes, against what
//! holds for all.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::cast::{attempt, commits, is_verify, mins, plan, secs, task, task_of};
use super::proof::{check, end};
use crate::base::time::Millis;
use crate::engine::Outlook;
use crate::journal::record::UserVerb;
use crate::plan::spec::{Gate, Plan, PushMode, SameFile};
use crate::plan::status::Status;
use crate::ports::{Check, CheckState, LaunchSpec, MergeMethod, Pull, PullState, Review};
use crate::state::{Session, TaskState};
use crate::testkit::{Failure, Operation, Scenario, Script, Story, World};

/// One random orchestration. Times are minutes from the start.
#[derive(Debug, Clone)]
struct Tale {
    tasks: Vec<Row>,
    rules: Rules,
    faults: Vec<(u64, Operation, usize, Failure)>,
    said: Vec<(u64, Option<Index>, UserVerb)>,
    weather: Vec<(u64, Weather)>,
    /// After how many records each life of the orchestrator ends; the last one lives on.
    lives: Vec<u64>,
}

#[derive(Debug, Clone)]
struct Row {
    phase: usize,
    files: Vec<&'static str>,
    depends_on: Vec<Index>,
    /// What its agent does in each attempt; the last one is repeated.
    acts: Vec<Act>,
}

#[derive(Debug, Clone)]
struct Rules {
    goal: Status,
    gate: Gate,
    same_file: SameFile,
    push: PushMode,
    merge_method: MergeMethod,
    max_parallel: u32,
    verify: bool,
}

/// What an agent, or a verify command, does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    Works,
    WorksDeaf,
    Fails,
    FailsHalfway,
    DoesNothing,
    LeavesItsFile,
    LeavesOthersFile,
    Asks,
    AsksWhatNobodyMayAnswer,
    Hangs,
    HangsDeaf,
    Dies,
    IsLimited,
    HasNoCredentials,
    Leaves,
    Clashes,
    FailsVerify,
}

const ACTS: [Act; 17] = [
    Act::Works,
    Act::WorksDeaf,
    Act::Fails,
    Act::FailsHalfway,
    Act::DoesNothing,
    Act::LeavesItsFile,
    Act::LeavesOthersFile,
    Act::Asks,
    Act::AsksWhatNobodyMayAnswer,
    Act::Hangs,
    Act::HangsDeaf,
    Act::Dies,
    Act::IsLimited,
    Act::HasNoCredentials,
    Act::Leaves,
    Act::Clashes,
    Act::FailsVerify,
];

/// What happens around the orchestrator.
#[derive(Debug, Clone, Copy)]
enum Weather {
    ExecutorDies,
    MachineReboots,
    MachineSleeps,
    BaseMoves,
    PersonMerges,
    PersonCloses,
    PersonReopens,
    ChecksFail,
    ChangesRequested,
    SomeonePushes,
}

const WEATHER: [Weather; 10] = [
    Weather::ExecutorDies,
    Weather::MachineReboots,
    Weather::MachineSleeps,
    Weather::BaseMoves,
    Weather::PersonMerges,
    Weather::PersonCloses,
    Weather::PersonReopens,
    Weather::ChecksFail,
    Weather::ChangesRequested,
    Weather::SomeonePushes,
];

/// What no clock decides: a crash loses marks of life of up to a heartbeat, so silence is measured longer.
fn is_prompt(act: Act) -> bool {
    !matches!(act, Act::Hangs | Act::HangsDeaf | Act::WorksDeaf)
}

fn rows(acts: Vec<Act>) -> impl Strategy<Value = Vec<Row>> {
    let files = vec(select(vec!["a.txt", "b.txt", "src/", "src/*.rs", "src/lib.rs"]), 0..3);
    let acts = vec(prop_oneof![2 => Just(Act::Works), 1 => select(acts)], 1..4);
    let row = (0_usize..3, files, vec(any::<Index>(), 0..2), acts);
    let row = row.prop_map(|(phase, files, depends_on, acts)| Row { phase, files, depends_on, acts });
    vec(row, 1..6)
}

fn rules() -> impl Strategy<Value = Rules> {
    let flow = (
        select(vec![Status::Merged, Status::Merged, Status::PrOpen, Status::Complete]),
        select(Gate::ALL),
        select(SameFile::ALL),
        select(PushMode::ALL),
    );
    let rest = (select(vec![MergeMethod::Merge, MergeMethod::Squash, MergeMethod::Rebase]), 1_u32..4, any::<bool>());
    (flow, rest).prop_map(|((goal, gate, same_file, push), (merge_method, max_parallel, verify))| Rules {
        goal,
        // A phase that nothing takes through its gate would hold all others for ever.
        gate: if goal == Status::Merged { gate } else { Gate::Complete },
        same_file,
        push,
        merge_method,
        max_parallel,
        verify,
    })
}

fn verbs() -> impl Strategy<Value = UserVerb> {
    select(vec![
        UserVerb::Kill,
        UserVerb::Retry,
        UserVerb::Retry,
        UserVerb::Pause,
        UserVerb::Resume,
        UserVerb::Skip,
        UserVerb::Send { text: "y".to_owned() },
        UserVerb::Attach,
    ])
}

fn faults() -> impl Strategy<Value = (u64, Operation, usize, Failure)> {
    let failures = vec![Failure::Unreachable, Failure::Refused, Failure::AnswerLost, Failure::Ignored, Failure::Stale];
    (0_u64..30, select(&Operation::FALLIBLE[..]), 1_usize..4, select(failures)).prop_map(
        |(at, operation, times, failure)| {
            let possible = match (operation, failure) {
                (Operation::Input, _) | (Operation::End, Failure::Ignored) => failure,
                (_, Failure::Ignored | Failure::Stale) => Failure::Unreachable,
                (_, failure) => failure,
            };
            (at, operation, times, possible)
        },
    )
}

/// Tales of agents that act in these ways, with at most so much said and so much trouble.
fn tales(acts: Vec<Act>, words: usize, trouble: usize) -> impl Strategy<Value = Tale> {
    let said = vec((0_u64..60, proptest::option::of(any::<Index>()), verbs()), 0..=words);
    let faults = vec(faults(), 0..=trouble);
    let weather = vec((0_u64..60, select(&WEATHER[..])), 0..=trouble);
    let lives = vec(1_u64..50, 0..12);
    (rows(acts), rules(), faults, said, weather, lives).prop_map(|(mut tasks, rules, faults, said, weather, lives)| {
        tasks.sort_by_key(|row| row.phase);
        Tale { tasks, rules, faults, said, weather, lives }
    })
}

impl Tale {
    fn plan(&self) -> Plan {
        let name = |number: usize| format!("t{}", number + 1);
        let tasks = self.tasks.iter().enumerate().map(|(number, row)| {
            // Only on tasks before it: no rings.
            let before = row.depends_on.iter().filter(|_| number > 0).map(|index| name(index.index(number)));
            let mut before: Vec<String> = before.collect();
            before.sort();
            before.dedup();
            let before: Vec<&str> = before.iter().map(String::as_str).collect();
            task(&name(number), row.phase, &row.files, &before)
        });
        let mut plan = plan(tasks.collect());
        let (settings, rules) = (&mut plan.settings, &self.rules);
        (settings.gate, settings.same_file, settings.push) = (rules.gate, rules.same_file, rules.push);
        (settings.merge_method, settings.max_parallel) = (rules.merge_method, rules.max_parallel);
        settings.verify = rules.verify.then(|| "check".to_owned()).into_iter().collect();
        plan
    }

    fn scenario(&self) -> Scenario {
        let acts: Vec<Vec<Act>> = self.tasks.iter().map(|row| row.acts.clone()).collect();
        let mut scenario = Scenario::new(self.plan(), move |spec| {
            let number: usize = task_of(spec)[1..].parse().expect("a number");
            let acts = &acts[number - 1];
            let act = acts[(attempt(spec) as usize - 1).min(acts.len() - 1)];
            if is_verify(spec) { verifies(act) } else { behaves(act) }
        });
        scenario = scenario.goal(self.rules.goal).horizon(mins(3 * 24 * 60));
        for (at, operation, times, failure) in self.faults.clone() {
            scenario = scenario.at(mins(at), move |world| world.fail(operation, times, failure));
        }
        for (at, whom, verb) in &self.said {
            let whom = whom.map(|index| format!("t{}", index.index(self.tasks.len()) + 1));
            // Between the moments at which anything else is due.
            scenario = scenario.say(Millis(mins(*at).0 + 7_321), whom.as_deref(), verb.clone());
        }
        for (at, weather) in self.weather.clone() {
            scenario = scenario.at(mins(at), move |world| blow(world, weather));
        }
        scenario
    }

    fn play(&self) -> Story {
        self.scenario().run().expect("no cycle")
    }

    fn play_with_crashes(&self) -> Story {
        let mut lives = self.lives.clone().into_iter();
        self.scenario().crashes(move || lives.next()).run().expect("no cycle")
    }
}

fn behaves(act: Act) -> Script {
    let leaves = |file: &'static str| {
        move |world: &World, spec: &LaunchSpec| world.repository().write(&spec.cwd, file, task_of(spec))
    };
    let script = Script::new().print("working").wait(secs(50));
    match act {
        Act::Works | Act::FailsVerify => script.work(commits),
        Act::WorksDeaf => Script::new().deaf().print("working").wait(mins(8)).work(commits),
        Act::Fails => script.print("\nerror: no").exit(1),
        Act::FailsHalfway => script.work(commits).work(leaves("half.txt")).exit(1),
        Act::DoesNothing => script,
        Act::LeavesItsFile => script.work(leaves("a.txt")),
        Act::LeavesOthersFile => script.work(leaves("other.txt")),
        Act::Asks => script.ask("\nContinue? [y/n]", "y\r").wait(secs(5)).work(commits),
        Act::AsksWhatNobodyMayAnswer => script.ask("\nDelete everything? [y/n]", "y\r").wait(secs(5)).work(commits),
        Act::Hangs => script.hang(),
        Act::HangsDeaf => script.work(leaves("half.txt")).deaf().hang(),
        Act::Dies => script.work(commits).die(9),
        Act::IsLimited => script.print("\nerror: rate limit reached, retry in 2m").exit(1),
        Act::HasNoCredentials => script.print("\nerror: 401 unauthorized").exit(1),
        Act::Leaves => script.work(commits).work(|world, spec| world.repository().detach(&spec.cwd)),
        Act::Clashes => script.work(|world, spec| {
            world.repository().commit_files(&spec.cwd, "clash", &[("shared.txt", task_of(spec))]);
        }),
    }
}

fn verifies(act: Act) -> Script {
    let script = Script::new().wait(secs(10));
    match act {
        Act::FailsVerify => script.print("failed: 1 test").exit(1),
        Act::HangsDeaf => script.deaf().hang(),
        _ => script,
    }
}

fn blow(world: &World, weather: Weather) {
    let forge = world.forge();
    let first = |state: PullState| forge.pulls().into_iter().find(|pull| pull.state == state);
    let open: Option<Pull> = first(PullState::Open);
    match (weather, open) {
        (Weather::ExecutorDies, _) => world.lose_executor(),
        (Weather::MachineReboots, _) => world.reboot(),
        (Weather::MachineSleeps, _) => world.suspend(mins(90)),
        (Weather::BaseMoves, _) => {
            world.repository().publish(&super::cast::branch("main"), &[("base.txt", "moved")]);
        }
        (Weather::PersonReopens, _) => {
            if let Some(pull) = first(PullState::Closed) {
                forge.reopen(pull.number);
            }
        }
        (Weather::PersonMerges, Some(pull)) => forge.merge_by_person(pull.number, MergeMethod::Merge),
        (Weather::PersonCloses, Some(pull)) => forge.close(pull.number),
        (Weather::ChecksFail, Some(pull)) => forge.set_checks(pull.number, [Check::new("lint", CheckState::Failed)]),
        (Weather::ChangesRequested, Some(pull)) => forge.request_changes(pull.number, Some("more tests")),
        (Weather::SomeonePushes, Some(pull)) => {
            world.repository().publish(&pull.head, &[("theirs.txt", "theirs")]);
        }
        (_, None) => {}
    }
}

/// Fails if a story did not end, unless a paused agent goes on for ever, or a reviewer says nothing more.
fn ends(story: &Story) {
    let idles = |task: &TaskState| {
        let held = story.state.paused || task.paused;
        held && task.session.as_ref().is_some_and(Session::is_live)
    };
    let waits = |pull: &Pull| pull.state == PullState::Open && pull.reviews.iter().any(Review::asks_for_changes);
    let excused = story.state.tasks.values().any(idles) || story.world.forge().pulls().iter().any(waits);
    assert!(story.outlook != Outlook::Working || excused, "it does not end\n{story}");
}

fn check_calm_and_shaken(tale: &Tale) -> Result<(), TestCaseError> {
    let (calm, shaken) = (tale.play(), tale.play_with_crashes());
    check(&calm);
    check(&shaken);
    ends(&calm);
    prop_assert_eq!(end(&calm), end(&shaken), "calm:\n{}\nshaken:\n{}", calm, shaken);
    Ok(())
}

proptest! {
    #[test]
    fn whatever_happens_the_invariants_hold(tale in tales(ACTS.into(), 5, 4)) {
        let story = tale.play_with_crashes();
        check(&story);
        ends(&story);
    }

    #[test]
    fn crashes_change_nothing_of_what_people_want(tale in tales(ACTS.into_iter().filter(|act| is_prompt(*act)).collect(), 5, 0)) {
        check_calm_and_shaken(&tale)?;
    }

    #[test]
    fn crashes_change_nothing_of_how_agents_are_healed(tale in tales(ACTS.into(), 0, 0)) {
        check_calm_and_shaken(&tale)?;
    }
}
