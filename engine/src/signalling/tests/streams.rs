//! Dialogs through streams that close.

use super::*;
use crate::border::{Flow, StreamEvent, StreamId};

impl World {
    fn open(&mut self, stream: u64, remote: &str) {
        let (local, remote) = (US.parse().unwrap(), remote.parse().unwrap());
        let event = StreamEvent::Opened { listener: Some(ListenerId(1)), local, remote };
        self.input(Input::Stream { stream: StreamId(stream), event });
    }

    fn close(&mut self, stream: u64) {
        self.input(Input::Stream { stream: StreamId(stream), event: StreamEvent::Closed });
    }

    /// Sends through a stream, which wants a Content-Length and another Via.
    fn put(&mut self, stream: u64, text: &str) {
        let length = if text.contains("Content-Length") { "" } else { "Content-Length: 0\n" };
        let text =
            text.replace("SIP/2.0/UDP", "SIP/2.0/TCP").replacen("Call-ID", &format!("{length}Call-ID"), 1);
        let bytes = Bytes::from(text.replace('\n', "\r\n"));
        self.input(Input::Stream { stream: StreamId(stream), event: StreamEvent::Bytes(bytes) });
    }

    /// The last message through a stream that begins so.
    fn through(&self, stream: u64, start: &str) -> Option<Message> {
        let found = self.out.iter().rev().find_map(|action| match action {
            Action::Transmit { flow: Flow::Stream { stream: StreamId(n) }, bytes }
                if *n == stream && bytes.starts_with(start.as_bytes()) =>
            {
                Some(bytes.clone())
            }
            _ => None,
        });
        found.map(|bytes| Message::parse(bytes).unwrap())
    }
}

/// Alice, whose Contact is `contact`, calls bob through stream 1 and he answers: what she and he were sent.
fn talking_by_stream(world: &mut World, contact: &str) -> (Message, Message) {
    world.open(1, "10.0.0.1:40001");
    let change = |text: String| text.replace("sip:alice@10.0.0.1>", &format!("{contact}>"));
    world.put(1, &change(invite("bob", "", OFFER)));
    let asked = world.sent_and_kept("INVITE");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let answered = world.through(1, "SIP/2.0 200").unwrap();
    world.put(1, &change(inside(&answered, "ACK", 1, "")));
    world.out.clear();
    (answered, asked)
}

impl World {
    /// The only datagram that begins so; what went through streams stays to be looked at.
    fn sent_and_kept(&mut self, start: &str) -> Message {
        let kept = self.out.clone();
        let message = self.only(start);
        self.out = kept;
        message
    }
}

const PRIVATE: &str = "sip:alice@192.168.1.5:5060;transport=tcp";

#[test]
fn a_party_whose_stream_is_gone_is_looked_for_at_its_contact() {
    let mut world = World::new();
    let (_, asked) = talking_by_stream(&mut world, "sip:alice@10.0.0.1:5060;transport=tcp");
    world.close(1);
    world.send(BOB, &from_bob(&asked, "BYE", 1, "", ""));
    let remote = ALICE.parse().unwrap();
    let stream = world.out.iter().find_map(|action| match action {
        Action::Connect { stream, remote: to, .. } if *to == remote => Some(stream.0),
        _ => None,
    });
    assert!(world.through(stream.unwrap(), "BYE").is_some());
}

#[test]
fn a_party_that_registers_through_a_new_stream_is_found_there() {
    let mut world = World::new();
    let (_, asked) = talking_by_stream(&mut world, PRIVATE);
    world.close(1);
    let register = format!(
        "REGISTER sip:telex SIP/2.0\nVia: SIP/2.0/TCP 192.168.1.5;branch=z9hG4bKr\nMax-Forwards: 70\n\
From: <sip:alice@telex>;tag=r\nTo: <sip:alice@telex>\nCall-ID: r1\nCSeq: 1 REGISTER\n\
Contact: <{PRIVATE}>\nExpires: 3600\n\n"
    );
    world.open(3, "10.0.0.1:40002");
    world.put(3, &register);
    assert!(world.through(3, "SIP/2.0 200").is_some());
    world.send(BOB, &from_bob(&asked, "BYE", 1, "", ""));
    let bye = world.through(3, "BYE").unwrap();
    world.put(3, &respond(&bye, "200 OK", "", ""));
    world.pass(Duration::from_secs(40));
    let stats = world.telex.stats();
    assert_eq!((stats.calls, stats.legs, stats.transactions), (0, 0, 0));
}

#[test]
fn a_party_that_speaks_through_a_new_stream_is_answered_there_from_then_on() {
    let mut world = World::new();
    let (answered, asked) = talking_by_stream(&mut world, PRIVATE);
    world.close(1);
    world.open(3, "10.0.0.1:40002");
    world.put(3, &inside(&answered, "OPTIONS", 2, ""));
    assert!(world.through(3, "SIP/2.0 200").is_some());
    world.send(BOB, &from_bob(&asked, "BYE", 1, "", ""));
    assert!(world.through(3, "BYE").is_some());
}

#[test]
fn a_stream_is_not_idle_while_a_dialog_needs_it() {
    let mut world = World::new();
    let (_, asked) = talking_by_stream(&mut world, PRIVATE);
    world.pass(Duration::from_secs(800));
    world.send(BOB, &from_bob(&asked, "BYE", 1, "", ""));
    let bye = world.through(1, "BYE").unwrap();
    world.put(1, &respond(&bye, "200 OK", "", ""));
    world.pass(Duration::from_secs(700));
    assert_eq!(world.telex.stats().streams, 0, "and idle after it");
}

#[test]
fn the_2xx_is_repeated_through_a_stream_too() {
    let mut world = World::new();
    world.open(1, "10.0.0.1:40001");
    world.put(1, &invite("bob", "", OFFER));
    let asked = world.sent_and_kept("INVITE");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    world.pass(Duration::from_secs(4));
    let through = |action: &&Action| {
        matches!(action, Action::Transmit { flow: Flow::Stream { stream: StreamId(1) }, bytes }
            if bytes.starts_with(b"SIP/2.0 200"))
    };
    assert_eq!(world.out.iter().filter(through).count(), 4, "at 0, 0.5, 1.5 and 3.5 s");
}

#[test]
fn a_response_is_taken_from_another_stream_than_its_request_went_through() {
    let mut world = World::new();
    let (answered, asked) = talking_by_stream(&mut world, "sip:alice@10.0.0.1;transport=tcp");
    world.send(BOB, &from_bob(&asked, "BYE", 9, "", ""));
    let bye = world.through(1, "BYE").unwrap();
    assert_eq!(bye.call_id(), answered.call_id());
    world.open(3, "10.0.0.1:40003");
    world.put(3, &respond(&bye, "200 OK", "", ""));
    world.pass(Duration::from_secs(40));
    let lost = |event: &Event| matches!(event, Event::NoResponse { .. });
    assert!(!world.events.iter().any(lost), "the BYE is answered");
}
