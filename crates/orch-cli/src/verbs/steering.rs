//! What drives and steers, run like every other verb.

use super::Act;
use crate::failure::{Exit, Failure};
use crate::shell::{Shell, block_on};
use crate::{demo, run, steer};

macro_rules! acts {
    ($($verb:ty: |$arguments:ident, $shell:ident| $run:expr),+ $(,)?) => {
        $(impl Act for $verb {
            fn act(self, $shell: &mut Shell) -> Result<Exit, Failure> {
                let $arguments = self;
                block_on($run)
            }
        })+
    };
}

acts! {
    run::Run: |verb, shell| verb.run(shell.workdir()?, shell.quiet()),
    run::Tick: |verb, shell| verb.run(shell.workdir()?, shell.quiet()),
    steer::Stop: |verb, shell| verb.run(shell.workdir()?, shell.json()),
    steer::Send: |verb, shell| verb.run(shell.workdir()?, shell.json()),
    steer::Attach: |verb, shell| verb.run(shell.workdir()?),
    steer::Kill: |verb, shell| verb.run(shell.workdir()?, shell.json()),
    steer::Retry: |verb, shell| verb.run(shell.workdir()?, shell.json()),
    steer::Pause: |verb, shell| verb.run(shell.workdir()?, shell.json()),
    steer::Resume: |verb, shell| verb.run(shell.workdir()?, shell.json()),
    steer::Skip: |verb, shell| verb.run(shell.workdir()?, shell.json()),
    steer::Add: |verb, shell| verb.run(shell.workdir()?, shell.json()),
    steer::Pr: |verb, shell| verb.run(shell.workdir()?, shell.json()),
    steer::Sync: |verb, shell| verb.run(shell.workdir()?, shell.json()),
    demo::Demo: |verb, shell| verb.run(shell.quiet(), shell.json()),
}
