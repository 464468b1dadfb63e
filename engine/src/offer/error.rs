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
    /// It is not the time for it.
    #[error(transparent)]
    OutOfTurn(#[from] OutOfTurn),
}

/// An offer or answer that does not fit the state of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfTurn {
    /// Our offer is open: both have offered at once (RFC 3261 §14.2).
    #[error("offers crossed")]
    LocalOffer,
    /// The party's offer is open and must be answered first.
    #[error("an earlier offer is not answered yet")]
    RemoteOffer,
    /// No offer is open that could be answered.
    #[error("answer without an offer")]
    NoOffer,
}

impl OfferError {
    /// The status code for an offer that has this: 400 when it breaks the grammar, 491 when offers crossed, 500 (with
    /// Retry-After) when one is being answered (RFC 3261 §14.2), else 488 (§21.4.26).
    pub const fn status(&self) -> u16 {
        match self {
            Self::Syntax(_) | Self::NoConnection => 400,
            Self::NoAudio | Self::NoCommonCodec | Self::NoFit => 488,
            Self::OutOfTurn(OutOfTurn::LocalOffer) => 491,
            Self::OutOfTurn(OutOfTurn::RemoteOffer | OutOfTurn::NoOffer) => 500,
        }
    }

    /// The warn-code that goes with a 488 (RFC 3261 §20.43).
    pub const fn warning(&self) -> u16 {
        match self {
            Self::NoAudio => 304,
            Self::NoCommonCodec => 305,
            Self::Syntax(_) | Self::NoConnection | Self::NoFit | Self::OutOfTurn(_) => 399,
        }
    }
}
