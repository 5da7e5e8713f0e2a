//! A heal policy of one's own, and what it did, told as a story: an agent fails twice, and this
//! policy wants a person at the second failure instead of the third.
//!
//! `cargo run --example heal_policy`

#![expect(clippy::print_stdout, reason = "an example shows its result by printing")]

use orch_core::base::{Millis, Timestamp};
use orch_core::heal::Signal;
use orch_core::heal::{Case, Decision, DefaultPolicy, HealPolicy, Limits, Remedy};
use orch_core::plan::Manifest;
use orch_core::testkit::{Scenario, Script};

struct Impatient;

impl HealPolicy for Impatient {
    fn name(&self) -> &'static str {
        "impatient"
    }

    fn decide(&self, case: &Case, limits: &Limits, now: Timestamp) -> Decision {
        if case.signal == Signal::Failed && case.failures >= 2 {
            return Decision::new(Remedy::Escalate, format!("{}; twice is enough", case.detail));
        }
        DefaultPolicy.decide(case, limits, now)
    }
}

fn main() {
    let manifest = br#"{"project": "example", "agent": "bot", "phases": [{"name": "one", "tasks": [{"id": "t1"}]}]}"#;
    let plan = Manifest::parse(manifest).expect("a good manifest").manifest.plan().clone();
    let agent = |_: &_| Script::new().print("error: no luck").wait(Millis::from_secs(30)).exit(1);
    let story = Scenario::new(plan, agent).policy(Impatient).run().expect("a plan without a cycle");
    print!("{story}");
}
