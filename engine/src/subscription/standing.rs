//! What watchers are told of an extension.

use smallvec::SmallVec;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Line {
    /// The number of the call.
    pub(crate) call: u64,
    /// The extension calls.
    pub(crate) outgoing: bool,
    /// How far it is.
    pub(crate) state: LineState,
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
