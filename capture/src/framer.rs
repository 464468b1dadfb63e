//! SIP messages out of a TCP stream, as far as they can be made out: the engine's framer closes a connection at the
//! first fault, this one goes on at the next start line.

use bytes::Bytes;
use memchr::{memchr, memmem};

use crate::limits::{HEAD_OCTETS, MESSAGE_OCTETS};
use crate::start::{Begins, begins, is_sip, without_breaks};

/// A message found in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Framed {
    pub(crate) octets: Bytes,
    /// What is wrong with its framing.
    pub(crate) defect: Option<String>,
}

/// Cuts one direction of a connection into messages.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    /// From the start of a message, or of what may be one.
    buffer: Vec<u8>,
    /// Octets of the buffer that hold no end of a header section.
    searched: usize,
    /// Octets of the message in the buffer, once its head is whole.
    length: Option<usize>,
    defect: Option<String>,
    /// A message has been found in this stream.
    seen: bool,
}

impl Framer {
    /// Adds the next octets of the stream; the messages that they complete go to `found`.
    pub(crate) fn push(&mut self, octets: &[u8], found: &mut Vec<Framed>) {
        if self.buffer.is_empty() && begins(octets) == Begins::Other && !self.seen {
            return; // the common case of a stream that is not SIP
        }
        self.buffer.extend_from_slice(octets);
        while self.step(found) {}
    }

    /// Octets of the stream are not in the capture: what was begun cannot be finished.
    pub(crate) fn gap(&mut self, octets: u64, found: &mut Vec<Framed>) {
        self.give_up(&format!("{octets} octets of the stream after this are not in the capture"), found);
    }

    /// The stream has ended.
    pub(crate) fn finish(&mut self, found: &mut Vec<Framed>) {
        self.give_up("the stream ends before the message does", found);
    }

    /// Octets that are held.
    pub(crate) fn held(&self) -> usize {
        self.buffer.len()
    }

    fn give_up(&mut self, why: &str, found: &mut Vec<Framed>) {
        let octets = std::mem::take(&mut self.buffer);
        if is_sip(&octets) {
            found.push(Framed { octets: octets.into(), defect: Some(why.to_owned()) });
        }
        self.reset();
    }

    fn reset(&mut self) {
        (self.searched, self.length, self.defect) = (0, None, None);
    }

    /// Takes one message from the buffer, or what is none. `false` when more octets are needed.
    fn step(&mut self, found: &mut Vec<Framed>) -> bool {
        let length = match self.length {
            Some(length) => length,
            None => {
                let breaks = self.buffer.len() - without_breaks(&self.buffer).len();
                self.buffer.drain(..breaks);
                match begins(&self.buffer) {
                    Begins::Sip => {}
                    Begins::Unclear => return false,
                    Begins::Other => return self.seek(),
                }
                let Some(head) = self.head_end() else {
                    if self.buffer.len() > HEAD_OCTETS {
                        self.give_up(&format!("no end of the header section in {HEAD_OCTETS} octets"), found);
                    }
                    return false;
                };
                self.seen = true;
                head + self.body_length(head)
            }
        };
        self.length = Some(length);
        if self.buffer.len() < length {
            return false;
        }
        let octets: Vec<u8> = self.buffer.drain(..length).collect();
        found.push(Framed { octets: octets.into(), defect: self.defect.take() });
        self.reset();
        true
    }

    /// Goes to the next start line. `false` when there is none.
    fn seek(&mut self) -> bool {
        let mut from = 0;
        while let Some(end) = self.buffer.get(from..).and_then(|rest| memchr(b'\n', rest)) {
            from += end + 1;
            let rest = self.buffer.get(from..).unwrap_or_default();
            if !rest.is_empty() && begins(rest) != Begins::Other && !matches!(rest, [b'\r' | b'\n', ..]) {
                self.buffer.drain(..from);
                return true;
            }
        }
        self.buffer.clear();
        false
    }

    /// Octets of the header section with the empty line that ends it.
    fn head_end(&mut self) -> Option<usize> {
        let from = self.searched;
        let rest = self.buffer.get(from..)?;
        let two = memmem::find(rest, b"\n\r\n").map(|at| at + 3);
        let one = memmem::find(rest, b"\n\n").map(|at| at + 2);
        let end = [two, one].into_iter().flatten().min();
        self.searched = self.buffer.len().saturating_sub(2);
        end.map(|end| from + end)
    }

    /// What Content-Length says; what is wrong with it is remembered.
    fn body_length(&mut self, head: usize) -> usize {
        let head = String::from_utf8_lossy(self.buffer.get(..head).unwrap_or_default());
        let value = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let name = name.trim_ascii();
            let is_it = name.eq_ignore_ascii_case("Content-Length") || name.eq_ignore_ascii_case("l");
            is_it.then(|| value.trim_ascii().to_owned())
        });
        let (length, defect) = match value {
            None => (0, Some("no Content-Length in a stream: where the message ends is guessed".to_owned())),
            Some(text) => match text.parse::<u64>() {
                Ok(length) if length <= MESSAGE_OCTETS as u64 => (length as usize, None),
                Ok(length) => (0, Some(format!("Content-Length {length} is more than any message has"))),
                Err(_) => (0, Some("Content-Length is not a number".to_owned())),
            },
        };
        self.defect = defect;
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE: &str = "OPTIONS sip:a@b SIP/2.0\r\nl: 3\r\n\r\nabc";
    const TWO: &str = "SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n";

    fn all(stream: &str) -> Vec<(String, bool)> {
        let (mut framer, mut found) = (Framer::default(), Vec::new());
        framer.push(stream.as_bytes(), &mut found);
        framer.finish(&mut found);
        assert_eq!(framer.held(), 0);
        let text = |f: &Framed| (String::from_utf8_lossy(&f.octets).into_owned(), f.defect.is_some());
        found.iter().map(text).collect()
    }

    fn good(text: &str) -> (String, bool) {
        (text.to_owned(), false)
    }

    #[test]
    fn what_is_no_sip_is_passed_over_and_what_is_broken_is_shown() {
        assert_eq!(all("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), []);
        assert_eq!(all(&format!("\r\n\r\n{ONE}\r\n{TWO}")), [good(ONE), good(TWO)]);
        // A body longer than it says: the next message is found at its start line.
        assert_eq!(all(&format!("{ONE}more of it\r\nand more\r\n{TWO}")), [good(ONE), good(TWO)]);
        let lengthless = "SIP/2.0 200 OK\r\n\r\n";
        assert_eq!(all(&format!("{lengthless}{ONE}")), [(lengthless.to_owned(), true), good(ONE)]);
        let huge = "SIP/2.0 200 OK\r\nl: 4294967295\r\n\r\n";
        assert_eq!(all(&format!("{huge}{TWO}")), [(huge.to_owned(), true), good(TWO)]);
        let cut = ONE.get(..ONE.len() - 1).unwrap();
        assert_eq!(all(cut), [(cut.to_owned(), true)]);
    }

    #[test]
    fn a_gap_ends_a_message_and_the_next_is_found() {
        let (mut framer, mut found) = (Framer::default(), Vec::new());
        framer.push(ONE.as_bytes().get(..30).unwrap(), &mut found);
        framer.gap(5, &mut found);
        framer.push(b"tail of something\r\n\r\n", &mut found);
        framer.push(TWO.as_bytes(), &mut found);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].defect.as_deref().is_some_and(|d| d.starts_with("5 octets")));
        assert_eq!(found[1].octets, TWO.as_bytes());
    }

    #[test]
    fn a_head_without_end_is_not_kept_for_ever() {
        let (mut framer, mut found) = (Framer::default(), Vec::new());
        framer.push(b"OPTIONS sip:a@b SIP/2.0\r\n", &mut found);
        for _ in 0..HEAD_OCTETS {
            framer.push(b"X: 1\r\n", &mut found);
            assert!(framer.held() <= HEAD_OCTETS + 6);
        }
        assert!(found.len() == 1 && found[0].defect.is_some());
    }

    proptest! {
        #[test]
        fn any_cut_of_the_stream_gives_the_same_messages(cuts in prop::collection::vec(1..20usize, 0..40)) {
            let stream = format!("{ONE}{TWO}\r\n\r\n{ONE}");
            let (mut framer, mut found) = (Framer::default(), Vec::new());
            let mut rest = stream.as_bytes();
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                framer.push(now, &mut found);
                rest = later;
            }
            framer.push(rest, &mut found);
            let texts: Vec<&[u8]> = found.iter().map(|f| &f.octets[..]).collect();
            prop_assert_eq!(texts, [ONE, TWO, ONE].map(str::as_bytes));
        }
    }
}
