//! Why an offer or an answer cannot be taken.

use crate::sdp::ParseError;

/// What is wrong with a description as an offer or an answer. Its text is short ASCII, fit for a reason phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// It cannot be read.
    #[error(transparent)]
    Syntax(#[from] ParseError),
    /// Audio without a `c=` line for it (RFC 8866 §5.7).
    #[error("bad SDP: no c= for audio")]
    NoConnection,
    /// There is no audio stream over plain RTP.
    #[error("no audio over RTP/AVP")]
    NoAudio,
    /// No codec is common to both sides.
    #[error("no common codec")]
    NoCommonCodec,
    /// The answer has other streams than the offer (RFC 3264 §6).
    #[error("answer does not fit the offer")]
    NoFit,
}

impl OfferError {
    /// The status code for an offer that has this: 400 when it breaks the grammar, else 488 (RFC 3261 §21.4.26).
    pub const fn status(&self) -> u16 {
        match self {
            Self::Syntax(_) | Self::NoConnection => 400,
            Self::NoAudio | Self::NoCommonCodec | Self::NoFit => 488,
        }
    }

    /// The warn-code that goes with a 488 (RFC 3261 §20.43).
    pub const fn warning(&self) -> u16 {
        match self {
            Self::NoAudio => 304,
            Self::NoCommonCodec => 305,
            Self::Syntax(_) | Self::NoConnection | Self::NoFit => 399,
        }
    }
}
