//! A heal policy of one's own, put to the test: stories from seeds in which agents hang, lie and die, people steer and
//! machines fail, each checked against laws that always hold. This policy never gives up, and a story shows it.
//!
//! `cargo run --example simulate`

#![expect(clippy::print_stdout, reason = "an example shows its result by printing")]

use std::sync::Arc;

use orch_core::base::Timestamp;
use orch_core::heal::{Case, Decision, DefaultPolicy, HealPolicy, Limits, Remedy};
use orch_core::testkit::sim::Tale;

/// Tries again where the default policy wants a person.
struct Stubborn;

impl HealPolicy for Stubborn {
    fn name(&self) -> &'static str {
        "stubborn"
    }

    fn decide(&self, case: &Case, limits: &Limits, now: Timestamp) -> Decision {
        let decision = DefaultPolicy.decide(case, limits, now);
        match decision.remedy {
            Remedy::Escalate if case.signal.sends_back() || case.failures >= limits.max_attempts => {
                Decision::new(Remedy::Restart { at: now }, format!("{}; once more", case.detail))
            }
            _ => decision,
        }
    }
}

fn main() {
    let policy: Arc<dyn HealPolicy> = Arc::new(Stubborn);
    let breaks = |tale: &Tale| tale.play_under(&policy).breach.is_some();
    let Some(tale) = (0..200).map(Tale::of).find(breaks) else { return println!("200 stories break no law") };
    // The same story without what the breach does not need: play it again and again until the policy is right.
    print!("{}", tale.shrunk_under(&policy).play_under(&policy));
}
