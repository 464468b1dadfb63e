//! A report as one JSON document.
//!
//! Keys stay as they are; more may be added. The document:
//!
//! - `format` (`pcap` or `pcapng`), `frames`, `octets`, `began` (seconds since 1970, null for an empty capture),
//!   `seconds`, `stopped` (list of `file`, `offset`, `why`: empty when all files were read to their ends).
//! - `sip_requests`, `sip_responses`, `sdp_bodies`, `sip_over_tcp`, `messages_not_kept`: counts of messages.
//! - `rtp_packets`, `rtp_streams`, `rtp_how` (`announced`, `both`, `guessed`), `rtcp_packets`, `dtmf_events`,
//!   `stun_packets`, `ip_fragments`, `suspected_streams`: counts of packets. `mos_assumes`: what the estimates of
//!   opinion take for granted.
//! - `messages`: each with `number`, `frame`, `time` (seconds since 1970), `source`, `destination`, `transport`, `kind`
//!   (`request` or `response`), `method`, `uri`, `status`, `reason`, `from`, `to`, `call_id`, `cseq`, `via`, `contact`,
//!   `content_type`, `headers` (list of name and value), `body` (null when it is not text), `sdp` (list of media:
//!   `kind`, `address`, `port`, `proto`, `direction`, `codecs`, `words`), `repeats`, `defects`.
//! - `streams`: each with `number`, `ssrc` (hexadecimal), `source`, `destination`, `codec`, `payload_type`, `clock`,
//!   `payload_types`, `packets`, `octets`, `expected`, `lost`, `duplicates`, `reordered`, `jitter_ms`,
//!   `jitter_max_ms`, `jitter_last_ms`, `max_gap_ms`, `began`, `seconds`, `mos`, `digits`, `keys` (list of
//!   `key`, `time`, `ms`), `dtmf_events`, `how`, `announced_in`, `call`, `direction` (`to caller`, `to callee`).
//! - `calls`: each with `number`, `call_id`, `from`, `to`, `state`, `status`, `reason`, `setup_seconds`,
//!   `ringing_seconds`, `seconds`, `ended_by`, `messages`, `streams`, `retransmissions`, `wrong` (list of `text` and
//!   `messages`).
//! - `exchanges`: requests outside calls: `method`, `to`, `source`, `destination`, `requests`, `outcomes` (how often
//!   each final status came), `unanswered`, `retransmissions`, `wrong`.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use crate::analysis::{Report, Search};
use crate::calls::{Call, Exchange, Remark, State};
use crate::file::Stopped;
use crate::message::{Message, Start};
use crate::streams::{How, Stream};
use crate::time::Time;

/// The document, made while it is written: a large capture is not held twice.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// What it shows.
    pub report: &'a Report,
    /// Files that could not be read to their ends.
    pub stopped: &'a [(String, &'a Stopped)],
    /// The calls to which the lists are limited; empty for everything. The counts are of the whole capture.
    pub chosen: &'a [&'a Call],
}

/// The document as a value, for who goes on with it.
pub fn document(report: &Report, stopped: &[(String, &Stopped)], chosen: &[&Call]) -> Value {
    // Nothing in it can fail: keys are texts.
    serde_json::to_value(Document { report, stopped, chosen }).unwrap_or_default()
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { report, stopped, chosen } = *self;
        let all = chosen.is_empty();
        let is_chosen = |number: Option<usize>| all || chosen.iter().any(|call| Some(call.number) == number);
        let shown = |m: &&Message| all || chosen.iter().any(|call| call.call_id == m.call_id);
        let mut map = serializer.serialize_map(None)?;
        let stopped = stopped
            .iter()
            .map(|(file, s)| json!({ "file": file, "offset": s.offset, "why": s.why.to_string() }));
        for (key, value) in head(report) {
            map.serialize_entry(key, &value)?;
        }
        map.serialize_entry("stopped", &List(stopped))?;
        map.serialize_entry("messages", &List(report.messages.iter().filter(shown).map(message)))?;
        map.serialize_entry(
            "streams",
            &List(report.streams.iter().filter(|s| is_chosen(s.call)).map(stream)),
        )?;
        let calls = report.calls.iter().filter(|c| is_chosen(Some(c.number)));
        map.serialize_entry("calls", &List(calls.map(call)))?;
        map.serialize_entry("exchanges", &List(report.exchanges.iter().filter(|_| all).map(exchange)))?;
        map.end()
    }
}

/// A list whose elements are made one by one.
struct List<I>(I);

impl<I: Iterator<Item = Value> + Clone> Serialize for List<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone())
    }
}

/// What is assumed where a capture cannot tell.
const MOS: &str = "E-model (ITU-T G.107): 50 ms of network delay, 20 ms of coder, a jitter buffer of twice the jitter and \
    at least 40 ms that loses nothing, no echo, losses that come singly";

/// Everything that is a single value.
fn head(report: &Report) -> Vec<(&'static str, Value)> {
    let c = report.counts;
    let how = match report.search {
        Search::Announced => "announced",
        Search::Both => "both",
        Search::Guessed => "guessed",
    };
    vec![
        ("format", json!(report.format.map(|f| f.to_string()))),
        ("frames", c.frames.into()),
        ("octets", c.octets.into()),
        ("began", json!(report.began.map(seconds))),
        ("seconds", report.began.map_or(0.0, |began| report.ended.seconds_since(began)).into()),
        ("sip_requests", c.requests.into()),
        ("sip_responses", c.responses.into()),
        ("sdp_bodies", c.sdp.into()),
        ("sip_over_tcp", c.over_tcp.into()),
        ("messages_not_kept", c.not_kept.into()),
        ("rtp_packets", c.rtp.into()),
        ("rtp_streams", report.streams.len().into()),
        ("rtp_how", how.into()),
        ("rtcp_packets", c.rtcp.into()),
        ("dtmf_events", c.events.into()),
        ("stun_packets", c.stun.into()),
        ("ip_fragments", c.fragments.into()),
        ("mos_assumes", MOS.into()),
        ("suspected_streams", report.suspects.len().into()),
    ]
}

fn seconds(at: Time) -> f64 {
    at.as_nanos() as f64 / 1e9
}

fn message(m: &Message) -> Value {
    let (uri, status, reason) = match &m.start {
        Start::Request { uri, .. } => (Some(uri), None, None),
        Start::Response { status, reason } => (None, Some(status), Some(reason)),
    };
    let headers: Vec<Value> = m.fields().map(|f| json!([f.name, f.value])).collect();
    let media = m.description().map(|description| {
        let words = description.words();
        let media = description.media.iter().zip(words).map(|(media, words)| {
            json!({
                "kind": media.kind,
                "address": media.address.map(|a| a.to_string()),
                "port": media.port,
                "proto": media.proto,
                "direction": media.direction.as_str(),
                "codecs": media.codecs.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "words": words,
            })
        });
        media.collect::<Vec<_>>()
    });
    json!({
        "number": m.number,
        "frame": m.frame,
        "time": seconds(m.at),
        "source": m.source.to_string(),
        "destination": m.destination.to_string(),
        "transport": m.transport.as_str(),
        "kind": if m.is_request() { "request" } else { "response" },
        "method": m.method(),
        "uri": uri,
        "status": status,
        "reason": reason,
        "from": m.header("From"),
        "to": m.header("To"),
        "call_id": m.call_id,
        "cseq": m.header("CSeq"),
        "via": m.values("Via"),
        "contact": m.values("Contact"),
        "content_type": m.header("Content-Type"),
        "headers": headers,
        "body": std::str::from_utf8(m.body()).ok(),
        "sdp": media,
        "repeats": m.repeats,
        "defects": m.defects,
    })
}

fn stream(s: &Stream) -> Value {
    let (how, message) = match s.how {
        How::Announced { message } => ("announced", Some(message)),
        How::AnnouncedSource { message } => ("source announced", Some(message)),
        How::Guessed => ("guessed", None),
    };
    let types = s.types.iter().map(|t| {
        json!({ "payload_type": t.codec.payload_type, "codec": t.codec.name, "packets": t.packets, "expected": t.expected })
    });
    let clock = s.codec.clock.max(8000);
    let keys = s.digits.iter().map(|digit| {
        let ms = u64::from(digit.duration) * 1000 / u64::from(clock);
        json!({ "key": digit.key, "time": seconds(digit.at), "ms": ms })
    });
    json!({
        "number": s.number,
        "ssrc": format!("{:08x}", s.ssrc),
        "source": s.source.to_string(),
        "destination": s.destination.to_string(),
        "kind": s.kind,
        "codec": s.codec.title(),
        "payload_type": s.codec.payload_type,
        "clock": s.codec.clock,
        "payload_types": types.collect::<Vec<_>>(),
        "packets": s.packets,
        "octets": s.octets,
        "expected": s.expected,
        "lost": s.lost,
        "duplicates": s.duplicates,
        "reordered": s.reordered,
        "jitter_ms": s.jitter.map(|j| rounded(j.mean)),
        "jitter_max_ms": s.jitter.map(|j| rounded(j.most)),
        "jitter_last_ms": s.jitter.map(|j| rounded(j.last)),
        "max_gap_ms": rounded(s.gap.length.as_secs_f64() * 1000.0),
        "began": seconds(s.began),
        "seconds": s.duration().as_secs_f64(),
        "mos": s.mos.map(rounded),
        "digits": s.keys(),
        "keys": keys.collect::<Vec<_>>(),
        "dtmf_events": s.events,
        "encrypted": s.secure,
        "how": how,
        "announced_in": message,
        "call": s.call,
        "direction": s.call.map(|_| if s.to_caller { "to caller" } else { "to callee" }),
    })
}

/// To three places.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn call(c: &Call) -> Value {
    let (status, reason) = match &c.state {
        State::Refused(status, reason) => (Some(status), Some(reason)),
        _ => (None, None),
    };
    let ended_by = c.ended.map(|_| if c.ended_by_caller { "caller" } else { "callee" });
    json!({
        "number": c.number,
        "call_id": c.call_id,
        "from": c.from,
        "to": c.to,
        "caller": c.caller.to_string(),
        "callee": c.callee.to_string(),
        "state": c.state.as_str(),
        "status": status,
        "reason": reason,
        "began": seconds(c.began),
        "ringing_seconds": c.ringing.map(|at| at.seconds_since(c.began)),
        "setup_seconds": c.setup().map(|d| d.as_secs_f64()),
        "seconds": c.duration().map(|d| d.as_secs_f64()),
        "ended_by": ended_by,
        "messages": c.messages,
        "streams": c.streams,
        "retransmissions": c.retransmissions,
        "wrong": wrong(&c.remarks),
    })
}

fn exchange(e: &Exchange) -> Value {
    let outcomes: serde_json::Map<String, Value> =
        e.outcomes.iter().map(|(status, count)| (status.to_string(), json!(count))).collect();
    json!({
        "method": e.method,
        "to": e.to,
        "source": e.source.to_string(),
        "destination": e.destination.to_string(),
        "requests": e.requests,
        "outcomes": outcomes,
        "unanswered": e.unanswered.len(),
        "retransmissions": e.retransmissions,
        "wrong": wrong(&e.remarks),
    })
}

fn wrong(remarks: &[Remark]) -> Value {
    remarks.iter().map(|r| json!({ "text": r.text, "messages": r.messages })).collect()
}
