//! A terminal to run the program in: a tmux server of the test's own.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::fleet::Fleet;

/// A terminal; closing it hangs up on what runs in it.
pub(crate) struct Terminal<'a> {
    fleet: &'a Fleet,
}

impl<'a> Terminal<'a> {
    /// Runs a shell script in a terminal; `$orch` is the program on the fleet's workdir.
    pub(crate) fn run(fleet: &'a Fleet, script: &str) -> Self {
        let terminal = Self { fleet };
        let orch = format!("orch() {{ {} --workdir {} \"$@\"; }}", env!("CARGO_BIN_EXE_orch"), fleet.workdir());
        let script = format!("{orch}\n{script}\nexec sleep 1000");
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "30", "sh", "-c", &script]);
        terminal
    }

    fn tmux(&self, args: &[&str]) -> String {
        let mut tmux = Command::new("tmux");
        let socket = self.fleet.root.join("terminal.sock");
        let done = self.fleet.surround(&mut tmux).args(["-S", socket.as_str()]).args(args).output().expect("tmux runs");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// What it shows.
    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until it shows something.
    pub(crate) fn wait(&self, text: &str) {
        let began = Instant::now();
        while !self.screen().contains(text) {
            assert!(began.elapsed() < Duration::from_secs(60), "no {text:?} in\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses keys, by tmux's names.
    pub(crate) fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}
