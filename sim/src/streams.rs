//! Streams between phones and the exchange, as the world keeps them.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use telex_engine::border::StreamId;

use crate::text::Msg;

/// One stream.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The phone at its other end.
    pub(crate) phone: usize,
    /// The phone's end is open.
    pub(crate) phone_open: bool,
    /// The exchange's end is open.
    pub(crate) exchange_open: bool,
    /// The exchange asked for it, and it is not up yet: what it sends waits here, as in any driver.
    pub(crate) waiting: Option<Vec<Bytes>>,
    /// It broke: what is under way does not arrive.
    pub(crate) broken: bool,
    /// Octets written by the phone, and delivered to the exchange.
    written: u64,
    read: u64,
    /// Where each of the phone's messages ends.
    messages: VecDeque<(u64, Msg)>,
}

/// All streams of a run.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    all: BTreeMap<StreamId, Stream>,
    opened: u64,
}

impl Streams {
    /// A stream that a phone asks for; such streams have odd numbers.
    pub(crate) fn open(&mut self, phone: usize) -> StreamId {
        self.opened += 1;
        let stream = StreamId(self.opened * 2 - 1);
        self.add(stream, phone);
        stream
    }

    /// A stream that the exchange asked for.
    pub(crate) fn add(&mut self, stream: StreamId, phone: usize) {
        let fresh = Stream {
            phone,
            phone_open: false,
            exchange_open: false,
            waiting: stream.0.is_multiple_of(2).then(Vec::new),
            broken: false,
            written: 0,
            read: 0,
            messages: VecDeque::new(),
        };
        self.all.insert(stream, fresh);
    }

    pub(crate) fn get(&mut self, stream: StreamId) -> Option<&mut Stream> {
        self.all.get_mut(&stream)
    }

    /// Streams of a phone that are open at either end.
    pub(crate) fn of_phone(&self, phone: usize) -> Vec<StreamId> {
        let open = |s: &Stream| s.phone == phone && (s.phone_open || s.exchange_open);
        self.all.iter().filter(|(_, s)| open(s)).map(|(id, _)| *id).collect()
    }
}

impl Stream {
    /// The phone writes a message.
    pub(crate) fn write(&mut self, octets: usize, message: Option<Msg>) {
        self.written += octets as u64;
        self.messages.extend(message.map(|m| (self.written, m)));
    }

    /// Octets reach the exchange: the messages that are complete with them.
    pub(crate) fn read(&mut self, octets: usize) -> Vec<Msg> {
        self.read += octets as u64;
        let mut complete = Vec::new();
        while self.messages.front().is_some_and(|(end, _)| *end <= self.read) {
            complete.extend(self.messages.pop_front().map(|(_, message)| message));
        }
        complete
    }
}
