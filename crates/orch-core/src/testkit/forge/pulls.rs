//! The pull requests of a simulated forge.

use std::collections::BTreeMap;

use crate::base::id::{BranchName, PullNumber, Sha};
use crate::ports::{Check, ForgeError, MergeMethod, MergeSpec, MergeState, Pull, PullChange, PullSpec, PullState};
use crate::testkit::vcs::{Merge, Node, merge_trees};
use crate::testkit::world::State;

#[derive(Default)]
pub(in crate::testkit) struct Pulls {
    by_number: BTreeMap<PullNumber, Entry>,
    /// The newest of each head.
    by_head: BTreeMap<BranchName, PullNumber>,
    pub(super) new_checks: Vec<Check>,
    /// Merges that are taken and not made.
    pub(super) queued: u32,
}

struct Entry {
    pull: Pull,
    title: String,
    body: String,
}

impl Pulls {
    pub(super) fn text(&self, number: PullNumber) -> Option<(String, String)> {
        self.by_number.get(&number).map(|entry| (entry.title.clone(), entry.body.clone()))
    }

    pub(super) fn with(&mut self, number: PullNumber, change: impl FnOnce(&mut Pull)) {
        if let Some(entry) = self.by_number.get_mut(&number) {
            change(&mut entry.pull);
        }
    }
}

impl State {
    pub(in crate::testkit) fn all_pulls(&mut self) -> Vec<Pull> {
        let numbers: Vec<PullNumber> = self.pulls.by_number.keys().copied().collect();
        numbers.into_iter().filter_map(|number| self.see_pull(number).ok()).collect()
    }

    pub(super) fn newest_pull(&mut self, head: &BranchName) -> Option<Pull> {
        let number = *self.pulls.by_head.get(head)?;
        self.see_pull(number).ok()
    }

    pub(super) fn open_pull(&mut self, spec: &PullSpec) -> Result<Pull, ForgeError> {
        if let Some(pull) = self.newest_pull(&spec.head).filter(|pull| pull.answers(spec)) {
            return Ok(pull);
        }
        let refused =
            |why: &str| ForgeError::Refused { what: format!("a pull request of {}", spec.head), why: why.to_owned() };
        let Some(base) = self.repo.remote.get(&spec.base) else { return Err(refused("the base is missing")) };
        match self.repo.remote.get(&spec.head) {
            None => return Err(refused("the head is missing")),
            Some(tip) if *tip != spec.sha => return Err(refused("the head is at another commit")),
            Some(tip) if self.repo.graph.contains(tip, base) => return Err(refused("the base has all of it")),
            Some(_) => {}
        }
        let number = PullNumber(self.pulls.by_number.last_key_value().map_or(1, |(last, _)| last.0 + 1));
        let pull = Pull {
            number,
            head: spec.head.clone(),
            head_sha: Some(spec.sha.clone()),
            base: spec.base.clone(),
            state: PullState::Open,
            merge_sha: None,
            check_runs: self.pulls.new_checks.clone(),
            reviews: Vec::new(),
            merge_state: MergeState::Unknown,
            draft: spec.draft,
        };
        let entry = Entry { pull, title: spec.title.clone(), body: spec.body.clone() };
        self.pulls.by_head.insert(spec.head.clone(), number);
        self.pulls.by_number.insert(number, entry);
        self.see_pull(number)
    }

    pub(super) fn update_pull(&mut self, number: PullNumber, change: &PullChange) -> Result<Pull, ForgeError> {
        let pull = self.see_pull(number)?;
        let lacks = change.base.as_ref().filter(|base| !self.repo.remote.contains_key(base));
        if let Some(base) = lacks.filter(|_| pull.state == PullState::Open) {
            let what = format!("the change of pull request {number}");
            return Err(ForgeError::Refused { what, why: format!("{base} is missing") });
        }
        if let Some(entry) = self.pulls.by_number.get_mut(&number).filter(|_| pull.state == PullState::Open) {
            entry.pull.base = change.base.clone().unwrap_or(pull.base);
            entry.pull.draft = change.draft.unwrap_or(pull.draft);
            if let Some(body) = &change.body {
                entry.body.clone_from(body);
            }
        }
        self.see_pull(number)
    }

    pub(super) fn close_pull(&mut self, number: PullNumber) {
        self.turn_pull(number, PullState::Open, PullState::Closed);
    }

    /// Gives a branch a second pull request, as no forge does.
    pub(super) fn plant_twin(&mut self, head: &BranchName) {
        let Some(pull) = self.newest_pull(head) else { return };
        let number = PullNumber(self.pulls.by_number.last_key_value().map_or(1, |(last, _)| last.0 + 1));
        let entry = Entry { pull: Pull { number, ..pull }, title: String::new(), body: String::new() };
        self.pulls.by_number.insert(number, entry);
    }

    pub(super) fn reopen_pull(&mut self, number: PullNumber) {
        let newest = self.see_pull(number).ok().and_then(|pull| self.newest_pull(&pull.head));
        if newest.is_some_and(|newest| newest.number == number || newest.state == PullState::Closed) {
            self.turn_pull(number, PullState::Closed, PullState::Open);
        }
    }

    fn turn_pull(&mut self, number: PullNumber, from: PullState, to: PullState) {
        if self.see_pull(number).is_ok_and(|pull| pull.state == from) {
            self.pulls.with(number, |pull| pull.state = to);
        }
    }

    pub(super) fn merge_pull(&mut self, spec: &MergeSpec) -> Result<Pull, ForgeError> {
        let number = spec.number;
        let pull = self.see_pull(number)?;
        match pull.state {
            PullState::Merged => return Ok(pull),
            PullState::Closed => {
                let what = format!("the merge of pull request {number}");
                return Err(ForgeError::Refused { what, why: "it is closed".to_owned() });
            }
            PullState::Open => {}
        }
        let found = self.repo.remote.get(&pull.head).cloned();
        let stale = |found| ForgeError::Stale { number, found, expected: spec.expected_head.clone() };
        let Some(head) = found.clone().filter(|head| *head == spec.expected_head) else { return Err(stale(found)) };
        if self.pulls.queued > 0 {
            self.pulls.queued -= 1;
            return Ok(pull);
        }
        let merged = self.merge_commit(&pull, &head, spec.method)?;
        self.repo.remote.insert(pull.base.clone(), merged.clone());
        self.pulls.with(number, |pull| {
            pull.state = PullState::Merged;
            pull.merge_sha = Some(merged);
            pull.head_sha = Some(head);
        });
        self.see_pull(number)
    }

    fn merge_commit(&mut self, pull: &Pull, head: &Sha, method: MergeMethod) -> Result<Sha, ForgeError> {
        let conflict = |files| ForgeError::Conflict { number: pull.number, base: pull.base.clone(), files };
        let missing = || ForgeError::Refused {
            what: format!("pull request {}", pull.number),
            why: "the base is missing".to_owned(),
        };
        let at = self.clock.now().wall;
        let base = self.repo.remote.get(&pull.base).cloned().ok_or_else(missing)?;
        let message = format!("Merge pull request {}", pull.number);
        let merge = Merge { into: &base, tip: head, base: None, message: &message, at };
        let merged = self.repo.graph.merge(&merge).map_err(conflict)?;
        match method {
            MergeMethod::Merge => Ok(merged),
            MergeMethod::Squash => {
                let tree = self.repo.graph.tree(&merged);
                Ok(self.repo.graph.add(Node { parents: vec![base], tree, message, at }))
            }
            MergeMethod::Rebase => {
                let own: Vec<Node> =
                    self.repo.graph.own_commits(&base, head).into_iter().map(|(_, node)| node.clone()).collect();
                own.into_iter().try_fold(base, |onto, node| {
                    let before = node.parents.first().map(|parent| self.repo.graph.tree(parent)).unwrap_or_default();
                    let tree = merge_trees(&before, &self.repo.graph.tree(&onto), &node.tree).map_err(conflict)?;
                    Ok(self.repo.graph.add(Node { parents: vec![onto], tree, ..node }))
                })
            }
        }
    }

    /// A pull request as it is now; one whose head has reached its base by hand becomes merged.
    fn see_pull(&mut self, number: PullNumber) -> Result<Pull, ForgeError> {
        let Some(entry) = self.pulls.by_number.get_mut(&number) else { return Err(ForgeError::NotFound { number }) };
        let pull = &mut entry.pull;
        if pull.state != PullState::Merged {
            pull.head_sha = self.repo.remote.get(&pull.head).cloned().or_else(|| pull.head_sha.take());
        }
        pull.merge_state = MergeState::Unknown;
        if pull.state == PullState::Open
            && let (Some(head), Some(base)) = (&pull.head_sha, self.repo.remote.get(&pull.base))
        {
            if self.repo.graph.contains(head, base) {
                pull.state = PullState::Merged;
                pull.merge_sha = Some(base.clone());
            } else {
                let graph = &self.repo.graph;
                let conflicts = !graph.contains(base, head)
                    && merge_trees(&graph.common(base, head), &graph.tree(base), &graph.tree(head)).is_err();
                pull.merge_state = match conflicts {
                    true => MergeState::Dirty,
                    false if pull.draft => MergeState::Blocked("it is a draft".to_owned()),
                    false => MergeState::Clean,
                };
            }
        }
        let mut seen = pull.clone();
        if pull.state == PullState::Open && !self.repo.remote.contains_key(&pull.head) {
            seen.head_sha = None;
            seen.merge_state = MergeState::Blocked(format!("there is no branch {}", pull.head));
        }
        Ok(seen)
    }
}
