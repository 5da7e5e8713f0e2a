//! The command line of `orch`.
mod demo;
mod failure;
mod output;
mod run;
mod steer;
mod world;
use clap::Parser;
use std::process::ExitCode;
#[derive(Parser)]
struct Cli {
    #[arg(short, long)]
    workdir: Option<camino::Utf8PathBuf>,
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}
#[derive(clap::Subcommand)]
enum Verb {
    Demo(demo::Demo),
    Run(run::Run),
    Tick(run::Tick),
    Kill(steer::Kill),
    Send(steer::Send),
    Attach(steer::Attach),
    Add(steer::Add),
    Retry(steer::Retry),
}
/// Runs.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let rt = tokio::runtime::Runtime::new().unwrap();
    let r = rt.block_on(async {
        if let Verb::Demo(d) = cli.verb {
            return d.run(false, cli.json).await;
        }
        let cwd = camino::Utf8PathBuf::from_path_buf(std::env::current_dir().unwrap()).unwrap();
        let var = std::env::var("ORCH_WORKDIR").ok();
        let w =
            orch_runtime::Search { flag: cli.workdir.as_deref(), variable: var.as_deref(), cwd: &cwd }.find()?.workdir;
        match cli.verb {
            Verb::Demo(_) => unreachable!(),
            Verb::Run(r) => r.run(w, false).await,
            Verb::Tick(r) => r.run(w, false).await,
            Verb::Kill(v) => v.run(w, cli.json).await,
            Verb::Send(v) => v.run(w, cli.json).await,
            Verb::Attach(v) => v.run(w).await,
            Verb::Add(v) => v.run(w, cli.json).await,
            Verb::Retry(v) => v.run(w, cli.json).await,
        }
    });
    match r {
        Ok(e) => ExitCode::from(e as u8),
        Err(f) => {
            eprintln!("{}", f.message);
            ExitCode::from(f.exit as u8)
        }
    }
}
