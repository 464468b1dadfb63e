//! The section `[records]`: how many call records are kept, and for how long.

use std::time::Duration;

use toml::de::DeTable;

use super::HOUR;
use super::reader::Reader;

/// What is kept of call records when nobody says otherwise: a small site's for decades, and some hundred megabytes.
const MOST: u64 = 1_000_000;

/// Which call records are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Records {
    /// Those of calls that began longer ago are deleted; `None` for none.
    pub(crate) keep: Option<Duration>,
    /// The oldest beyond so many are.
    pub(crate) most: u64,
}

impl Default for Records {
    fn default() -> Self {
        Self { keep: None, most: MOST }
    }
}

/// What `[records]` says.
pub(super) fn records(reader: &mut Reader, root: &DeTable<'_>) -> Records {
    let mut found = Records::default();
    let Some(section) = reader.section(root, "records") else { return found };
    found.keep = reader.time(section, "keep", HOUR, 36_500 * 24 * HOUR).map(|time| time.value);
    if let Some(most) = reader.number(section, "most", 1000..100_000_001) {
        found.most = u64::from(most);
    }
    found
}
