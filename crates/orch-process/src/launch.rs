//! What no launch can be asked for, whatever starts it.

use std::path::PathBuf;

use camino::Utf8Path;
use orch_core::ports::{ExecutorError, LaunchSpec};
use rustix::fs::{Access, access};

/// The longest argument or variable, in bytes; Linux takes 128 KiB.
const LONGEST_ARGUMENT: usize = 100 * 1024;
/// Arguments and environment together, in bytes; macOS takes 1 MiB.
const LARGEST_START: usize = 900 * 1024;

/// Refuses what can never be started, before anything is touched: a program or directory that is not
/// there, a NUL, an argument over 100 KiB.
///
/// # Errors
/// [`ExecutorError::Refused`] names what it is and why.
pub fn check_launch(spec: &LaunchSpec) -> Result<(), ExecutorError> {
    let Some(program) = spec.argv.first() else { return Err(refused("launch", "there is no program to start")) };
    check_sizes(spec)?;
    for (name, value) in &spec.env {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(refused(&format!("variable {name:?}"), "it cannot be in an environment"));
        }
    }
    if !spec.cwd.is_absolute() || !spec.cwd.is_dir() {
        return Err(refused(&format!("directory {}", spec.cwd), "it is not an absolute path of a directory"));
    }
    if !is_program(program, &spec.cwd, spec.env.get("PATH").map(String::as_str)) {
        return Err(refused(&format!("program {program:?}"), "it is not there or not executable"));
    }
    if let Some(file) = &spec.stdin
        && let Err(error) = access(file.as_std_path(), Access::READ_OK)
    {
        return Err(refused(&format!("standard input {file}"), &error.to_string()));
    }
    Ok(())
}

fn check_sizes(spec: &LaunchSpec) -> Result<(), ExecutorError> {
    if spec.argv.iter().any(|argument| argument.contains('\0')) {
        return Err(refused("argument", "it has a NUL, which no program can be given"));
    }
    if let Some(long) = spec.argv.iter().find(|argument| argument.len() > LONGEST_ARGUMENT) {
        let what = format!("argument of {} bytes", long.len());
        return Err(refused(&what, "at most 100 KiB are possible; use prompt = \"file\""));
    }
    if let Some((name, _)) = spec.env.iter().find(|(name, value)| name.len() + value.len() > LONGEST_ARGUMENT) {
        return Err(refused(&format!("variable {name}"), "at most 100 KiB are possible"));
    }
    let arguments: usize = spec.argv.iter().map(|argument| argument.len() + 1).sum();
    let variables: usize = spec.env.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    if arguments + variables > LARGEST_START {
        let what = format!("arguments and environment of {} bytes", arguments + variables);
        return Err(refused(&what, "at most 900 KiB are possible; use prompt = \"file\""));
    }
    Ok(())
}

fn is_program(program: &str, cwd: &Utf8Path, path: Option<&str>) -> bool {
    let executable = |file: PathBuf| file.is_file() && access(&file, Access::EXEC_OK).is_ok();
    if program.contains('/') {
        return executable(cwd.as_std_path().join(program));
    }
    // Without PATH, programs are found where the C library looks.
    let path = path.unwrap_or("/usr/bin:/bin");
    !program.is_empty() && path.split(':').any(|dir| executable(cwd.as_std_path().join(dir).join(program)))
}

fn refused(what: &str, why: &str) -> ExecutorError {
    ExecutorError::Refused { what: what.to_owned(), why: why.to_owned() }
}
