use std::fmt;

/// A version of the git program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitVersion {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
    /// The third number; 0 where there is none.
    pub patch: u32,
}

impl GitVersion {
    /// The oldest version that works: `merge-tree --write-tree`.
    pub const OLDEST: Self = Self { major: 2, minor: 38, patch: 0 };
    /// The first version whose `merge-tree` takes a merge base.
    pub const MERGE_BASE: Self = Self { major: 2, minor: 40, patch: 0 };

    /// The first version that can be told to read attributes from a given tree.
    pub const ATTR_SOURCE: Self = Self { major: 2, minor: 41, patch: 0 };

    /// Parses what `git --version` prints, vendor suffixes included.
    pub fn parse(text: &str) -> Option<Self> {
        let numbers = text.trim().strip_prefix("git version ")?.split([' ', '-', '+']).next()?;
        let mut parts = numbers.split('.').map(|part| part.parse().ok());
        Some(Self { major: parts.next()??, minor: parts.next()??, patch: parts.next().flatten().unwrap_or(0) })
    }
}

impl fmt::Display for GitVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_all_vendors_are_read() {
        let cases = [
            ("git version 2.47.3", Some((2, 47, 3))),
            ("git version 2.39.5 (Apple Git-154)", Some((2, 39, 5))),
            ("git version 2.40.0.windows.1\n", Some((2, 40, 0))),
            ("git version 2.50.0-rc1", Some((2, 50, 0))),
            ("git version 3.0", Some((3, 0, 0))),
            ("hg 1", None),
        ];
        for (text, expected) in cases {
            let found = GitVersion::parse(text).map(|v| (v.major, v.minor, v.patch));
            assert_eq!(found, expected, "{text}");
        }
    }
}
