//! The media of a party in words.

use super::{Party, State};
use crate::view::MediaView;

impl Party {
    pub(in crate::call) fn media_view(&self) -> MediaView {
        let stream = self.session.stream();
        MediaView {
            leg: self.media.id.0,
            port: self.media.port.0,
            remote: stream.and_then(|stream| stream.remote),
            put: self.media.put,
            revision: self.media.rev,
            flows: stream.map(|stream| (stream.send, stream.receive)),
            codec: self.codec().map(|codec| codec.name).unwrap_or_default(),
            offer: match self.session.state() {
                State::Idle => "nothing offered",
                State::LocalOffer => "our offer waits for its answer",
                State::RemoteOffer => "its offer waits for our answer",
                State::Stable => "agreed",
            },
            stats: self.media.stats,
        }
    }
}
