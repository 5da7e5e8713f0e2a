//! Backends with one defect each, which the contract suites must find.

mod executor;
mod forge;
#[cfg(test)]
mod tests;
mod vcs;

pub use executor::{BrokenExecutor, ExecutorDefect};
pub use forge::{BrokenForge, ForgeDefect};
pub use vcs::{BrokenVcs, VcsDefect};

/// An enum of defects, each with the case that is made to find it.
macro_rules! defects {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $case:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every defect.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The case of the suite that is made to find it; others may find it too.
            pub const fn found_by(self) -> &'static str {
                match self { $(Self::$variant => $case),+ }
            }
        }
    };
}

use defects;
