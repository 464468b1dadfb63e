//! Odd but legal ways to write a message (RFC 3261 §7.3, §25).

use std::fmt::Write as _;

use bytes::Bytes;

use crate::plan::Habit;
use crate::text::head_length;

/// Header names and their short forms (§7.3.3).
const SHORT: [(&str, &str); 9] = [
    ("Via", "v"),
    ("From", "f"),
    ("To", "t"),
    ("Call-ID", "i"),
    ("Contact", "m"),
    ("Content-Type", "c"),
    ("Content-Length", "l"),
    ("Supported", "k"),
    ("Session-Expires", "x"),
];

/// Fields that nobody has to understand.
const EXTRAS: &str = "X-Odd: \"quoted; , \\\" string\", <sip:a@b;c=d?e=f>;g=h\r\nSubject: Gr\u{fc}\u{df}e\r\n\
    Organization:\r\nP-Asserted-Identity: \"Somebody else\" <sip:1@example.com>\r\nDate: yesterday\r\n";

/// The message as a phone with these habits writes it.
pub(super) fn dressed(habits: &[Habit], bytes: Bytes) -> Bytes {
    let has = |habit| habits.contains(&habit);
    let written = [
        Habit::Compact,
        Habit::Folds,
        Habit::OddCase,
        Habit::Extras,
        Habit::Verbose,
        Habit::Vias,
        Habit::Blanks,
    ];
    let Some(end) = head_length(&bytes).filter(|_| written.into_iter().any(has)) else { return bytes };
    let Ok(head) = std::str::from_utf8(&bytes[..end - 4]) else { return bytes };
    let mut lines = head.split("\r\n");
    let start = lines.next().unwrap_or_default();
    let mut text = format!("{start}\r\n");
    for line in lines {
        let Some((name, value)) = line.split_once(": ") else { continue };
        write_field(&mut text, name, value, &has, !start.starts_with("SIP/2.0"));
    }
    if has(Habit::Extras) {
        text.push_str(EXTRAS);
    }
    if has(Habit::Verbose) {
        let _ = write!(text, "X-Verbose: {}\r\n", "a long story ".repeat(180));
    }
    text.push_str("\r\n");
    let mut dressed = text.into_bytes();
    dressed.extend_from_slice(&bytes[end..]);
    Bytes::from(dressed)
}

fn write_field(text: &mut String, name: &str, value: &str, has: &impl Fn(Habit) -> bool, request: bool) {
    let short = SHORT.iter().find(|(long, _)| *long == name).filter(|_| has(Habit::Compact));
    let mut shown = short.map_or(name, |(_, short)| short).to_owned();
    let mut value = value.to_owned();
    // What was copied from a request of the exchange goes back as it came.
    let own = request || !matches!(name, "Via" | "From" | "Call-ID" | "CSeq");
    if has(Habit::OddCase) {
        shown = odd_case(&shown);
        if own {
            value =
                value.replace(";tag=", ";TAG=").replace(";rport", ";rPort").replace(";branch=", ";Branch=");
        }
    }
    let parameters = own && matches!(name, "Via" | "From" | "To");
    if has(Habit::Blanks) && parameters {
        for parameter in ["tag", "branch", "TAG", "Branch"] {
            value = value.replace(&format!(";{parameter}="), &format!(" ;\t{parameter} = "));
        }
        shown.push(' ');
    }
    if has(Habit::Vias) && name == "Via" && request {
        value.push_str(" , SIP/2.0/UDP proxy.example:5070;branch=z9hG4bKproxy1;received=192.0.2.7");
        let _ =
            write!(text, "{shown}: {value}\r\nVia: SIP/2.0/TLS [2001:db8::1]:5061;branch=z9hG4bKproxy2\r\n");
        return;
    }
    if has(Habit::Folds)
        && own
        && let Some(at) = fold_at(&value)
    {
        let _ = write!(text, "{shown}:\r\n {}\r\n\t {}\r\n", value[..at].trim_end(), &value[at..]);
        return;
    }
    let _ = write!(text, "{shown}: {value}\r\n");
}

/// Where a value can be folded: before the first semicolon after a bracket.
fn fold_at(value: &str) -> Option<usize> {
    let close = value.find('>')?;
    value[close..].find(';').map(|at| close + at)
}

fn odd_case(name: &str) -> String {
    let odd = |(at, c): (usize, char)| {
        if at.is_multiple_of(2) { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() }
    };
    name.chars().enumerate().map(odd).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Build, Msg};

    #[test]
    fn a_dressed_message_says_the_same() {
        let plain = Build::request("INVITE", "sip:101@10.0.0.1")
            .header("Via", "SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bKx;rport")
            .header("From", "\"A\" <sip:100@telex>;tag=yes")
            .header("To", "<sip:101@telex>")
            .header("Call-ID", "c1")
            .header("CSeq", "7 INVITE")
            .body("v=0\r\n");
        let all = crate::plan::HABITS.map_habits();
        for habits in all.iter().map(|h| vec![*h]).chain([all.clone()]) {
            let msg = Msg::read(&dressed(&habits, plain.clone())).expect("readable");
            assert_eq!((msg.method(), msg.branch(), msg.tag("from")), ("INVITE", "z9hG4bKx", Some("yes")));
            assert_eq!((msg.call_id(), msg.cseq()), ("c1", Some((7, "INVITE"))));
            assert_eq!((msg.user("from"), &msg.body[..]), ("100", &b"v=0\r\n"[..]));
        }
    }

    /// All habits that are about writing.
    trait Habits {
        fn map_habits(&self) -> Vec<Habit>;
    }

    impl Habits for [(&str, Habit)] {
        fn map_habits(&self) -> Vec<Habit> {
            self.iter().map(|(_, habit)| *habit).collect()
        }
    }
}
