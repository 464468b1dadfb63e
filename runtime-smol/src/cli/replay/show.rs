//! The state of a machine at a moment, in words.

use std::fmt::Write as _;

use clap::ValueEnum;
use telex_engine::Signalling;
use telex_engine::border::CallState;
use telex_engine::time::Instant;
use telex_engine::view::{CallView, MediaView, SessionView, TimerView, TransactionView, View};
use telex_replay::MediaReplayError;
use telex_replay::words::span;

use super::media::{Known, Media};
use crate::log::Escaped;

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum What {
    /// Calls with their parties, dialogs, transactions, timers and media.
    Call,
    /// Transactions that belong to no call, and their timers.
    Transactions,
    /// All timers, the next first.
    Timers,
    /// Registrations.
    Registrations,
    /// TCP streams.
    Streams,
    /// The media of calls: what signalling wants, and what the legs are like if the recording has media.
    Media,
    /// All of these.
    All,
}

/// What the machines hold at `now`, before the input of this number, as lines.
pub(super) fn show(
    machine: &Signalling,
    media: &mut Media<'_>,
    what: &[What],
    position: usize,
    now: Instant,
) -> Result<String, MediaReplayError> {
    if what.is_empty() {
        return Ok(String::new());
    }
    let view = View { now, ..machine.view() };
    let mut out = String::new();
    let wants = |part| what.contains(&part) || what.contains(&What::All);
    if wants(What::Call) || wants(What::Media) {
        let mut legs = media.legs(position, now)?;
        calls(&mut out, &view, wants(What::Call), &mut Legs { media, legs: &mut legs });
        for known in &legs {
            let _ = writeln!(out, "media leg {} on port {}, of no call", known.view.leg.0, known.view.port.0);
            out.push_str(&media.leg(known, now));
        }
    }
    if wants(What::Media) && media.is_empty() {
        out.push_str("media is shown as signalling wanted it: this recording has no packets\n");
    }
    if wants(What::Transactions) {
        let _ = writeln!(out, "transactions of no call: {}", view.transactions.len());
        view.transactions.iter().for_each(|txn| transaction(&mut out, txn, view.now, "  "));
    }
    if wants(What::Registrations) {
        registrations(&mut out, &view);
    }
    if wants(What::Streams) {
        streams(&mut out, &view);
    }
    if wants(What::Timers) {
        let _ = writeln!(out, "timers: {}", view.timers.len());
        for timer in &view.timers {
            let _ = writeln!(out, "  {}", left(timer, view.now));
        }
    }
    Ok(out)
}

/// The legs that no call has named yet.
struct Legs<'a, 'b> {
    media: &'a Media<'b>,
    legs: &'a mut Vec<Known>,
}

/// `timer B 12.4 s left`.
fn left(timer: &TimerView, now: Instant) -> String {
    if timer.at <= now {
        return format!("{} is due", timer.name);
    }
    format!("{} {} left", timer.name, span(timer.at.since(now)))
}

fn timers(all: &[TimerView], now: Instant) -> String {
    match all {
        [] => "no timer".to_owned(),
        all => all.iter().map(|timer| left(timer, now)).collect::<Vec<_>>().join(", "),
    }
}

fn calls(out: &mut String, view: &View, whole: bool, legs: &mut Legs<'_, '_>) {
    if view.calls.is_empty() {
        out.push_str("no calls\n");
    }
    for call in &view.calls {
        one_call(out, call, view.now, whole, legs);
    }
    if whole {
        for session in &view.loose {
            out.push_str("a session that its call has let go of\n");
            one_session(out, session, view.now);
        }
    }
}

const fn state(state: CallState) -> &'static str {
    match state {
        CallState::Calling => "calling",
        CallState::Ringing => "ringing",
        CallState::Up => "up",
        CallState::Held => "held",
        CallState::Ending => "ending",
    }
}

fn one_call(out: &mut String, call: &CallView, now: Instant, whole: bool, legs: &mut Legs<'_, '_>) {
    let (from, to, age) = (Escaped(&call.from), Escaped(&call.to), span(call.age));
    let _ = writeln!(
        out,
        "call {}: {from} to {to}, {} for {age}, in charge: {}",
        call.id,
        state(call.state),
        call.app
    );
    if whole && !call.timers.is_empty() {
        let _ = writeln!(out, "  {}", timers(&call.timers, now));
    }
    for wait in &call.waiting {
        let _ = writeln!(out, "  waiting for: {}", Escaped(wait));
    }
    for (n, party) in call.parties.iter().enumerate() {
        let who = if n == 0 { "caller".to_owned() } else { format!("callee {}", Escaped(&party.contact)) };
        match &party.session {
            Some(session) if whole => {
                let _ = writeln!(out, "  {who}: {}", session.state);
                one_session(out, session, now);
            }
            Some(_) => {
                let _ = writeln!(out, "  {who}");
            }
            None => {
                let _ = writeln!(out, "  {who}: let go");
            }
        }
        media(out, &party.media);
        if let Some(place) = legs.legs.iter().position(|known| known.view.leg.0 == party.media.leg) {
            let known = legs.legs.remove(place);
            out.push_str(&legs.media.leg(&known, now));
        }
    }
}

fn one_session(out: &mut String, session: &SessionView, now: Instant) {
    for dialog in &session.dialogs {
        let remote = dialog.remote_cseq.map_or_else(|| "none".to_owned(), |cseq| cseq.to_string());
        let _ = writeln!(
            out,
            "    dialog {}, Call-ID {}, our tag {}, its tag {}, CSeq ours {} its {remote}, Contact {}",
            dialog.state,
            Escaped(&dialog.call_id),
            Escaped(&dialog.local_tag),
            Escaped(&dialog.remote_tag),
            dialog.local_cseq,
            Escaped(&dialog.target)
        );
    }
    for wait in &session.waiting {
        let _ = writeln!(out, "    waiting for: {wait}");
    }
    if !session.timers.is_empty() {
        let _ = writeln!(out, "    {}", timers(&session.timers, now));
    }
    session.transactions.iter().for_each(|txn| transaction(out, txn, now, "    "));
}

fn transaction(out: &mut String, txn: &TransactionView, now: Instant, indent: &str) {
    let way = match txn.server {
        true => "from",
        false => "to",
    };
    let remote = txn.remote.map_or_else(|| "nowhere".to_owned(), |remote| remote.to_string());
    let (method, state, timers) = (txn.method, &txn.state, timers(&txn.timers, now));
    let _ = writeln!(
        out,
        "{indent}transaction {method} {way} {remote}: {state}; {timers}; {}",
        Escaped(&txn.branch)
    );
}

fn media(out: &mut String, media: &MediaView) {
    let remote = media.remote.map_or_else(|| "nowhere yet".to_owned(), |remote| remote.to_string());
    let flows = match media.flows {
        None => "nothing agreed",
        Some((true, true)) => "both ways",
        Some((true, false)) => "to it only",
        Some((false, true)) => "from it only",
        Some((false, false)) => "held",
    };
    let codec = if media.codec.is_empty() { "no codec yet" } else { media.codec.as_str() };
    let shard = if media.put { "running" } else { "not running" };
    let _ = writeln!(
        out,
        "    media leg {} on port {}: {shard}, sends to {remote}, {flows}, {codec}, {}, revision {}",
        media.leg, media.port, media.offer, media.revision
    );
    let s = &media.stats;
    if s.received + s.sent > 0 {
        let _ = writeln!(
            out,
            "      at its end: {} packets received, {} sent, {} lost",
            s.received, s.sent, s.lost
        );
    }
}

fn registrations(out: &mut String, view: &View) {
    let _ = writeln!(out, "registrations: {}", view.registrations.len());
    for binding in &view.registrations {
        let info = &binding.info;
        let (extension, contact) = (Escaped(&info.extension), Escaped(&info.contact));
        let (transport, expires) = (info.transport.as_str(), span(info.expires_in));
        let _ =
            writeln!(out, "  {extension} at {contact}, {transport} {}, expires in {expires}", info.source);
    }
}

fn streams(out: &mut String, view: &View) {
    let _ = writeln!(out, "streams: {}", view.streams.len());
    for stream in &view.streams {
        let (state, timers) = (stream.state, timers(&stream.timers, view.now));
        let _ = write!(
            out,
            "  {} {} {}: {state}; {timers}",
            stream.transport.as_str(),
            stream.stream,
            stream.remote
        );
        match stream.unfinished {
            0 => out.push('\n'),
            octets => {
                let _ = writeln!(out, "; {octets} octets of a message that is not whole");
            }
        }
    }
}
