//! The graph for people: text, DOT and Mermaid.

use std::fmt::{self, Write};

use petgraph::Direction;

use crate::base::text::{clean, escape_line};

use super::{Edge, EdgeKind, TaskGraph};

/// How much of a foreign name is shown.
const NAME_CHARS: usize = 120;

impl TaskGraph {
    /// The plan as text: rounds, edges with their reasons, gates, critical path and peak.
    pub fn to_text(&self) -> String {
        written(|out| self.write_text(out))
    }

    /// The plan for Graphviz; gates are diamonds.
    pub fn to_dot(&self) -> String {
        written(|out| self.write_dot(out))
    }

    /// The plan as a Mermaid flowchart; gates are rhombi.
    pub fn to_mermaid(&self) -> String {
        written(|out| self.write_mermaid(out))
    }

    fn write_text(&self, out: &mut String) -> fmt::Result {
        let phases = self.inner.by_phase().len();
        writeln!(
            out,
            "{}, {}, at most {} at once",
            counted(self.len(), "task"),
            counted(phases, "phase"),
            self.peak_parallel()
        )?;
        writeln!(out, "\nRounds, by the earliest start")?;
        for (round, wave) in self.waves().iter().enumerate() {
            let ids: Vec<&str> = wave.iter().map(|id| id.as_str()).collect();
            writeln!(out, "  {}: {}", round + 1, ids.join(", "))?;
        }
        let edges = self.edges();
        if !edges.is_empty() {
            writeln!(out, "\nOrder")?;
        }
        for edge in &edges {
            writeln!(out, "  {} after {}: {}", edge.to(), edge.from(), reason(edge))?;
        }
        let gates = self.gates();
        if !gates.is_empty() {
            writeln!(out, "\nGates")?;
        }
        for gate in &gates {
            let (phase, after) = (self.phase_name(gate.phase), self.phase_name(gate.after));
            writeln!(out, "  {phase} starts when all of {after} is {}", self.inner.gate)?;
        }
        let path: Vec<&str> = self.critical_path().into_iter().map(crate::base::id::TaskId::as_str).collect();
        if !path.is_empty() {
            writeln!(out, "\nCritical path\n  {}", path.join(" -> "))?;
        }
        Ok(())
    }

    fn write_dot(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "digraph plan {{\n  rankdir=LR;\n  node [shape=box];")?;
        for (phase, tasks) in self.inner.by_phase() {
            writeln!(out, "  subgraph cluster_{phase} {{\n    label=\"{}\";", dot(&self.phase_name(phase)))?;
            for task in tasks {
                writeln!(out, "    \"{}\";", self.inner.id(task))?;
            }
            writeln!(out, "  }}")?;
        }
        for edge in self.edges() {
            let style = if edge.kind() == EdgeKind::File { "dashed" } else { "solid" };
            let (from, to, label) = (edge.from(), edge.to(), dot(&reason(&edge)));
            writeln!(out, "  \"{from}\" -> \"{to}\" [style={style}, label=\"{label}\"];")?;
        }
        for (number, (ends, starts)) in self.gate_tasks().iter().enumerate() {
            writeln!(out, "  gate_{number} [shape=diamond, label=\"{}\"];", self.inner.gate)?;
            for &end in ends {
                writeln!(out, "  \"{}\" -> gate_{number} [style=dotted];", self.inner.id(end))?;
            }
            for &start in starts {
                writeln!(out, "  gate_{number} -> \"{}\" [style=dotted];", self.inner.id(start))?;
            }
        }
        writeln!(out, "}}")
    }

    fn write_mermaid(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "flowchart LR")?;
        for (phase, tasks) in self.inner.by_phase() {
            writeln!(out, "  subgraph p{phase}[\"{}\"]", mermaid(&self.phase_name(phase)))?;
            for task in tasks {
                writeln!(out, "    n{task}[\"{}\"]", self.inner.id(task))?;
            }
            writeln!(out, "  end")?;
        }
        for edge in self.edges() {
            let arrow = if edge.kind() == EdgeKind::File { "-.->" } else { "-->" };
            writeln!(out, "  n{} {arrow}|\"{}\"| n{}", edge.from, mermaid(&reason(&edge)), edge.to)?;
        }
        for (number, (ends, starts)) in self.gate_tasks().iter().enumerate() {
            writeln!(out, "  g{number}{{\"{}\"}}", self.inner.gate)?;
            for end in ends {
                writeln!(out, "  n{end} -.- g{number}")?;
            }
            for start in starts {
                writeln!(out, "  g{number} -.-> n{start}")?;
            }
        }
        Ok(())
    }

    /// For each gate the tasks that end the phase before it and those that begin the one behind it.
    fn gate_tasks(&self) -> Vec<(Vec<u32>, Vec<u32>)> {
        let phases = self.inner.by_phase();
        let border = |(phase, tasks): &(usize, Vec<u32>), direction| -> Vec<u32> {
            let inside =
                |task| self.inner.neighbours(task, direction).any(|other| self.inner.node(other).phase == *phase);
            tasks.iter().copied().filter(|&task| !inside(task)).collect()
        };
        let gate =
            |pair: &[(usize, Vec<u32>)]| (border(&pair[0], Direction::Outgoing), border(&pair[1], Direction::Incoming));
        phases.windows(2).map(gate).collect()
    }

    fn phase_name(&self, phase: usize) -> String {
        let name = self.inner.phases.get(phase).map(|name| escape_line(&clean(name, NAME_CHARS)));
        name.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("phase {phase}"))
    }
}

fn reason(edge: &Edge<'_>) -> String {
    let files: Vec<String> = edge.files().iter().map(|file| escape_line(file)).collect();
    match (edge.kind(), files.is_empty()) {
        (EdgeKind::DependsOn, true) => "dependsOn".to_owned(),
        (EdgeKind::DependsOn, false) => format!("dependsOn, and both touch {}", files.join(", ")),
        (EdgeKind::File, _) => format!("both touch {}", files.join(", ")),
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn dot(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Mermaid reads markup inside quotes; what could be markup becomes a numbered entity.
fn mermaid(text: &str) -> String {
    let mut label = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_alphanumeric() || " ,./_-:*".contains(letter) {
            label.push(letter);
        } else {
            // Writing to a String cannot fail.
            let _infallible = write!(label, "#{};", u32::from(letter));
        }
    }
    label
}

fn written(write: impl Fn(&mut String) -> fmt::Result) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _infallible = write(&mut out);
    out
}
