//! Digits in INFO requests: the bodies `application/dtmf-relay` and `application/dtmf` that telephones have used since
//! before RFC 6086, which allows such use to go on (§1) and describes it in no package.

use std::time::Duration;

use super::session::{AGENT, Heard, LegEvent, Phase};
use super::sessions::{Sessions, Stack, arm};
use crate::cx::{Cx, LegKey, LegTimer, ServerKey};
use crate::limits::{DIGIT_LONGEST, DIGIT_USUAL, PRESSES};
use crate::sip::{HeaderName, Message, Method, Status, Writer};
use crate::transaction::Draft;

/// What is accepted, as an answer to a body of another kind says.
const ACCEPT: &str = "application/dtmf-relay, application/dtmf";

/// A key pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Digit {
    /// `0` to `9`, `*`, `#`, `A` to `D`; `w` is a pause.
    pub(crate) key: char,
    /// For how long.
    pub(crate) length: Duration,
}

impl Digit {
    /// Whether it is only time that passes.
    pub(crate) const fn is_pause(self) -> bool {
        matches!(self.key, 'w' | 'W')
    }
}

impl Sessions {
    /// An INFO: a digit, or nothing that we know.
    pub(super) fn informed(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        txn: ServerKey,
        message: &Message,
    ) -> Option<Heard> {
        let session = self.all.get(leg)?;
        let up = session.phase != Phase::Ending;
        let (reply, digit) = match read(message) {
            _ if !up => (session.reply(Status::NO_SUCH_TRANSACTION), None),
            // No package is supported (RFC 6086 §4.2.2), and the answer to that names those that are: none.
            Info::Package => (session.reply(Status::BAD_INFO_PACKAGE).header(HeaderName::RecvInfo, ""), None),
            Info::Unknown => {
                (session.reply(Status::UNSUPPORTED_MEDIA_TYPE).header(HeaderName::Accept, ACCEPT), None)
            }
            Info::Malformed => (session.reply(Status::BAD_REQUEST).reason("Digit not understood"), None),
            Info::Nothing => (session.reply(Status::OK), None),
            Info::Digit(digit) => (session.reply(Status::OK), Some(digit)),
        };
        stack.respond(cx, txn, &reply);
        self.heard(leg, LegEvent::Digit(digit?))
    }

    /// Tells the party of a digit, once it has answered to those before: requests that overtake each other are refused
    /// for their numbers, and who presses keys without end shall not fill every table with them.
    pub(crate) fn tell_digit(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey, digit: Digit) {
        let Some(session) = self.all.get_mut(leg).filter(|session| session.phase == Phase::Up) else {
            return;
        };
        if session.telling.is_some() || session.pause.is_some() {
            let alike = session.untold.iter().filter(|one| one.is_pause() == digit.is_pause()).count();
            if alike < PRESSES {
                session.untold.push_back(digit);
            }
            return;
        }
        if digit.is_pause() {
            session.pause = Some(arm(cx, leg, digit.length, LegTimer::Digit));
            return;
        }
        let Some(dialog) = &mut session.dialog else { return };
        let hop = dialog.next_hop(cx, &mut stack.transport);
        let mut writer = dialog.request(Method::Info, None);
        writer.header(HeaderName::UserAgent, AGENT);
        let txn = stack.request(cx, Draft::new(Method::Info, write(&mut writer, digit)), hop);
        session.telling = Some(txn);
        self.owns_client(txn, leg);
    }

    /// The party has answered to a digit. That it knows no such dialog, or that nobody on the way reaches it, ends the
    /// session as after any other request (RFC 3261 §12.2.1.2, RFC 5057 §5.1).
    pub(super) fn digit_answered(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        status: Status,
    ) -> Option<Heard> {
        if status.is_provisional() {
            return None;
        }
        let session = self.all.get_mut(leg)?;
        session.telling = None;
        if session.phase == Phase::Up
            && matches!(status, Status::NO_SUCH_TRANSACTION | Status::REQUEST_TIMEOUT)
        {
            return self.lost(cx, stack, leg, status);
        }
        if let Some(next) = session.untold.pop_front() {
            self.tell_digit(cx, stack, leg, next);
        }
        None
    }

    /// A pause between digits is over.
    pub(super) fn pause_over(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey) {
        let Some(session) = self.all.get_mut(leg) else { return };
        session.pause = None;
        if let Some(next) = session.untold.pop_front() {
            self.tell_digit(cx, stack, leg, next);
        }
    }

    /// The party does not answer to a digit; those that wait are out of date by now.
    pub(super) fn digit_lost(&mut self, leg: LegKey) {
        let Some(session) = self.all.get_mut(leg) else { return };
        session.telling = None;
        session.untold.clear();
    }
}

fn write(writer: &mut Writer, digit: Digit) -> bytes::Bytes {
    let body = format!("Signal={}\r\nDuration={}\r\n", digit.key, digit.length.as_millis());
    writer.body("application/dtmf-relay", body.as_bytes())
}

/// What an INFO says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Info {
    Digit(Digit),
    /// No body: it asks whether we are there.
    Nothing,
    /// A package of RFC 6086.
    Package,
    /// A body of another kind.
    Unknown,
    /// A body of ours that says no digit.
    Malformed,
}

fn read(message: &Message) -> Info {
    if message.header(HeaderName::InfoPackage).is_some() {
        return Info::Package;
    }
    if message.body().is_empty() {
        return Info::Nothing;
    }
    let Some(Ok(kind)) = message.content_type() else { return Info::Unknown };
    let Ok(body) = std::str::from_utf8(message.body()) else { return Info::Malformed };
    let is =
        |subtype| kind.kind.eq_ignore_ascii_case("application") && kind.subtype.eq_ignore_ascii_case(subtype);
    let digit = match () {
        () if is("dtmf-relay") => relay(body),
        () if is("dtmf") => key(body.trim()).map(|key| Digit { key, length: DIGIT_USUAL }),
        () => return Info::Unknown,
    };
    digit.map_or(Info::Malformed, Info::Digit)
}

/// Lines `Signal=5` and `Duration=160`, in milliseconds; blanks around the sign are common.
fn relay(body: &str) -> Option<Digit> {
    let field = |name: &str| {
        let mut pairs = body.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let length = field("Duration").and_then(|text| text.parse().ok()).map(Duration::from_millis);
    let length = length.filter(|length| !length.is_zero()).unwrap_or(DIGIT_USUAL).min(DIGIT_LONGEST);
    Some(Digit { key: key(field("Signal")?)?, length })
}

/// A key by its name or, as some telephones write `*` and `#`, by its event code (RFC 4733 table 7).
fn key(text: &str) -> Option<char> {
    match text {
        "10" => Some('*'),
        "11" => Some('#'),
        _ => {
            let mut chars = text.chars();
            let key = chars.next().filter(|_| chars.next().is_none())?.to_ascii_uppercase();
            (key.is_ascii_digit() || "*#ABCD".contains(key)).then_some(key)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn info(headers: &str, body: &str) -> Info {
        let text = format!(
            "INFO sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             From: <sip:2@192.0.2.2>;tag=a\r\nTo: <sip:1@192.0.2.1>;tag=b\r\nCall-ID: c\r\nCSeq: 2 INFO\r\n\
             {headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        read(&Message::parse(Bytes::from(text)).unwrap())
    }

    fn relayed(body: &str) -> Info {
        info("Content-Type: application/dtmf-relay\r\n", body)
    }

    fn digit(key: char, ms: u64) -> Info {
        Info::Digit(Digit { key, length: Duration::from_millis(ms) })
    }

    #[test]
    fn digits_as_telephones_write_them() {
        assert_eq!(relayed("Signal=5\r\nDuration=160\r\n"), digit('5', 160));
        assert_eq!(relayed("Signal= * \r\nDuration= 250\r\n"), digit('*', 250));
        assert_eq!(relayed("signal=11\nduration=80"), digit('#', 80));
        assert_eq!(relayed("Signal=d"), Info::Digit(Digit { key: 'D', length: DIGIT_USUAL }));
        assert_eq!(relayed("Duration=0\r\nSignal=1"), Info::Digit(Digit { key: '1', length: DIGIT_USUAL }));
        assert_eq!(
            relayed("Signal=1\r\nDuration=99999999"),
            Info::Digit(Digit { key: '1', length: DIGIT_LONGEST })
        );
        let plain = "Content-Type: application/dtmf\r\n";
        assert_eq!(info(plain, "7\r\n"), Info::Digit(Digit { key: '7', length: DIGIT_USUAL }));
        assert_eq!(info(plain, "10"), Info::Digit(Digit { key: '*', length: DIGIT_USUAL }));
    }

    #[test]
    fn what_is_no_digit_is_told_apart() {
        assert_eq!(info("", ""), Info::Nothing);
        assert_eq!(relayed("Signal=\r\n"), Info::Malformed);
        assert_eq!(relayed("Signal=55"), Info::Malformed);
        assert_eq!(relayed("Duration=160"), Info::Malformed);
        assert_eq!(info("Content-Type: text/plain\r\n", "5"), Info::Unknown);
        assert_eq!(info("", "5"), Info::Unknown);
        assert_eq!(
            info("Info-Package: dtmf\r\nContent-Type: application/dtmf-relay\r\n", "Signal=5"),
            Info::Package
        );
    }

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::fields();
        let wanted = Digit { key: '#', length: Duration::from_millis(120) };
        let text = write(&mut writer, wanted);
        let body = std::str::from_utf8(&text).unwrap().split_once("\r\n\r\n").unwrap().1.to_owned();
        assert_eq!(relayed(&body), Info::Digit(wanted));
    }
}
