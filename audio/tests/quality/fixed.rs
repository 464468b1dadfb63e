//! The simplest buffer: packets are played 60 ms after the first came, in order, and what is not there is silence.

use std::collections::BTreeMap;

use telex_audio::codec::{Decoder, Encoding};

use crate::network::MS;

const WAIT: i64 = 60 * MS;
/// Runs dry or full of so many packets: it begins anew.
const MANY: usize = 10;

pub(crate) struct Fixed {
    decoder: Decoder,
    waiting: BTreeMap<u64, Vec<u8>>,
    next: Option<u64>,
    first: Option<i64>,
    dry: usize,
    line: Vec<i16>,
    packet: usize,
    pub(crate) late: u64,
    pub(crate) silent: u64,
}

impl Fixed {
    pub(crate) fn new(encoding: Encoding, rate: u32, packet: usize) -> Self {
        let decoder = Decoder::new(encoding, rate);
        let (waiting, line) = (BTreeMap::new(), Vec::new());
        Self { decoder, waiting, next: None, first: None, dry: 0, line, packet, late: 0, silent: 0 }
    }

    pub(crate) fn insert(&mut self, now: i64, number: u64, payload: &[u8]) {
        if self.next.is_some_and(|next| number < next) {
            self.late += 1;
            return;
        }
        self.first.get_or_insert(now);
        self.waiting.insert(number, payload.to_vec());
    }

    pub(crate) fn pull(&mut self, now: i64, samples: usize, pcm: &mut Vec<i16>) {
        while self.line.len() < samples {
            if self.next.is_none() && self.first.is_some_and(|first| now - first >= WAIT) {
                self.next = self.waiting.keys().next().copied();
            }
            if self.waiting.len() > MANY || self.dry > MANY {
                (self.next, self.dry) = (None, 0);
                self.first = self.waiting.keys().next().map(|_| now);
                self.waiting.clear();
            }
            match self.next.and_then(|next| self.waiting.remove(&next)) {
                Some(payload) => {
                    self.decoder.decode(&payload, &mut self.line).expect("as encoded");
                    self.dry = 0;
                }
                None => {
                    self.line.resize(self.line.len() + self.packet, 0);
                    self.silent += self.packet as u64;
                    self.dry += usize::from(self.next.is_some());
                }
            }
            self.next = self.next.map(|next| next + 1);
        }
        pcm.extend(self.line.drain(..samples));
    }
}
