//! The session host as a program of its own, for embedders whose program cannot be started again.

fn main() -> std::process::ExitCode {
    orch_pty::host_entry();
    std::process::ExitCode::from(2)
}
