//! Who sends and who receives (RFC 3264 §5.1, §6.1, §8.4).

use std::fmt;

/// Direction of a stream as its writer sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Direction {
    /// The writer sends and receives; also what silence about it means.
    #[default]
    SendRecv,
    /// The writer sends only: it holds the other.
    SendOnly,
    /// The writer receives only: it is held.
    RecvOnly,
    /// Neither: both hold.
    Inactive,
}

impl Direction {
    /// The direction of one who sends and receives so.
    pub const fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether the writer sends.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the writer receives.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same seen by the other party: what the answerer may say at most (RFC 3264 §6.1).
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self::of(self.receives(), self.sends())
    }

    /// What both allow.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self::of(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// The attribute's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The direction that this attribute name says.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "sendrecv" => Some(Self::SendRecv),
            "sendonly" => Some(Self::SendOnly),
            "recvonly" => Some(Self::RecvOnly),
            "inactive" => Some(Self::Inactive),
            _ => None,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};

    #[test]
    fn an_answer_mirrors_the_offer_and_takes_away_what_it_does_not_want() {
        // RFC 3264 §6.1: sendonly -> recvonly or inactive; recvonly -> sendonly or inactive; inactive -> inactive.
        for (offered, wanted, answer) in [
            (SendRecv, SendRecv, SendRecv),
            (SendRecv, SendOnly, SendOnly),
            (SendOnly, SendRecv, RecvOnly),
            (SendOnly, SendOnly, Inactive),
            (RecvOnly, SendRecv, SendOnly),
            (Inactive, SendRecv, Inactive),
        ] {
            assert_eq!(offered.reversed().and(wanted), answer, "{offered} offered, {wanted} wanted");
        }
    }

    #[test]
    fn names_are_read_as_written() {
        for direction in [SendRecv, SendOnly, RecvOnly, Inactive] {
            assert_eq!(Direction::from_name(direction.as_str()), Some(direction));
            assert_eq!(direction.reversed().reversed(), direction);
            assert_eq!(Direction::of(direction.sends(), direction.receives()), direction);
        }
        assert_eq!(Direction::from_name("Sendrecv"), None);
    }
}
