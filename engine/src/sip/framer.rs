//! Messages out of a stream (RFC 3261 §18.3, RFC 5626 §3.5.1).

use bytes::Bytes;
use memchr::memchr;

use super::error::{ParseError, Why};
use super::message::Message;
use super::name::HeaderName;
use crate::limits::MESSAGE_OCTETS;

/// Cuts a stream into messages.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Framer {
    buffer: Vec<u8>,
    /// Octets at the start of `buffer` that are done with.
    done: usize,
    /// Octets after `done` that hold no end of a header section.
    searched: usize,
    /// Octets of the message at `done`, once its head is whole.
    length: Option<usize>,
    /// A stream that broke is closed before anything else happens, so between two inputs this says nothing.
    #[cfg_attr(feature = "serde", serde(skip))]
    broken: Option<ParseError>,
}

/// What a stream holds next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole message.
    Message(Bytes),
    /// A keep-alive: two line breaks between messages. One line break answers it (RFC 5626 §4.4.1).
    KeepAlive,
    /// More octets are needed.
    NeedMore,
    /// The stream cannot be read any further and must be closed.
    Broken {
        /// What is wrong.
        error: ParseError,
        /// The head of the message it broke on, when it is whole: its request can be answered before closing.
        head: Bytes,
    },
}

impl Framer {
    /// A framer at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what arrived. Take all frames before adding more: then no more than one message waits here.
    pub fn push(&mut self, octets: &[u8]) {
        if self.broken.is_some() {
            return;
        }
        self.buffer.drain(..self.done);
        self.done = 0;
        self.buffer.extend_from_slice(octets);
    }

    /// Puts other octets, as many, in the place of those that wait.
    #[cfg(feature = "serde")]
    pub(crate) fn assume_waiting(&mut self, octets: &[u8]) {
        self.done = 0;
        self.buffer.clear();
        self.buffer.extend_from_slice(octets);
    }

    /// Whether a message has begun and is not whole.
    pub fn is_within_message(&self) -> bool {
        self.waiting().iter().any(|b| !matches!(b, b'\r' | b'\n'))
    }

    /// Takes the next frame.
    pub fn next_frame(&mut self) -> Frame {
        if let Some(error) = self.broken {
            return Frame::Broken { error, head: Bytes::new() };
        }
        if self.length.is_none() {
            if let Some(frame) = self.between() {
                return frame;
            }
            let Some(head) = self.head_end() else {
                return self.incomplete();
            };
            match self.message_length(head) {
                Ok(length) => self.length = Some(length),
                Err(error) => return self.fail(error, head),
            }
        }
        let length = self.length.unwrap_or_default();
        let Some(message) = self.waiting().get(..length).map(Bytes::copy_from_slice) else {
            return Frame::NeedMore;
        };
        self.skip(length);
        Frame::Message(message)
    }

    /// Octets that no frame was made of yet.
    pub(crate) fn waiting(&self) -> &[u8] {
        self.buffer.get(self.done..).unwrap_or_default()
    }

    fn skip(&mut self, octets: usize) {
        self.done += octets;
        self.searched = 0;
        self.length = None;
        if self.done >= self.buffer.len() {
            self.buffer.clear();
            self.done = 0;
        }
    }

    /// Handles what may stand between messages.
    fn between(&mut self) -> Option<Frame> {
        loop {
            match self.waiting() {
                [b'\r', b'\n', b'\r', b'\n', ..] => {
                    self.skip(4);
                    return Some(Frame::KeepAlive);
                }
                [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return Some(Frame::NeedMore),
                [b'\r', b'\n', ..] => self.skip(2),
                [b'\r' | b'\n', ..] => self.skip(1),
                _ => return None,
            }
        }
    }

    /// Octets of the header section with the empty line that ends it.
    fn head_end(&mut self) -> Option<usize> {
        let mut from = self.searched;
        let waiting = self.buffer.get(self.done..)?;
        while let Some(lf) = memchr(b'\n', waiting.get(from..)?) {
            let after = from + lf + 1;
            match waiting.get(after..)? {
                [b'\n', ..] => return Some(after + 1),
                [b'\r', b'\n', ..] => return Some(after + 2),
                // The next octets decide: look at this line break again then.
                [] | [b'\r'] => {
                    self.searched = from + lf;
                    return None;
                }
                _ => from = after,
            }
        }
        self.searched = waiting.len();
        None
    }

    fn message_length(&self, head: usize) -> Result<usize, ParseError> {
        let octets = self.waiting().get(..head).unwrap_or_default();
        let message = Message::parse(Bytes::copy_from_slice(octets))?;
        let body = match message.content_length() {
            None => return Err(ParseError::new(HeaderName::ContentLength.as_str(), Why::Missing, 0)),
            Some(length) => length? as usize,
        };
        if message.headers_named(HeaderName::ContentLength).count() > 1 {
            return Err(ParseError::new(HeaderName::ContentLength.as_str(), Why::Repeated, 0));
        }
        match head.checked_add(body) {
            Some(length) if length <= MESSAGE_OCTETS => Ok(length),
            _ => Err(ParseError::new("message", Why::TooLarge, 0)),
        }
    }

    /// No end of a header section yet: wait for it, unless this can be no message.
    fn incomplete(&mut self) -> Frame {
        let waiting = self.waiting();
        if waiting.len() > MESSAGE_OCTETS {
            return self.fail(ParseError::new("message", Why::TooLarge, 0), 0);
        }
        let line = waiting.iter().position(|&b| b == b'\n').and_then(|end| waiting.get(..end));
        if line.is_some_and(|l| memchr::memmem::find(&l.to_ascii_uppercase(), b"SIP/").is_none()) {
            return self.fail(ParseError::new("start line", Why::NotSip, 0), 0);
        }
        Frame::NeedMore
    }

    fn fail(&mut self, error: ParseError, head: usize) -> Frame {
        self.broken = Some(error);
        let head = Bytes::copy_from_slice(self.waiting().get(..head).unwrap_or_default());
        self.buffer = Vec::new();
        self.done = 0;
        Frame::Broken { error, head }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "OPTIONS sip:a@b SIP/2.0\r\nl: 3\r\n\r\nabc";

    fn message(text: &str) -> Frame {
        Frame::Message(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn why(frame: Frame) -> Option<(Why, usize)> {
        if let Frame::Broken { error, head } = frame { Some((error.why(), head.len())) } else { None }
    }

    #[test]
    fn messages_come_out_octet_by_octet_and_all_at_once() {
        let mut f = Framer::new();
        for octet in ONE.as_bytes() {
            assert_eq!(f.next_frame(), Frame::NeedMore);
            f.push(&[*octet]);
        }
        assert_eq!(f.next_frame(), message(ONE));
        assert_eq!((f.next_frame(), f.is_within_message()), (Frame::NeedMore, false));

        f.push(format!("{ONE}{ONE}OPT").as_bytes());
        assert_eq!((f.next_frame(), f.next_frame()), (message(ONE), message(ONE)));
        assert_eq!((f.next_frame(), f.is_within_message()), (Frame::NeedMore, true));
    }

    #[test]
    fn keep_alives_stand_between_messages() {
        let mut f = Framer::new();
        f.push(format!("\r\n\r\n{ONE}\r\n{ONE}\r\n\r").as_bytes());
        assert_eq!(
            (f.next_frame(), f.next_frame(), f.next_frame()),
            (Frame::KeepAlive, message(ONE), message(ONE))
        );
        assert_eq!(f.next_frame(), Frame::NeedMore);
        f.push(b"\n");
        assert_eq!((f.next_frame(), f.next_frame()), (Frame::KeepAlive, Frame::NeedMore));
    }

    #[test]
    fn line_feeds_alone_end_lines_too() {
        let mut f = Framer::new();
        f.push(b"OPTIONS sip:a@b SIP/2.0\nl: 0\n");
        assert_eq!(f.next_frame(), Frame::NeedMore);
        f.push(b"\nO");
        assert_eq!(f.next_frame(), message("OPTIONS sip:a@b SIP/2.0\nl: 0\n\n"));
    }

    #[test]
    fn what_breaks_a_stream() {
        let head = |fields: &str| format!("OPTIONS sip:a@b SIP/2.0\r\n{fields}\r\n");
        for (octets, want) in [
            (head(""), (Why::Missing, 27)),
            (head("l: -1\r\n"), (Why::Number, 34)),
            (head("l: 0\r\nl: 0\r\n"), (Why::Repeated, 39)),
            (head("l: 65535\r\n"), (Why::TooLarge, 37)),
            (head("l: 4294967295\r\n"), (Why::TooLarge, 42)),
            ("GET / HTTP/1.1\r\n".into(), (Why::NotSip, 0)),
            ("GET / HTTP/1.1\r\n\r\n".into(), (Why::NotSip, 18)),
            ("a".repeat(MESSAGE_OCTETS + 1), (Why::TooLarge, 0)),
        ] {
            let mut f = Framer::new();
            f.push(octets.as_bytes());
            assert_eq!(why(f.next_frame()), Some(want), "{}", &octets[..octets.len().min(60)]);
            // And it stays broken, whatever follows.
            f.push(ONE.as_bytes());
            assert_eq!(why(f.next_frame()), Some((want.0, 0)));
        }
    }
}
