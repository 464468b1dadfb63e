//! What watchers are told of an extension.

use smallvec::SmallVec;
use smol_str::SmolStr;

/// What an extension does at a moment, as far as anybody may watch it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Standing {
    /// A phone of it can be reached.
    pub(crate) reachable: bool,
    /// Its calls, oldest first, up to [`crate::limits::LINES_SHOWN`].
    pub(crate) lines: SmallVec<[Line; 2]>,
    /// Its mailbox.
    pub(crate) messages: Messages,
}

/// One call of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Line {
    /// The number of the call.
    pub(crate) call: u64,
    /// The extension calls.
    pub(crate) outgoing: bool,
    /// How far it is.
    pub(crate) state: LineState,
    /// By what its phone rings, for those who may pick the call up.
    pub(crate) ring: Option<Box<Ring>>,
}

/// The dialog by which a phone rings (RFC 4235 §4.1.2), named as that phone sees it, and who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Ring {
    pub(crate) call_id: SmolStr,
    pub(crate) local_tag: SmolStr,
    pub(crate) remote_tag: SmolStr,
    /// The caller's number and name, as the phone shows them; the name may be empty.
    pub(crate) caller: (SmolStr, SmolStr),
}

/// How far a call is (RFC 4235 §3.7.1), least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum LineState {
    /// The extension calls and nobody has answered.
    Calling,
    /// A phone of the extension rings.
    Ringing,
    /// It has put the other party on hold.
    Holding,
    /// It talks.
    Talking,
}

/// Messages in a mailbox, new and heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Messages {
    /// Not heard yet.
    pub(crate) new: u32,
    /// Heard and kept.
    pub(crate) old: u32,
}

impl LineState {
    /// Its name in a dialog document.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Calling => "proceeding",
            Self::Ringing => "early",
            Self::Talking | Self::Holding => "confirmed",
        }
    }
}

/// What a presence document says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Closed,
    Idle,
    Ringing,
    OnThePhone,
    OnHold,
}

impl Standing {
    /// The same for a watcher, who may pick its calls up or not.
    pub(super) fn seen(&self, picks_up: bool) -> Self {
        let mut seen = self.clone();
        if !picks_up {
            seen.lines.iter_mut().for_each(|line| line.ring = None);
        }
        seen
    }

    /// The same for presence, which knows no single calls.
    pub(super) fn presence(&self) -> Presence {
        let any = |state| self.lines.iter().any(|line| line.state == state);
        if any(LineState::Talking) || any(LineState::Calling) {
            Presence::OnThePhone
        } else if any(LineState::Holding) {
            Presence::OnHold
        } else if any(LineState::Ringing) {
            Presence::Ringing
        } else if self.reachable {
            Presence::Idle
        } else {
            Presence::Closed
        }
    }
}
