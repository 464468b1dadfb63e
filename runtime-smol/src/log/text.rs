//! Events as a telephone engineer would tell them.

use std::fmt::{self, Write as _};
use std::time::Duration;

use telex_engine::event::{DigitBy, EndCause, Event, Parking, Side};
use telex_engine::mediactl::LegStats;

use super::Escaped as E;

/// Appends what happened, without time and level, on one line.
pub(crate) fn describe(event: &Event, out: &mut String) {
    // Writing to a String does not fail.
    let _ = match event {
        Event::CallStarted { .. }
        | Event::Description { .. }
        | Event::Asking { .. }
        | Event::Ringing { .. }
        | Event::Answered { .. }
        | Event::Hold { .. }
        | Event::Transfer { .. }
        | Event::Parking { .. }
        | Event::MediaFrom { .. }
        | Event::NoSound { .. }
        | Event::Digit { .. }
        | Event::RecordingStarted { .. }
        | Event::NotInRecording { .. }
        | Event::Matched { .. }
        | Event::Dialplan { .. }
        | Event::CallEnded { .. } => call(event, out),
        _ => exchange(event, out),
    };
}

fn call(event: &Event, out: &mut String) -> fmt::Result {
    match event {
        Event::CallStarted { call, from, to, source, transport } => {
            write!(out, "call {call}: {} calls {}, from {source} over {}", E(from), E(to), transport.as_str())
        }
        Event::Description { call, side, offer, received, codecs, address, direction } => {
            let what = if *offer { "offer" } else { "answer" };
            let way = if *received { "from" } else { "to" };
            write!(out, "call {call}: {what} {way} {}: {}", Party(*side), E(codecs))?;
            match address {
                Some(address) => write!(out, " at {address}")?,
                None => out.push_str(" without an address"),
            }
            if direction == "sendrecv" { Ok(()) } else { write!(out, ", {direction}") }
        }
        Event::Asking { call, contact } => write!(out, "call {call}: calling {}", E(contact)),
        Event::Ringing { call, contact } => write!(out, "call {call}: {} rings", E(contact)),
        Event::Answered { call, contact, codec } => {
            write!(out, "call {call}: answered by {}, codec {}", E(contact), E(codec))
        }
        Event::Hold { call, side, on } => {
            let what = if *on { "holds" } else { "resumes" };
            write!(out, "call {call}: {} {what}", Party(*side))
        }
        Event::Transfer { call, side, to, status } => match status {
            None => write!(out, "call {call}: {} transfers it to {}", Party(*side), E(to)),
            Some(200..=299) => write!(out, "call {call}: transferred by {} to {}", Party(*side), E(to)),
            Some(code) => write!(out, "call {call}: no transfer by {} to {}: {code}", Party(*side), E(to)),
        },
        Event::Parking { call, slot, what } => parking(*call, slot, what, out),
        Event::MediaFrom { call, side, remote } => {
            write!(out, "call {call}: media of {} arrives from {remote}", Party(*side))
        }
        Event::NoSound { call, side, name } => {
            write!(out, "call {call}: there is no sound {} for {} to hear", E(name), Party(*side))
        }
        // Which key is not told: it may belong to a card number or a PIN.
        Event::Digit { call, side, length, by, .. } => {
            let how = match by {
                DigitBy::Event => "as a telephone event",
                DigitBy::Tones => "as tones",
                DigitBy::Info => "by INFO",
            };
            write!(out, "call {call}: {} pressed a key for {} ms, {how}", Party(*side), length.as_millis())
        }
        Event::Matched { call, pattern, context } => {
            write!(out, "call {call}: Matched: {} in context [{}]", E(pattern), E(context))
        }
        Event::Dialplan { call, text, .. } => write!(out, "call {call}: {}", E(text)),
        Event::RecordingStarted { call, .. } => write!(out, "call {call}: is being recorded"),
        Event::NotInRecording { call, side, codec, .. } => {
            let side = Party(*side);
            write!(out, "call {call}: {side} is not in the recording: {} cannot be decoded", E(codec))
        }
        Event::CallEnded { call, cause, duration, caller, callee } => {
            write!(out, "call {call}: ended, {}", Cause(cause))?;
            if let Some(duration) = duration {
                write!(out, " after {}", Talked(*duration))?;
            }
            carried(out, Side::Caller, caller)?;
            carried(out, Side::Callee, callee)
        }
        _ => Ok(()),
    }
}

fn parking(call: u64, slot: &str, what: &Parking, out: &mut String) -> fmt::Result {
    match what {
        Parking::Parked { by } if by.is_empty() => write!(out, "call {call}: parked in {}", E(slot)),
        Parking::Parked { by } => write!(out, "call {call}: parked in {} by {}", E(slot), E(by)),
        Parking::TakenUp { by } => write!(out, "call {call}: taken up in {} by {}", E(slot), E(by)),
        Parking::Back { to } if to.is_empty() => {
            write!(out, "call {call}: nobody has taken it up in {}", E(slot))
        }
        Parking::Back { to } => {
            write!(out, "call {call}: nobody has taken it up in {}, back to {}", E(slot), E(to))
        }
    }
}

fn exchange(event: &Event, out: &mut String) -> fmt::Result {
    match event {
        Event::Registered { extension, contact, source, transport, expires, refresh } => {
            let what = if *refresh { "registered again" } else { "registered" };
            let (transport, seconds) = (transport.as_str(), expires.as_secs());
            write!(out, "{} {what} from {source} over {transport} for {seconds} s", E(extension))?;
            write!(out, ", contact {}", E(contact))
        }
        Event::Unregistered { extension, contact, expired } => {
            let what = if *expired { "registration ran out" } else { "unregistered" };
            write!(out, "{} {what}, contact {}", E(extension), E(contact))
        }
        Event::AuthenticationFailed { user, source, method } => {
            write!(out, "wrong credentials for {} from {source} in {}", E(user), E(method))
        }
        Event::GuessingSlowed { user, source } => {
            write!(out, "too many wrong credentials: those for {} from {source} must wait", E(user))
        }
        Event::Refused { method, from, to, source, status, why } => {
            write!(out, "{} of {} to {} from {source} refused with {status}: ", E(method), E(from), E(to))?;
            write!(out, "{}", E(why))
        }
        Event::Malformed { source, reason, answered } => {
            let then = if *answered { "answered with 400" } else { "dropped" };
            write!(out, "malformed message from {source} {then}: {}", E(reason))
        }
        Event::StreamOpened { remote } => write!(out, "TCP connection with {remote} opened"),
        Event::StreamClosed { remote, reason } => {
            write!(out, "TCP connection with {remote} closed: {}", E(reason))
        }
        Event::NoResponse { method, remote, undeliverable: false } => {
            write!(out, "no response to {} from {remote}", E(method))
        }
        Event::NoResponse { method, remote, undeliverable: true } => {
            write!(out, "{} could not be delivered to {remote}", E(method))
        }
        Event::Overload { what } => write!(out, "overload: {what}"),
        Event::StoreFailed { error } => write!(out, "registrations are not being stored: {}", E(error)),
        Event::Broken { what } => write!(out, "internal error, please report it: {}", E(what)),
        _ => Ok(()),
    }
}

fn carried(out: &mut String, side: Side, stats: &LegStats) -> fmt::Result {
    if *stats == LegStats::default() {
        return Ok(());
    }
    write!(out, "; {} sent {} packets and got {}", Party(side), stats.received, stats.sent)?;
    if stats.lost > 0 {
        write!(out, ", {} lost", stats.lost)?;
    }
    if stats.refused > 0 {
        write!(out, ", {} refused", stats.refused)?;
    }
    if stats.jitter_us > 0 {
        write!(out, ", jitter {}.{} ms", stats.jitter_us / 1000, stats.jitter_us / 100 % 10)?;
    }
    if stats.concealed_ms > 0 {
        write!(out, ", {} ms made up", stats.concealed_ms)?;
    }
    if stats.mos > 0 {
        write!(out, ", MOS {}.{:02}", stats.mos / 100, stats.mos % 100)?;
    }
    Ok(())
}

struct Party(Side);

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Side::Caller => "the caller",
            Side::Callee => "the callee",
        })
    }
}

struct Cause<'a>(&'a EndCause);

impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            EndCause::HungUp(side) => write!(f, "{} hung up", Party(*side)),
            EndCause::Cancelled => f.write_str("the caller gave up"),
            EndCause::Refused(refused) => write!(f, "refused with {}", refused.status),
            EndCause::NoAnswer => f.write_str("nobody answered"),
            EndCause::Lost(side) => write!(f, "{} stopped responding", Party(*side)),
            EndCause::Silent(side) => write!(f, "no media from {}", Party(*side)),
            EndCause::Operator => f.write_str("by the operator"),
            EndCause::Joined { call } => write!(f, "the caller goes on in call {call}"),
            EndCause::TimeUp => f.write_str("the time of the talk was up"),
            EndCause::Dialplan(cause) => write!(f, "by the dialplan with cause {cause}"),
            EndCause::Stopping => f.write_str("the exchange is stopping"),
        }
    }
}

/// How long two people talked: `7.4 s`, `12:05`, `1:02:03`.
pub(crate) struct Talked(pub(crate) Duration);

impl fmt::Display for Talked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
            (0, 0, s) => write!(f, "{s}.{} s", self.0.subsec_millis() / 100),
            (0, m, s) => write!(f, "{m}:{s:02}"),
            (h, m, s) => write!(f, "{h}:{m:02}:{s:02}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telex_engine::border::Transport;
    use telex_engine::event::Rejection;

    fn lines(events: &[Event]) -> String {
        let mut out = String::new();
        for event in events {
            let start = out.len();
            describe(event, &mut out);
            assert!(out.len() > start, "nothing is said of {event:?}");
            out.push('\n');
        }
        out
    }

    #[test]
    fn the_story_of_a_call() {
        let phone = "192.0.2.10:5060".parse().unwrap();
        let media = Some("192.0.2.10:4000".parse().unwrap());
        let leg = LegStats {
            received: 612,
            sent: 610,
            lost: 2,
            jitter_us: 1740,
            refused: 1,
            ..LegStats::default()
        };
        let end = |cause, duration| Event::CallEnded {
            call: 7,
            cause,
            duration,
            caller: Box::default(),
            callee: Box::default(),
        };
        let description = |side, offer, received, address, direction| Event::Description {
            call: 7,
            side,
            offer,
            received,
            codecs: "PCMU/8000 telephone-event/8000".into(),
            address,
            direction: smol_str::SmolStr::new_static(direction),
        };
        let parking = |what| Event::Parking { call: 7, slot: "701".into(), what };
        let events = [
            Event::CallStarted {
                call: 7,
                from: "100".into(),
                to: "101".into(),
                source: phone,
                transport: Transport::Udp,
            },
            description(Side::Caller, true, true, media, "sendrecv"),
            description(Side::Callee, false, true, None, "inactive"),
            description(Side::Callee, true, false, media, "sendonly"),
            Event::Asking { call: 7, contact: "sip:101@192.0.2.11".into() },
            Event::Ringing { call: 7, contact: "sip:101@192.0.2.11".into() },
            Event::Answered { call: 7, contact: "sip:101@192.0.2.11".into(), codec: "PCMU".into() },
            Event::MediaFrom { call: 7, side: Side::Caller, remote: phone },
            Event::Hold { call: 7, side: Side::Callee, on: true },
            Event::Hold { call: 7, side: Side::Callee, on: false },
            parking(Parking::Parked { by: "101".into() }),
            parking(Parking::Parked { by: "".into() }),
            parking(Parking::TakenUp { by: "102".into() }),
            parking(Parking::Back { to: "101".into() }),
            parking(Parking::Back { to: "".into() }),
            Event::CallEnded {
                call: 7,
                cause: EndCause::HungUp(Side::Callee),
                duration: Some(Duration::from_millis(725_900)),
                caller: Box::new(leg),
                callee: Box::new(LegStats { received: 610, sent: 610, ..LegStats::default() }),
            },
            end(EndCause::Cancelled, None),
            end(EndCause::Refused(Rejection { status: 486, cause: 17 }), None),
            end(EndCause::NoAnswer, None),
            end(EndCause::Lost(Side::Caller), Some(Duration::from_millis(7_430))),
            end(EndCause::Silent(Side::Callee), Some(Duration::from_secs(3_723))),
            end(EndCause::Operator, None),
            end(EndCause::Stopping, None),
        ];
        insta::assert_snapshot!(lines(&events), @r#"
        call 7: 100 calls 101, from 192.0.2.10:5060 over UDP
        call 7: offer from the caller: PCMU/8000 telephone-event/8000 at 192.0.2.10:4000
        call 7: answer from the callee: PCMU/8000 telephone-event/8000 without an address, inactive
        call 7: offer to the callee: PCMU/8000 telephone-event/8000 at 192.0.2.10:4000, sendonly
        call 7: calling sip:101@192.0.2.11
        call 7: sip:101@192.0.2.11 rings
        call 7: answered by sip:101@192.0.2.11, codec PCMU
        call 7: media of the caller arrives from 192.0.2.10:5060
        call 7: the callee holds
        call 7: the callee resumes
        call 7: parked in 701 by 101
        call 7: parked in 701
        call 7: taken up in 701 by 102
        call 7: nobody has taken it up in 701, back to 101
        call 7: nobody has taken it up in 701
        call 7: ended, the callee hung up after 12:05; the caller sent 612 packets and got 610, 2 lost, 1 refused, jitter 1.7 ms; the callee sent 610 packets and got 610
        call 7: ended, the caller gave up
        call 7: ended, refused with 486
        call 7: ended, nobody answered
        call 7: ended, the caller stopped responding after 7.4 s
        call 7: ended, no media from the callee after 1:02:03
        call 7: ended, by the operator
        call 7: ended, the exchange is stopping
        "#);
    }

    #[test]
    fn the_story_of_the_exchange() {
        let phone = "192.0.2.10:5060".parse().unwrap();
        let registered = |refresh| Event::Registered {
            extension: "100".into(),
            contact: "sip:100@192.0.2.10:5060".into(),
            source: phone,
            transport: Transport::Tcp,
            expires: Duration::from_secs(3600),
            refresh,
        };
        let gone =
            |expired| Event::Unregistered { extension: "100".into(), contact: "sip:100@a".into(), expired };
        let events = [
            registered(false),
            registered(true),
            gone(false),
            gone(true),
            Event::AuthenticationFailed { user: "100".into(), source: phone, method: "REGISTER".into() },
            Event::Refused {
                method: "INVITE".into(),
                from: "100".into(),
                to: "999".into(),
                source: phone,
                status: 404,
                why: "no extension of context [internal] matches 999, explain 7".into(),
            },
            Event::Malformed { source: phone, reason: "bad Via".into(), answered: true },
            Event::Malformed { source: phone, reason: "no start line".into(), answered: false },
            Event::StreamOpened { remote: phone },
            Event::StreamClosed { remote: phone, reason: "idle".into() },
            Event::NoResponse { method: "INVITE".into(), remote: phone, undeliverable: false },
            Event::NoResponse { method: "BYE".into(), remote: phone, undeliverable: true },
            Event::Overload { what: "calls".into() },
            Event::StoreFailed { error: "disk full".into() },
            Event::Broken { what: "a leg without a call".into() },
        ];
        insta::assert_snapshot!(lines(&events), @r#"
        100 registered from 192.0.2.10:5060 over TCP for 3600 s, contact sip:100@192.0.2.10:5060
        100 registered again from 192.0.2.10:5060 over TCP for 3600 s, contact sip:100@192.0.2.10:5060
        100 unregistered, contact sip:100@a
        100 registration ran out, contact sip:100@a
        wrong credentials for 100 from 192.0.2.10:5060 in REGISTER
        INVITE of 100 to 999 from 192.0.2.10:5060 refused with 404: no extension of context [internal] matches 999, explain 7
        malformed message from 192.0.2.10:5060 answered with 400: bad Via
        malformed message from 192.0.2.10:5060 dropped: no start line
        TCP connection with 192.0.2.10:5060 opened
        TCP connection with 192.0.2.10:5060 closed: idle
        no response to INVITE from 192.0.2.10:5060
        BYE could not be delivered to 192.0.2.10:5060
        overload: calls
        registrations are not being stored: disk full
        internal error, please report it: a leg without a call
        "#);
    }

    #[test]
    fn strings_of_peers_are_escaped() {
        let evil = "x\r\n\x1b]0;\u{7}y";
        let source = "192.0.2.10:5060".parse().unwrap();
        let events = [
            Event::AuthenticationFailed { user: evil.into(), source, method: evil.into() },
            Event::CallStarted {
                call: 1,
                from: evil.into(),
                to: evil.into(),
                source,
                transport: Transport::Udp,
            },
            Event::Malformed { source, reason: evil.into(), answered: false },
            Event::Refused {
                method: evil.into(),
                from: evil.into(),
                to: evil.into(),
                source,
                status: 404,
                why: evil.into(),
            },
        ];
        insta::assert_snapshot!(lines(&events), @r#"
        wrong credentials for x\r\n\x1b]0;\x07y from 192.0.2.10:5060 in x\r\n\x1b]0;\x07y
        call 1: x\r\n\x1b]0;\x07y calls x\r\n\x1b]0;\x07y, from 192.0.2.10:5060 over UDP
        malformed message from 192.0.2.10:5060 dropped: x\r\n\x1b]0;\x07y
        x\r\n\x1b]0;\x07y of x\r\n\x1b]0;\x07y to x\r\n\x1b]0;\x07y from 192.0.2.10:5060 refused with 404: x\r\n\x1b]0;\x07y
        "#);
    }
}
