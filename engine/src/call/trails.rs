//! How calls that have ended went through the dialplan, for those who ask why.

use std::collections::VecDeque;

use super::stub::Trail;
use smol_str::SmolStr;

use crate::limits;

/// The ways of the last [`limits::TRAILS`] calls.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Trails {
    /// The oldest first.
    all: VecDeque<Kept>,
}

#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Kept {
    call: u64,
    from: SmolStr,
    to: SmolStr,
    trail: Trail,
}

impl Trails {
    /// Keeps one; the oldest is forgotten when there are too many.
    pub(super) fn keep(&mut self, call: u64, from: SmolStr, to: SmolStr, trail: Trail) {
        if self.all.len() >= limits::TRAILS {
            self.all.pop_front();
        }
        self.all.push_back(Kept { call, from, to, trail });
    }

    /// That of a call: who called whom, and the way.
    pub(super) fn of(&self, call: u64) -> Option<(&SmolStr, &SmolStr, &Trail)> {
        let kept = self.all.iter().rev().find(|kept| kept.call == call)?;
        Some((&kept.from, &kept.to, &kept.trail))
    }
}
