//! Answers as tables for people.

use std::fmt::Write as _;
use std::time::Duration;

use telex_engine::limits;

use super::{Call, Registration, Reloaded, Reply, Sound, Stats};
use crate::log::{Escaped, Talked};

/// A reply as text, ending in a newline.
pub(crate) fn render(reply: &Reply) -> String {
    match reply {
        Reply::Registrations(all) if all.is_empty() => "no phone is registered\n".to_owned(),
        Reply::Registrations(all) => registrations(all),
        Reply::Calls(all) if all.is_empty() => "no calls\n".to_owned(),
        Reply::Calls(all) => calls(all),
        Reply::HungUp(call) => format!("call {call} is being ended\n"),
        Reply::Recorded { call, unheard } => {
            let note = |side| {
                format!("call {call}: nothing of the {side} is recorded: its codec cannot be decoded\n")
            };
            format!("call {call}: done\n") + &unheard.iter().map(note).collect::<String>()
        }
        Reply::Explained { call, record, from, to, considered, text } => {
            let (from, to) = (Escaped(from), Escaped(to));
            let looked = match considered.is_empty() {
                true => "The dialplan has been changed since: what was looked at is not known.\n",
                false => "Looked for:\n",
            };
            let mut told = format!("call {call} ({record}): {from} called {to}\n{looked}");
            considered.lines().chain(text.lines()).for_each(|line| told += &format!("{}\n", Escaped(line)));
            told
        }
        Reply::Foretold { when, context, considered, way, ends, rings, supposed, over } => {
            let mut text = format!("On {when}, looked for in context [{context}]:\n");
            considered.lines().chain(way.lines()).for_each(|line| text += &format!("{}\n", Escaped(line)));
            let rings = if rings.is_empty() { "nobody".to_owned() } else { rings.join(", then ") };
            let ends = if *over { ends } else { "it goes on; no more is told" };
            text += &format!("It rings {rings}; {ends}.\n");
            if !supposed.is_empty() {
                let supposed: Vec<String> = supposed.iter().map(|line| Escaped(line).to_string()).collect();
                let supposed = supposed.join("; ");
                text += &format!("Supposed: {supposed} (--phone, --dial and --keys say otherwise).\n");
            }
            text
        }
        Reply::Codecs(plan) => plan.to_string(),
        Reply::Stats(stats) => show_stats(stats),
        Reply::Recording(cut) => format!("a recording of {} octets\n", cut.octets),
        Reply::Reloaded(now) => reloaded(now),
        Reply::Error(error) => format!("{error}\n"),
    }
}

fn reloaded(now: &Reloaded) -> String {
    let lines = [now.dialplan.as_str()].into_iter().chain(now.warnings.iter().map(String::as_str));
    let lines: String =
        lines.filter(|line| !line.is_empty()).map(|line| format!("{}\n", Escaped(line))).collect();
    format!("{}\n{lines}", now.line())
}

impl Reloaded {
    /// The heart of it, for the log and for who asked.
    pub(crate) fn line(&self) -> String {
        let s = if self.phones == 1 { "" } else { "s" };
        format!("configuration read again: {} phone{s}, listening on {}", self.phones, self.listening)
    }
}

fn registrations(all: &[Registration]) -> String {
    let heads = ["phone", "address", "over", "expires in", "contact", "device"];
    table(
        heads,
        all.iter().map(|r| {
            let expires = format!("{} s", r.expires_in);
            [
                r.extension.clone(),
                r.source.clone(),
                r.transport.clone(),
                expires,
                r.contact.clone(),
                r.user_agent.clone(),
            ]
        }),
    )
}

fn calls(all: &[Call]) -> String {
    let heads = ["call", "from", "to", "state", "codec", "talking", "age", "lost", "jitter", "MOS"];
    let time = |seconds| Talked(Duration::from_secs(seconds)).to_string();
    table(
        heads,
        all.iter().map(|c| {
            let talking = c.talking.map(time).unwrap_or_default();
            [
                c.id.to_string(),
                c.from.clone(),
                c.to.clone(),
                state(c),
                c.codec.clone(),
                talking,
                time(c.age),
                both(c, |sound| (sound.received > 0).then(|| (sound.lost + sound.late).to_string())),
                both(c, |sound| (sound.received > 0).then(|| format!("{} ms", sound.jitter.div_ceil(1000)))),
                both(c, |sound| {
                    (sound.mos > 0).then(|| format!("{}.{:02}", sound.mos / 100, sound.mos % 100))
                }),
            ]
        }),
    )
}

/// How far a call is, and whether it is recorded.
fn state(call: &Call) -> String {
    match (call.recorded, &call.unheard[..]) {
        (false, _) => call.state.clone(),
        (true, []) => format!("{}, recorded", call.state),
        (true, unheard) => format!("{}, recorded without {}", call.state, unheard.join(" and ")),
    }
}

/// A figure of the caller's sound and one of the callee's, as far as they are known.
fn both(call: &Call, figure: impl Fn(&Sound) -> Option<String>) -> String {
    let one = |sound| figure(sound).unwrap_or_else(|| "-".to_owned());
    match (figure(&call.caller), figure(&call.callee)) {
        (None, None) => String::new(),
        _ => format!("{} / {}", one(&call.caller), one(&call.callee)),
    }
}

fn show_stats(s: &Stats) -> String {
    let of = |n: usize, limit: usize| format!("{n} of {limit}");
    let rows = [
        ("version", s.version.clone()),
        ("uptime", Talked(Duration::from_secs(s.uptime)).to_string()),
        ("calls", of(s.calls, limits::CALLS)),
        ("legs", s.legs.to_string()),
        ("dialogs", s.dialogs.to_string()),
        ("transactions", of(s.transactions, limits::TRANSACTIONS)),
        ("registrations", s.registrations.to_string()),
        ("subscriptions", of(s.subscriptions, limits::SUBSCRIPTIONS)),
        ("TCP streams", of(s.streams, limits::STREAMS)),
        ("media port pairs", s.ports.to_string()),
        ("timers", s.timers.to_string()),
        ("known sources", of(s.known, limits::KNOWN_ADDRESSES)),
        ("strangers", of(s.strangers, limits::SOURCES)),
        ("password guessers", of(s.guessers, limits::GUESSERS)),
        ("messages received", s.received.to_string()),
        ("  malformed", s.malformed.to_string()),
        ("  over their rate", s.limited.to_string()),
        ("refused: no room", s.full.to_string()),
        ("refused: no time", s.shed.to_string()),
        ("guesses slowed", s.slowed.to_string()),
    ];
    rows.into_iter().fold(String::new(), |mut out, (name, value)| {
        let _ = writeln!(out, "{name:<18} {value}");
        out
    })
}

/// Columns two spaces apart, as wide as their widest cell. Cells are escaped: they may come from a phone.
pub(crate) fn table<const N: usize>(heads: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut lines = vec![heads.map(str::to_owned)];
    lines.extend(rows.map(|row| row.map(|cell| Escaped(&cell).to_string())));
    let widths: [usize; N] = std::array::from_fn(|i| {
        lines.iter().filter_map(|line| line.get(i)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    });
    let mut out = String::new();
    for line in &lines {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(widths) {
            let _ = write!(text, "{cell:<width$}  ");
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up_and_are_escaped() {
        let registration = |extension: &str, device: &str| Registration {
            extension: extension.to_owned(),
            contact: "sip:100@192.0.2.10".to_owned(),
            transport: "UDP".to_owned(),
            source: "192.0.2.10:5060".to_owned(),
            expires_in: 3512,
            user_agent: device.to_owned(),
        };
        let all = vec![registration("100", "Phone\x1b[31m"), registration("reception", "")];
        insta::assert_snapshot!(render(&Reply::Registrations(all)), @r#"
        phone      address          over  expires in  contact             device
        100        192.0.2.10:5060  UDP   3512 s      sip:100@192.0.2.10  Phone\x1b[31m
        reception  192.0.2.10:5060  UDP   3512 s      sip:100@192.0.2.10
        "#);
    }

    #[test]
    fn calls_show_how_long_people_talk() {
        let heard = Sound { received: 3700, lost: 3, late: 1, jitter: 1501, mos: 438, ..Sound::default() };
        let call = |id, state: &str, talking: Option<u64>| Call {
            id,
            from: "100".to_owned(),
            to: "101".to_owned(),
            state: state.to_owned(),
            codec: "PCMU".to_owned(),
            age: 80,
            talking,
            recorded: id == 13,
            unheard: if id == 13 { vec!["callee".to_owned()] } else { vec![] },
            caller: talking.map(|_| heard.clone()).unwrap_or_default(),
            callee: Sound::default(),
        };
        insta::assert_snapshot!(render(&Reply::Calls(vec![call(7, "up", Some(75)), call(12, "ringing", None)])), @r#"
        call  from  to   state    codec  talking  age   lost   jitter    MOS
        7     100   101  up       PCMU   1:15     1:20  4 / -  2 ms / -  4.38 / -
        12    100   101  ringing  PCMU            1:20
        "#);
        let recorded = render(&Reply::Calls(vec![call(13, "held", None)]));
        assert!(recorded.contains("held, recorded without callee"), "{recorded}");
        let done = render(&Reply::Recorded { call: 13, unheard: vec!["callee".to_owned()] });
        assert_eq!(
            done,
            "call 13: done\ncall 13: nothing of the callee is recorded: its codec cannot be decoded\n"
        );
    }

    #[test]
    fn stats_show_how_full_the_tables_are() {
        let stats = Stats { version: "1".into(), uptime: 75, calls: 3, shed: 7, ..Stats::default() };
        insta::assert_snapshot!(render(&Reply::Stats(stats)), @r"
        version            1
        uptime             1:15
        calls              3 of 50000
        legs               0
        dialogs            0
        transactions       0 of 400000
        registrations      0
        subscriptions      0 of 50000
        TCP streams        0 of 60000
        media port pairs   0
        timers             0
        known sources      0 of 65536
        strangers          0 of 16384
        password guessers  0 of 16384
        messages received  0
          malformed        0
          over their rate  0
        refused: no room   0
        refused: no time   7
        guesses slowed     0
        ");
    }

    #[test]
    fn requests_and_replies_are_plain_json() {
        let json = |r| serde_json::to_string(&r).unwrap();
        assert_eq!(json(super::super::Request::Calls), r#"{"do":"calls"}"#);
        assert_eq!(json(super::super::Request::Hangup { call: 7 }), r#"{"do":"hangup","call":7}"#);
        let order = super::super::RecordOrder::Start { what: super::super::RecordWhat::Mixed, format: None };
        let record = r#"{"do":"recording","call":7,"order":{"start":{"what":"mixed"}}}"#;
        assert_eq!(json(super::super::Request::Recording { call: 7, order }), record);
        let read = |text: &str| serde_json::from_str::<super::super::Request>(text);
        assert_eq!(read(record).unwrap(), super::super::Request::Recording { call: 7, order });
        let pause = r#"{"do":"recording","call":7,"order":"pause"}"#;
        let order = super::super::RecordOrder::Pause;
        assert_eq!(read(pause).unwrap(), super::super::Request::Recording { call: 7, order });
        assert!(read(r#"{"do":"hangup","call":7,"now":true}"#).is_err(), "what is not known is refused");
        assert_eq!(serde_json::to_string(&Reply::HungUp(7)).unwrap(), r#"{"hung_up":7}"#);
        let stats = serde_json::to_string(&Reply::Stats(Stats::default())).unwrap();
        insta::assert_snapshot!(stats, @r#"{"stats":{"version":"","uptime":0,"calls":0,"legs":0,"dialogs":0,"transactions":0,"registrations":0,"subscriptions":0,"streams":0,"ports":0,"timers":0,"received":0,"malformed":0,"known":0,"strangers":0,"guessers":0,"slowed":0,"limited":0,"full":0,"shed":0}}"#);
    }
}
