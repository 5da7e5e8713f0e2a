//! The contract of [`Executor`], line by line.

mod behaviour;
mod bench;
mod delivery;
mod ending;
mod exits;
mod launching;
mod looking;
mod losing;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};

pub use behaviour::Behaviour;

use super::contract::{ContractBroken, Report, suite};
use crate::ports::Executor;

/// What a backend brings to run [`run_executor_contract`]: worlds to launch in and eyes to check with.
///
/// The harness has one current world; [`ExecutorHarness::fresh`] begins the next and ends what the
/// last left running. All other calls concern the current one.
#[async_trait]
pub trait ExecutorHarness: Send + Sync {
    /// The backend, or a wrapper around it.
    type Executor: Executor;

    /// Begins a new, empty world and connects to it.
    async fn fresh(&self) -> Self::Executor;

    /// Drops the connection as a killed orchestrator would, and connects anew to the same world.
    async fn restart(&self, executor: Self::Executor) -> Self::Executor;

    /// Lets a little time pass: about 20 ms of the world's time. The suite's only way to wait.
    async fn settle(&self);

    /// How many times the suite settles before it gives up on something that must happen.
    fn patience(&self) -> u32 {
        400
    }

    /// How many times the suite settles to see that something does *not* happen.
    fn quiet(&self) -> u32 {
        10
    }

    /// The argv of an agent; [`Behaviour::posix_argv`] unless agents are no processes.
    fn argv(&self, behaviour: &Behaviour) -> Vec<String> {
        behaviour.posix_argv()
    }

    /// An existing, empty, writable directory of the current world, absolute and without symbolic links.
    fn scratch(&self) -> Utf8PathBuf;

    /// Makes a directory in the world.
    fn make_dir(&self, path: &Utf8Path);

    /// Writes a file in the world.
    fn write(&self, path: &Utf8Path, content: &[u8]);

    /// What a file of the world holds, or `None` if it is not there.
    fn read(&self, path: &Utf8Path) -> Option<Vec<u8>>;

    /// A file's permission bits, or `None` where the world has none.
    fn mode(&self, path: &Utf8Path) -> Option<u32>;

    /// Whether a process of that pid exists and is no zombie.
    fn alive(&self, pid: u32) -> bool;

    /// Starts a session that is not orch's beside ours; `false` if the world cannot have one.
    async fn plant_foreign(&self, executor: &Self::Executor) -> bool;

    /// Kills whatever holds the sessions (the tmux server, the PTY host) as SIGKILL would; `false` if
    /// nothing but the connection holds them.
    async fn lose(&self, executor: &Self::Executor) -> bool;
}

/// Runs every case of the executor's contract.
///
/// # Errors
/// [`ContractBroken`] lists each case that fails and why.
pub async fn run_executor_contract<H: ExecutorHarness>(harness: &H) -> Result<Report, ContractBroken> {
    run(harness, None).await
}

/// Runs the one case of that name; an unknown name runs nothing.
///
/// # Errors
/// [`ContractBroken`] if it fails.
pub async fn run_executor_case<H: ExecutorHarness>(harness: &H, case: &str) -> Result<Report, ContractBroken> {
    run(harness, Some(case)).await
}

async fn run<H: ExecutorHarness>(harness: &H, only: Option<&str>) -> Result<Report, ContractBroken> {
    suite!(harness, only;
        launching::launch_runs_the_argv_exactly,
        launching::launch_gives_exactly_the_environment,
        launching::launch_keeps_values_of_variables_exact,
        launching::launch_sets_the_working_directory,
        launching::launch_sets_the_terminal_size,
        launching::launch_reads_stdin_from_a_file,
        launching::launch_of_a_missing_program_is_refused,
        launching::launch_twice_starts_one_process,
        launching::launch_side_by_side_starts_one_process,
        launching::launch_again_after_a_restart_starts_nothing,
        launching::launch_again_after_the_exit_starts_nothing,
        launching::names_may_repeat,
        launching::log_is_complete_from_the_first_byte,
        launching::log_is_appended_to_and_private,
        exits::exit_codes_are_told,
        exits::signals_are_told,
        exits::exits_are_kept_until_forgotten,
        exits::exits_survive_a_restart,
        exits::exits_while_nobody_watched_are_told,
        exits::exit_is_told_while_a_child_holds_the_terminal,
        exits::forget_of_unknown_sessions_is_no_error,
        looking::list_shows_every_live_session,
        looking::list_leaves_out_sessions_of_others,
        looking::list_gives_the_process_and_survives_a_restart,
        looking::look_leaves_out_unknown_sessions,
        looking::look_shows_text_without_escapes,
        looking::look_shows_the_title,
        looking::activity_changes_only_with_output,
        looking::output_makes_an_event,
        looking::exit_makes_an_event_even_when_nobody_waited,
        looking::exit_makes_an_event_after_a_restart,
        looking::quiet_sessions_make_no_events,
        delivery::text_arrives_byte_for_byte,
        delivery::text_is_a_bracketed_paste_when_asked_for,
        delivery::keys_follow_the_text,
        delivery::redraw_types_nothing,
        delivery::input_of_a_line_arrives_once,
        delivery::input_with_the_right_fingerprint_is_typed,
        delivery::input_with_a_stale_fingerprint_types_nothing,
        delivery::input_to_unknown_sessions_is_not_found,
        delivery::input_to_ended_sessions_is_an_error,
        delivery::ids_and_names_match_whole,
        ending::end_by_asking_lets_the_agent_end,
        ending::end_by_asking_does_not_kill_the_deaf,
        ending::end_by_killing_proves_the_death,
        ending::end_of_one_leaves_the_others,
        ending::end_is_idempotent,
        ending::end_of_unknown_sessions_is_proved,
        ending::end_kills_children_outside_the_group,
        ending::end_kills_what_an_ended_agent_left,
        ending::end_never_touches_a_reused_pid,
        losing::lost_sessions_are_told,
        losing::lost_sessions_are_ended_by_their_process,
        losing::launch_works_again_after_a_loss,
    )
}
