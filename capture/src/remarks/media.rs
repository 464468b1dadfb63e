//! What looks wrong in the media of a call.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{Remarks, named, times};
use crate::analysis::Report;
use crate::calls::{Call, State};
use crate::limits::REMARKS;
use crate::message::Message;
use crate::sdp::{Direction, Media};
use crate::streams::Stream;
use crate::time::{Time, span};

/// A call shorter than this may have no media.
const SHORT: Duration = Duration::from_secs(1);
/// Packets that make a stream worth speaking of.
const SOME: u64 = 10;
/// A silence that people notice.
const SILENCE: Duration = Duration::from_secs(1);
/// Loss and jitter that people notice.
const LOSS: f64 = 0.01;
const JITTER: f64 = 30.0;
/// Opinion under which many people are dissatisfied (G.107 annex B).
const OPINION: f64 = 3.6;

/// What one side of a call said about its audio.
#[derive(Debug, Default)]
struct Side {
    /// Where it awaits media.
    places: BTreeSet<SocketAddr>,
    sends: bool,
    receives: bool,
    /// Messages that said so.
    messages: Vec<usize>,
    /// From when on it sends and receives, as it said.
    ways: Vec<(Time, Direction)>,
}

impl Side {
    /// Whether it wanted media both ways all the time between two moments: a party that holds may be silent, too.
    fn talks(&self, from: Time, to: Time) -> bool {
        let before = self.ways.iter().rev().find(|(at, _)| *at <= from);
        let within = self.ways.iter().filter(|(at, _)| (from..=to).contains(at));
        before.into_iter().chain(within).all(|(_, way)| *way == Direction::SendRecv)
    }
}

pub(super) fn of_call(report: &Report, call: &Call, strays: &Strays<'_>, remarks: &mut Remarks) {
    let streams: Vec<&Stream> = call.streams.iter().filter_map(|n| report.stream(*n)).collect();
    let [caller, callee] = sides(report, call);
    if call.state == State::Answered && call.duration() >= Some(SHORT) {
        one_way(report, call, &streams, [&caller, &callee], remarks);
    }
    answer(report, call, remarks);
    for stream in &streams {
        let (from, to) = if stream.to_caller { (&callee, &caller) } else { (&caller, &callee) };
        quality(stream, remarks);
        silence(stream, from, to, remarks);
        payload_types(stream, remarks);
        after_the_end(call, stream, remarks);
        origin(stream, from, remarks);
    }
    let places: BTreeSet<SocketAddr> = caller.places.union(&callee.places).copied().collect();
    unannounced(strays, call, &places, remarks);
    undelivered(report, call, &places, remarks);
}

/// What caller and callee said.
fn sides(report: &Report, call: &Call) -> [Side; 2] {
    let mut sides = [Side::default(), Side::default()];
    for message in call.messages.iter().filter_map(|n| report.message(*n)) {
        let [caller, callee] = &mut sides;
        let side = if call.is_of_caller(message) { caller } else { callee };
        for media in message.description().map(|d| d.media).unwrap_or_default() {
            if media.is_rtp() && media.kind == "audio" {
                let held = media.address.is_some_and(|a| a.is_unspecified());
                side.ways.push((message.at, if held { Direction::SendOnly } else { media.direction }));
            }
            let Some(place) = media.rtp() else { continue };
            side.places.insert(place);
            side.places.extend(media.candidates.iter().copied());
            side.sends |= media.direction.sends();
            side.receives |= media.direction.receives();
            side.messages.push(message.number);
        }
    }
    sides
}

/// Media one way only, or none at all.
fn one_way(
    report: &Report,
    call: &Call,
    streams: &[&Stream],
    [caller, callee]: [&Side; 2],
    remarks: &mut Remarks,
) {
    let packets =
        |to_caller: bool| streams.iter().filter(|s| s.to_caller == to_caller).map(|s| s.packets).sum::<u64>();
    let (to_caller, to_callee) = (packets(true), packets(false));
    let wanted = |from: &Side, to: &Side| from.sends && to.receives;
    let list = |side: &Side| {
        let places: Vec<String> = side.places.iter().map(ToString::to_string).collect();
        if places.is_empty() { "nowhere".to_owned() } else { places.join(", ") }
    };
    let text = if to_caller == 0 && to_callee >= SOME && wanted(callee, caller) {
        format!(
            "one-way media: {to_callee} packets to the callee, none to the caller, who awaits them on {} ({})",
            list(caller),
            named(&caller.messages)
        )
    } else if to_callee == 0 && to_caller >= SOME && wanted(caller, callee) {
        format!(
            "one-way media: {to_caller} packets to the caller, none to the callee, who awaits them on {} ({})",
            list(callee),
            named(&callee.messages)
        )
    } else if to_callee + to_caller == 0 && report.counts.rtp > 0 && wanted(caller, callee) {
        "no media at all, though other calls in the capture have some".to_owned()
    } else {
        return;
    };
    let answer = call
        .messages
        .iter()
        .copied()
        .filter(|n| report.message(*n).is_some_and(|m| m.method() == "INVITE" && m.has_sdp));
    remarks.add(text, answer);
}

/// An answer that has no codec of the offer before it.
fn answer(report: &Report, call: &Call, remarks: &mut Remarks) {
    let mut offer: Option<(&Message, Vec<Media>)> = None;
    for message in call.messages.iter().filter_map(|n| report.message(*n)).filter(|m| m.repeats.is_none()) {
        let Some(description) = message.description() else { continue };
        let is_answer = message.status().is_some_and(|s| s < 300);
        if let (true, Some((offering, offered))) = (is_answer, &offer)
            && offering.cseq == message.cseq
        {
            for (ours, theirs) in description.media.iter().zip(offered) {
                let both = |m: &Media| m.port != 0 && m.is_rtp() && !m.codecs.is_empty();
                let known = |c: &crate::codec::Codec| {
                    theirs.codecs.iter().any(|o| {
                        (o.name.eq_ignore_ascii_case(&c.name) && o.clock == c.clock && !o.name.is_empty())
                            || o.payload_type == c.payload_type
                    })
                };
                if both(ours) && both(theirs) && !ours.codecs.iter().any(known) {
                    let text = format!(
                        "no {} codec of the answer (message {}) is in the offer (message {})",
                        ours.kind, message.number, offering.number
                    );
                    remarks.add(text, [offering.number, message.number]);
                }
            }
        }
        if message.is_request() {
            offer = Some((message, description.media));
        }
    }
}

/// Loss and jitter, and what listeners would say.
fn quality(stream: &Stream, remarks: &mut Remarks) {
    let mut parts = Vec::new();
    if stream.loss() > LOSS {
        let percent = 100.0 * stream.loss();
        parts.push(format!("lost {} of {} packets ({percent:.1} %)", stream.lost, stream.expected));
    }
    // Timestamps that stood still during a pause make a jitter that nobody hears.
    let paused = stream.gap.length > SILENCE;
    if let Some(jitter) = stream.jitter.filter(|j| j.mean > JITTER && !paused) {
        parts.push(format!("has {:.0} ms of jitter", jitter.mean));
    }
    if let Some(mos) = stream.mos.filter(|mos| *mos < OPINION && !(paused && parts.is_empty())) {
        parts.push(format!("would be called poor (MOS {mos:.1})"));
    }
    if !parts.is_empty() && stream.packets >= SOME {
        let (number, source, destination) = (stream.number, stream.source, stream.destination);
        remarks.add(format!("stream {number} ({source} to {destination}) {}", parts.join(", ")), []);
    }
}

/// A silence that is not explained by hold.
fn silence(stream: &Stream, from: &Side, to: &Side, remarks: &mut Remarks) {
    let gap = stream.gap;
    let began = Time::from_nanos(gap.until.as_nanos().saturating_sub(gap.length.as_nanos() as u64));
    let due = from.talks(began, gap.until) && to.talks(began, gap.until);
    if gap.length > SILENCE && due {
        let (number, source, destination) = (stream.number, stream.source, stream.destination);
        let length = span(gap.length);
        remarks.add(
            format!(
                "stream {number} ({source} to {destination}) pauses for {length} before frame {}",
                gap.frame
            ),
            [],
        );
    }
}

/// Payload types that the receiver did not name.
fn payload_types(stream: &Stream, remarks: &mut Remarks) {
    for carried in stream.types.iter().filter(|t| !t.expected && t.codec.name != "CN") {
        let text = format!(
            "stream {} has {} packets of payload type {} ({}), which {} did not name in its session description",
            stream.number,
            carried.packets,
            carried.codec.payload_type,
            if carried.codec.name.is_empty() { "unknown" } else { &carried.codec.name },
            stream.destination
        );
        remarks.add(text, []);
    }
}

/// Media that goes on when the call has ended.
fn after_the_end(call: &Call, stream: &Stream, remarks: &mut Remarks) {
    if let Some(ended) =
        call.ended.filter(|ended| stream.ended.since(*ended) > SILENCE && stream.began < *ended)
    {
        let text =
            format!("stream {} goes on for {} after the BYE", stream.number, span(stream.ended.since(ended)));
        remarks.add(text, []);
    }
}

/// Media that comes from another host than its sender announced.
fn origin(stream: &Stream, sender: &Side, remarks: &mut Remarks) {
    let hosts: BTreeSet<IpAddr> = sender.places.iter().map(SocketAddr::ip).collect();
    if !hosts.is_empty() && !hosts.contains(&stream.source.ip()) {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let text = format!(
            "stream {} comes from {}, but its sender announced {} ({}): NAT or a relay between them",
            stream.number,
            stream.source,
            hosts.join(", "),
            named(&sender.messages)
        );
        remarks.add(text, sender.messages.iter().copied());
    }
}

/// Streams of no call, by the hosts they go between.
pub(super) type Strays<'a> = BTreeMap<IpAddr, Vec<&'a Stream>>;

/// What looks like RTP and belongs to no call.
pub(super) fn strays(report: &Report) -> Strays<'_> {
    let mut strays = Strays::new();
    let others = report.streams.iter().filter(|s| s.call.is_none());
    for stream in report.suspects.iter().chain(others) {
        let (from, to) = (stream.source.ip(), stream.destination.ip());
        strays.entry(from).or_default().push(stream);
        if to != from {
            strays.entry(to).or_default().push(stream);
        }
    }
    strays
}

/// What looks like RTP between the hosts of this call and was not announced.
fn unannounced(strays: &Strays<'_>, call: &Call, places: &BTreeSet<SocketAddr>, remarks: &mut Remarks) {
    let hosts: BTreeSet<IpAddr> = places.iter().map(SocketAddr::ip).collect();
    let within = |at: Time| at >= call.began && at <= call.ended.unwrap_or(call.last);
    let streams = hosts.iter().filter_map(|host| strays.get(host)).flatten();
    for stream in streams.filter(|s| within(s.began)).take(REMARKS) {
        let text = format!(
            "media to a port never announced: {} packets of {} from {} to {}, from frame {} on",
            stream.packets,
            stream.codec.title(),
            stream.source,
            stream.destination,
            stream.frame
        );
        remarks.add(text, []);
    }
}

/// What ICMP says could not be delivered of this call.
fn undelivered(report: &Report, call: &Call, places: &BTreeSet<SocketAddr>, remarks: &mut Remarks) {
    for told in &report.undelivered {
        let media = places.contains(&told.destination);
        if media || told.destination == call.callee || told.destination == call.caller {
            let text = format!(
                "{} says {} that {} cannot be reached (ICMP): {}",
                told.by,
                times(told.count as usize),
                told.destination,
                if media { "nobody listens where media was announced" } else { "nobody listens there" }
            );
            remarks.add(text, []);
        }
    }
}
