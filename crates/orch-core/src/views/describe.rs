use crate::base::id::Sha;
use crate::base::text::{clean, escape_line};
use crate::journal::effect::{Effect, Outcome, Purpose};
use crate::journal::record::{DriverRecord, Entry, Evidence, ImportedState, Record, StatusRecord, UserVerb, Verdict};
use crate::ports::{Checks, EndMode, ExitStatus, Key, MergeState, Pull, SessionInput};

/// How much of a foreign text one line shows.
const SHOWN: usize = 300;

/// A record in one line for people, foreign text in it escaped; without its number, time and task.
pub fn describe(entry: &Entry) -> String {
    match &entry.record {
        Record::Driver(driver) => of_driver(driver),
        Record::Plan { why, plan } => format!("plan of {} tasks: {}", plan.tasks.len(), shown(why)),
        Record::PlanChanged { why, .. } => format!("plan changed: {}", shown(why)),
        Record::Imported(imported) => of_import(imported),
        Record::Status(change) => of_status(change),
        Record::Effect { effect } => format!("begins {}", of_effect(effect)),
        Record::Done { effect, outcome } => format!("{effect} is done: {}", of_outcome(outcome)),
        Record::Verdict(verdict) => of_verdict(verdict),
        Record::Remedy { decision, .. } => format!("remedy {}: {}", decision.remedy.name(), shown(&decision.reason)),
        Record::Progress(marks) => format!("session {} gets on", marks.launch),
        Record::Pull { pull } => of_pull(pull),
        Record::SeenAgain { what } => format!("{} can be seen again", shown(what)),
        Record::User { verb } => of_user(verb),
        Record::Gap { what, lasted } => format!("nothing could be seen for {lasted} ({})", shown(what)),
    }
}

/// The kind of a record, as `type` in the journal.
pub(super) fn kind(record: &Record) -> &'static str {
    match record {
        Record::Driver(_) => "driver",
        Record::Plan { .. } => "plan",
        Record::PlanChanged { .. } => "planChanged",
        Record::Imported(_) => "imported",
        Record::Status(_) => "status",
        Record::Effect { .. } => "effect",
        Record::Done { .. } => "done",
        Record::Verdict(_) => "verdict",
        Record::Remedy { .. } => "remedy",
        Record::Progress(_) => "progress",
        Record::Pull { .. } => "pull",
        Record::SeenAgain { .. } => "seenAgain",
        Record::User { .. } => "user",
        Record::Gap { .. } => "gap",
    }
}

/// Evidence as lines for people, each a name and what was seen, escaped.
pub(super) fn evidence_lines(evidence: &Evidence) -> Vec<(&'static str, String)> {
    let files = |files: &[String]| shown(&files.join(", "));
    let mut lines = Vec::new();
    lines.extend(evidence.exit.map(|exit| ("exit", exit_text(exit))));
    lines.extend(evidence.line.as_ref().map(|line| ("screen", shown(line))));
    lines.extend(evidence.message.as_ref().map(|message| ("message", shown(message))));
    lines.extend(evidence.head.as_ref().map(|head| ("head", head.short().to_owned())));
    let commits = evidence.commits.iter().flatten();
    lines.extend(commits.map(|commit| ("commit", format!("{} {}", commit.sha.short(), shown(&commit.subject)))));
    lines.extend(evidence.changed.as_deref().filter(|list| !list.is_empty()).map(|list| ("changed", files(list))));
    if let Some(dirt) = evidence.dirt.as_ref().filter(|dirt| !dirt.is_clean()) {
        let all: Vec<String> = dirt.tracked.iter().chain(&dirt.untracked).cloned().collect();
        lines.push(("uncommitted", files(&all)));
        lines.extend(dirt.operation.as_ref().map(|operation| ("half done", shown(operation))));
    }
    lines.extend(evidence.tail.iter().map(|line| ("output", shown(line))));
    lines
}

fn shown(text: &str) -> String {
    escape_line(&clean(text, SHOWN))
}

fn exit_text(exit: ExitStatus) -> String {
    match (exit.code, exit.signal) {
        (_, Some(signal)) => format!("ended by signal {signal}"),
        (Some(code), None) => format!("exit code {code}"),
        (None, None) => "ended without an exit status".to_owned(),
    }
}

fn of_driver(driver: &DriverRecord) -> String {
    let what = if driver.start { "takes over" } else { "leaves" };
    format!("orchestrator {} (process {}) {what}; goal {}", shown(&driver.version), driver.pid, driver.goal)
}

fn of_import(imported: &ImportedState) -> String {
    let person = if imported.needs_human { ", needs a person" } else { "" };
    format!("taken over from the manifest as {}, attempt {}{person}", imported.status, imported.attempt)
}

fn of_status(change: &StatusRecord) -> String {
    let attempt = change.attempt.map_or_else(String::new, |attempt| format!(", attempt {attempt}"));
    let sha = change.sha.as_ref().map_or_else(String::new, |sha| format!(" at {}", sha.short()));
    let retry = change.retry_at.map_or_else(String::new, |at| format!(", again at {at}"));
    let reason = change.reason.as_ref().map_or_else(String::new, |reason| format!(": {}", shown(reason)));
    format!("{} -> {}{sha}{attempt}{retry}{reason}", change.from, change.to)
}

fn of_verdict(verdict: &Verdict) -> String {
    format!("verdict {} by rule {}: {}", verdict.case.signal, shown(&verdict.rule), shown(&verdict.case.detail))
}

fn of_pull(pull: &Pull) -> String {
    let head = pull.head_sha.as_ref().map_or("no commit", Sha::short);
    let merge = match &pull.merge_state {
        MergeState::Unknown => String::new(),
        MergeState::Clean => ", can be merged".to_owned(),
        MergeState::Behind => ", is behind its base".to_owned(),
        MergeState::Dirty => ", conflicts with its base".to_owned(),
        MergeState::Blocked(why) => format!(", cannot be merged: {}", shown(why)),
        MergeState::Queued => ", is in the forge's queue".to_owned(),
    };
    let checks = match pull.checks() {
        Checks::None => "",
        Checks::Pending => ", checks have not ended",
        Checks::Passed => ", checks passed",
        Checks::Failed => ", checks failed",
    };
    format!("pull request {} is seen {:?} at {head}{checks}{merge}", pull.number, pull.state).to_lowercase()
}

fn of_user(verb: &UserVerb) -> String {
    let said = match verb {
        UserVerb::Publish => "go on with what is verified",
        UserVerb::Send { text } => return format!("a person says send: {}", shown(text)),
        other => other.name(),
    };
    format!("a person says {said}")
}

fn of_effect(effect: &Effect) -> String {
    let what = match effect {
        Effect::Prepare(spec) => format!("{} for branch {}", shown(spec.worktree.as_str()), spec.branch),
        Effect::Launch { attempt, purpose, resume, .. } => {
            let purpose = match purpose {
                Purpose::Work => "the agent",
                Purpose::AskCommit => "the agent, to commit",
                Purpose::Verify => "the verify command",
            };
            let resumed = if *resume { ", resumed" } else { "" };
            format!("{purpose}, attempt {attempt}{resumed}")
        }
        Effect::Input { launch, input, .. } => format!("{} into session {launch}", input_text(input)),
        Effect::End { launch, mode, .. } => {
            let how = if *mode == EndMode::Ask { "asking" } else { "killing" };
            format!("of session {launch}, {how}")
        }
        Effect::Forget { launch } => format!("session {launch}"),
        Effect::Save { attempt, .. } => format!("uncommitted work of attempt {attempt}"),
        Effect::Commit(spec) => shown(spec.message.lines().next().unwrap_or_default()),
        Effect::Sync(spec) => {
            let labels: Vec<&str> = spec.sources.iter().map(|source| source.label.as_str()).collect();
            format!("with {}", shown(&labels.join(", ")))
        }
        Effect::Push(spec) => format!("{} to {}", spec.sha.short(), spec.branch),
        Effect::OpenPull(spec) => format!("{} to {}: {}", spec.head, spec.base, shown(&spec.title)),
        Effect::UpdatePull { number, .. } => format!("#{number}"),
        Effect::MergePull(spec) => format!("#{} at {}", spec.number, spec.expected_head.short()),
        Effect::Remove(spec) => shown(spec.worktree.as_str()),
        Effect::Notify(notice) => shown(&notice.title),
    };
    format!("{}: {what}", effect.name())
}

fn of_outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ok => "ok".to_owned(),
        Outcome::Prepared(prepared) => format!("starts from {}", prepared.start.short()),
        Outcome::Launched(launched) => match &launched.process {
            Some(process) => format!("session {}, process {}", shown(&launched.session), process.pid),
            None => format!("session {}", shown(&launched.session)),
        },
        Outcome::Saved(Some(saved)) => format!("saved as {}", shown(&saved.reference)),
        Outcome::Saved(None) => "nothing to save".to_owned(),
        Outcome::At(sha) | Outcome::Synced { head: sha, .. } => format!("at {}", sha.short()),
        Outcome::Pull(pull) => format!("pull request #{}", pull.number),
        Outcome::Ended(true) => "its processes are gone".to_owned(),
        Outcome::Ended(false) => "its processes are not proved gone".to_owned(),
        Outcome::Failed(failure) => format!("failed: {}", shown(&failure.message)),
        Outcome::Unknown => "nobody knows whether it was done".to_owned(),
    }
}

fn input_text(input: &SessionInput) -> String {
    let key = |key: &Key| match key {
        Key::Ctrl(letter) => format!("Ctrl-{letter}"),
        Key::Char(letter) => letter.to_string(),
        named => format!("{named:?}"),
    };
    let keys: Vec<String> = input.keys.iter().map(key).collect();
    let text = input.text.as_ref().map(|text| format!("{text:?}"));
    shown(&text.into_iter().chain(keys).collect::<Vec<_>>().join(" "))
}
