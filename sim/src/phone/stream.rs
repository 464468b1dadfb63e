//! A phone's streams: one line to the exchange that is opened again when it breaks, and whatever the exchange
//! opens.

use std::collections::BTreeMap;

use bytes::{Buf as _, Bytes, BytesMut};
use telex_engine::border::Transport;
use telex_engine::time::Duration;

use super::leg::State;
use super::{Effect, Phone, Scene, Timer};
use crate::text::{Msg, head_length};

/// A broken line is opened again after this.
const RECONNECT: Duration = Duration::from_millis(800);

/// The streams of a phone.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// The stream that requests of the phone go out on.
    own: Option<u64>,
    connecting: bool,
    waiting: Vec<Bytes>,
    received: BTreeMap<u64, BytesMut>,
    /// A stream broke: the exchange may have said things that were lost for ever.
    pub(super) broke: bool,
    /// One ended while the phone rang.
    lost: bool,
    off: bool,
}

impl Phone {
    pub(super) fn connect(&mut self) {
        if self.plan.transport == Transport::Tcp
            && self.line.own.is_none()
            && !self.line.connecting
            && !self.line.off
        {
            self.line.connecting = true;
            self.out.push(Effect::Connect);
        }
    }

    /// Two line ends, where they cannot be taken for a part of anything.
    pub(super) fn say_nothing(&mut self) {
        let nothing = Bytes::from_static(b"\r\n\r\n");
        match (self.plan.transport, self.line.own) {
            (Transport::Udp, _) => self.out.push(Effect::Datagram(nothing)),
            (Transport::Tcp, Some(stream)) => self.out.push(Effect::Write(stream, nothing)),
            (Transport::Tcp, None) => {}
        }
    }

    pub(super) fn write(&mut self, bytes: Bytes, stream: Option<u64>) {
        let open = stream.filter(|s| self.line.received.contains_key(s)).or(self.line.own);
        match open {
            Some(stream) => self.out.push(Effect::Write(stream, bytes)),
            None => {
                self.line.waiting.push(bytes);
                self.connect();
            }
        }
    }

    pub(super) fn stream_opened(&mut self, scene: &Scene<'_>, stream: u64) {
        self.line.connecting = false;
        self.line.own = Some(stream);
        self.line.received.insert(stream, BytesMut::new());
        for bytes in std::mem::take(&mut self.line.waiting) {
            self.out.push(Effect::Write(stream, bytes));
        }
        // The exchange reaches the phone through the stream it registered on, so that has to be said again.
        self.register_now(scene);
    }

    pub(super) fn stream_accepted(&mut self, stream: u64) {
        self.line.received.insert(stream, BytesMut::new());
    }

    pub(super) fn stream_closed(&mut self, scene: &Scene<'_>, stream: u64) {
        self.line.received.remove(&stream);
        // The exchange cannot say by it that the call is over.
        self.line.lost |= self.legs.iter().any(|leg| leg.state == State::Ringing);
        if self.plan.transport == Transport::Udp {
            return;
        }
        self.line.connecting = false;
        if self.line.own == Some(stream) || self.line.own.is_none() {
            self.line.own = None;
            self.line.broke = true;
            self.forget_register();
            self.fail_clients(scene);
            self.arm(scene.now + RECONNECT, Timer::Connect);
        }
    }

    pub(super) fn stream_octets(&mut self, scene: &Scene<'_>, stream: u64, bytes: &Bytes) {
        let Some(buffer) = self.line.received.get_mut(&stream) else { return };
        buffer.extend_from_slice(bytes);
        while let Some(message) = self.next_message(stream) {
            self.message(scene, &message, Some(stream));
        }
    }

    /// The next whole message of a stream (RFC 3261 §18.3). Line ends between messages are keep-alives.
    fn next_message(&mut self, stream: u64) -> Option<Bytes> {
        let buffer = self.line.received.get_mut(&stream)?;
        while buffer.starts_with(b"\r\n") {
            buffer.advance(2);
        }
        let head = head_length(buffer)?;
        let length = Msg::read(&Bytes::copy_from_slice(&buffer[..head]))?
            .get("content-length")?
            .parse::<usize>()
            .ok()?;
        (buffer.len() >= head + length).then(|| buffer.split_to(head + length).freeze())
    }

    /// Power is gone: so are the streams.
    pub(super) fn lose_streams(&mut self) {
        for stream in std::mem::take(&mut self.line.received).into_keys() {
            self.out.push(Effect::Disconnect(stream));
        }
        self.line = Line { broke: true, ..Line::default() };
    }

    /// A stream comes up while there is no power.
    pub(super) fn refuse_stream(&mut self, stream: u64) {
        self.out.push(Effect::Disconnect(stream));
    }

    /// Whether a stream of this phone broke, with what the exchange had to say on it.
    pub(crate) fn has_lost_a_stream(&self) -> bool {
        self.line.broke || self.line.lost
    }

    /// Closes everything and stays off.
    pub(super) fn close_streams(&mut self) {
        self.line.off = true;
        self.line.own = None;
        for stream in std::mem::take(&mut self.line.received).into_keys() {
            self.out.push(Effect::Disconnect(stream));
        }
    }
}
