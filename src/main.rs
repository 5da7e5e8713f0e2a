//! The program `orch`.

fn main() -> std::process::ExitCode {
    orch_cli::main()
}
