//! How long and how wide a plan is.

use std::cmp::Ordering;

use petgraph::Direction;

use crate::base::id::TaskId;

use super::width::{Part, width};
use super::{GateView, TaskGraph};

/// The longest way to the end of one task.
#[derive(Clone, Copy)]
struct Finish {
    minutes: f64,
    after: Option<u32>,
}

impl TaskGraph {
    /// Which phase waits for which: consecutive phases that have tasks, counted from 0.
    pub fn gates(&self) -> Vec<GateView> {
        let phases = self.inner.by_phase();
        phases.windows(2).map(|pair| GateView { phase: pair[1].0, after: pair[0].0 }).collect()
    }

    /// The tasks by the earliest round in which they could start, edges and gates considered.
    pub fn waves(&self) -> Vec<Vec<&TaskId>> {
        let mut wave = vec![0_usize; self.len()];
        let mut waves: Vec<Vec<&TaskId>> = Vec::new();
        for (_, tasks) in self.inner.by_phase() {
            let floor = waves.len();
            for task in tasks {
                let sources = self.inner.neighbours(task, Direction::Incoming);
                let own = sources.map(|source| wave[source as usize] + 1).fold(floor, usize::max);
                wave[task as usize] = own;
                if waves.len() <= own {
                    waves.resize(own + 1, Vec::new());
                }
                waves[own].push(self.inner.id(task));
            }
        }
        waves
    }

    /// The chain of tasks that decides when all is done: each starts when the one before it ends, by an
    /// edge or a gate. A task counts its `estimateMinutes`, or 1 without one. Among equals the first in
    /// total order, and an edge rather than a gate.
    pub fn critical_path(&self) -> Vec<&TaskId> {
        let mut finish: Vec<Option<Finish>> = vec![None; self.len()];
        let ends = |finish: &[Option<Finish>], task: u32| finish[task as usize].map_or(0.0, |end| end.minutes);
        let mut gate: Option<u32> = None;
        for (_, tasks) in self.inner.by_phase() {
            let mut last = gate;
            for task in tasks {
                let mut sources: Vec<u32> = self.inner.neighbours(task, Direction::Incoming).collect();
                sources.sort_by_key(|&source| self.inner.place[source as usize]);
                let after = sources.into_iter().chain(gate).fold(None, |best: Option<u32>, source| match best {
                    Some(best) if ends(&finish, source).total_cmp(&ends(&finish, best)) != Ordering::Greater => {
                        Some(best)
                    }
                    _ => Some(source),
                });
                let start = after.map_or(0.0, |source| ends(&finish, source));
                let minutes = start + self.inner.node(task).minutes.unwrap_or(1.0);
                finish[task as usize] = Some(Finish { minutes, after });
                if last.is_none_or(|best| minutes > ends(&finish, best)) {
                    last = Some(task);
                }
            }
            gate = last;
        }
        let mut path: Vec<&TaskId> =
            std::iter::successors(gate, |&task| finish[task as usize].and_then(|end| end.after))
                .map(|task| self.inner.id(task))
                .collect();
        path.reverse();
        path
    }

    /// The largest number of tasks that could run at once with `maxParallel` out of the way: no two of
    /// them ordered by a path of edges, all of one phase.
    ///
    /// Exact for phases of up to 2,000 tasks (a largest antichain, by Dilworth's theorem and a matching);
    /// for larger ones a lower bound: their widest round when everything starts as early, or as late, as
    /// it can.
    pub fn peak_parallel(&self) -> usize {
        let mut local = vec![0_usize; self.len()];
        let mut widest = 0;
        for (phase, tasks) in self.inner.by_phase() {
            for (at, &task) in tasks.iter().enumerate() {
                local[task as usize] = at;
            }
            let after = |&task: &u32| -> Vec<usize> {
                let targets = self.inner.neighbours(task, Direction::Outgoing);
                targets.filter(|&to| self.inner.node(to).phase == phase).map(|to| local[to as usize]).collect()
            };
            let part = Part { after: tasks.iter().map(after).collect() };
            widest = widest.max(width(&part));
        }
        widest
    }
}
