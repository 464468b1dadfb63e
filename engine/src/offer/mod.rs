//! Offer and answer (RFC 3264) as pure functions.
//!
//! [`read`] reduces what a party said to a [`Description`]; [`choose`] finds what two parties have in common;
//! [`write_offer`], [`write_reoffer`] and [`write_answer`] write what the exchange says; [`payload_map`] tells media
//! how the two sides of a relay number the same codecs. [`Negotiation`] uses them to keep our side of the session with
//! one party in order over its whole life.

mod codec;
mod description;
mod direction;
mod error;
mod fmtp;
mod repertoire;
mod state;
mod write;

#[cfg(test)]
mod tests;

pub use codec::{Codec, choose, default_codecs, describe, events, first_of, noise, payload_map, speech};
pub use description::{Audio, Description, Layout, Ptime, read, read_answer};
pub use direction::Direction;
pub use error::{OfferError, OutOfTurn};
pub use repertoire::Repertoire;
pub use state::{Negotiation, Said, State, Stream};
pub use write::{Local, write_answer, write_offer, write_reoffer};

/// What to answer to `offer` by one who wants `wanted`: see [`choose`].
///
/// # Errors
/// [`OfferError::NoAudio`] or [`OfferError::NoCommonCodec`]: the offer gets 488.
pub fn agree(offer: &Description, wanted: &[Codec]) -> Result<Vec<Codec>, OfferError> {
    let audio = offer.audio().ok_or(OfferError::NoAudio)?;
    let chosen = choose(&audio.codecs, wanted);
    if chosen.is_empty() { Err(OfferError::NoCommonCodec) } else { Ok(chosen) }
}
