//! Who hears whom, how loud and how much of it, where sound is coded anew on its way.

use telex_engine::time::{Duration, Instant};

use super::media::Talks;
use super::{Broken, Verdict, broken};
use crate::expect;
use crate::net::Network;
use crate::phone::{Clear, Ear, Leg, Phone, Spurt, Voice};
use crate::plan::Plan;

/// Frames of one voice that follow each other within this are no accident.
const TOGETHER: Duration = Duration::from_millis(70);
/// A key that is made into tones sounds for no longer after it was pressed.
const KEY: Duration = Duration::from_millis(900);
/// Media flows this long after both sides are up.
const SETTLED: Duration = Duration::from_millis(600);
/// What is said is heard within this: two links of 100 ms, and a wait for packets that come late.
const ON_THE_WAY: Duration = Duration::from_millis(800);
/// The wait for packets that came late in a lump is over after this.
const AFTER_CLOG: Duration = Duration::from_secs(20);
/// Frames of a spurt that need not be clear: it begins and ends within a frame.
const EDGES: usize = 2;
/// A packet that is lost or late costs so many frames: itself, what is faded or stretched around it, and late ones make
/// the wait longer.
const PER_TROUBLE: usize = 4;
/// So many frames tell the level.
const ENOUGH: usize = 12;

/// `nobody_hears_a_stranger`, after a packet was decoded: two clear frames together, as loud as they were
/// spoken, are of the other side of the call. What a codec makes of a lost packet is softer.
pub(crate) fn right_voice(now: Instant, phones: &[Phone], leg: &Leg) -> Verdict {
    let [.., one, two] = leg.ear.clear[..] else { return Ok(()) };
    let loud = one.level && two.level;
    if two.at != now || one.pitch != two.pitch || !loud || one.at + TOGETHER < two.at {
        return Ok(());
    }
    let all = || phones.iter().flat_map(|phone| &phone.legs);
    let pressed = |other: &Leg| other.pressed.last().is_some_and(|key| key.at + KEY >= now);
    if all().any(|other| other.call == leg.call && pressed(other)) {
        return Ok(());
    }
    let speaks = |other: &Leg| other.voice.as_ref().is_some_and(|voice| voice.pitch == two.pitch);
    if all().any(|other| other.call == leg.call && other.side != leg.side && speaks(other)) {
        return Ok(());
    }
    let known = if speaks(leg) { Some(leg) } else { all().find(|other| speaks(other)) };
    let who = known.map_or_else(
        || "a voice of nobody".to_owned(),
        |other| format!("phone {} of call {}", other.id.phone(), other.call),
    );
    let hertz = two.pitch.hertz();
    let reason = format!("phone {} in call {} hears {who} at {hertz} Hz", leg.id.phone(), leg.call);
    Err(Broken { call: Some(leg.call), ..broken("nobody_hears_a_stranger", now, reason) })
}

/// `sound_as_loud_as_spoken` and `speech_is_whole`, over the whole run.
pub(crate) fn heard_as_spoken(now: Instant, talks: &Talks<'_>, network: &Network) -> Verdict {
    for (caller, callee) in talks.pairs() {
        let Some(callee) = callee.filter(|callee| steady(talks.plan, caller, callee)) else { continue };
        for (speaker, hearer) in [(caller, callee), (callee, caller)] {
            // Sound in which keys are looked for, for one that gets them as events, may lose what sounds like the
            // beginning of one.
            let events = |leg: &Leg| talks.plan.phones[leg.id.phone()].events.is_some();
            if !events(speaker) && events(hearer) {
                continue;
            }
            let Some(voice) = &speaker.voice else { continue };
            let judged = voice.spurts.iter().filter(|spurt| fair(now, network, speaker, hearer, spurt));
            let (mut spoken, mut heard, mut right) = (0, 0, 0);
            for spurt in judged {
                let troubles = troubles(speaker, spurt) + troubles(hearer, spurt);
                let clear = || clear(&hearer.ear, voice, spurt);
                whole(now, hearer, spurt, clear().count(), troubles)?;
                if troubles == 0 {
                    spoken += usize::from(spurt.frames);
                    heard += clear().count();
                    right += clear().filter(|clear| clear.level).count();
                }
            }
            // What fades away after a spurt is softer.
            if heard >= ENOUGH && 2 * right < spoken.min(heard) {
                let wrong = heard - right;
                let phone = hearer.id.phone();
                let reason = format!(
                    "phone {phone} in call {} hears {wrong} of {heard} frames louder or softer than they were spoken",
                    hearer.call,
                );
                let broken = broken("sound_as_loud_as_spoken", now, reason);
                return Err(Broken { call: Some(hearer.call), ..broken });
            }
        }
    }
    Ok(())
}

/// Whether nothing but packets that are lost or late may change what the sides of a call hear.
fn steady(plan: &Plan, caller: &Leg, callee: &Leg) -> bool {
    let changes = |leg: &Leg| leg.ever_held || leg.cut_short || expect::may_lose_touch(plan, leg.id.phone());
    plan.host.late.is_zero() && !plan.calls[caller.call].late_offer && !changes(caller) && !changes(callee)
}

/// Whether both sides were up and in touch from before a spurt until it was heard, and nobody pressed a key.
fn fair(now: Instant, network: &Network, speaker: &Leg, hearer: &Leg, spurt: &Spurt) -> bool {
    let up = [speaker.answered, hearer.answered, speaker.confirmed, hearer.confirmed];
    let from = up.into_iter().flatten().max().unwrap_or(now) + SETTLED;
    let until = speaker.ended.unwrap_or(now).min(hearer.ended.unwrap_or(now));
    let end = spurt.end() + ON_THE_WAY;
    // What a clogged link has held back makes the wait for packets longer for a while.
    let clogged = |leg: &Leg| network.is_clogged(leg.id.phone(), spurt.from - AFTER_CLOG, end);
    let reachable =
        |leg: &Leg| network.reachable_between(leg.id.phone(), spurt.from - SETTLED, end) && !clogged(leg);
    let mut keys = [speaker, hearer].into_iter().flat_map(|leg| leg.pressed.iter().chain(&leg.digits));
    spurt.from >= from
        && end <= until
        && reachable(speaker)
        && reachable(hearer)
        && !keys.any(|key| spurt.from < key.at + KEY && key.at < end)
}

/// As much of a spurt is heard as the network let through.
fn whole(now: Instant, hearer: &Leg, spurt: &Spurt, heard: usize, troubles: usize) -> Verdict {
    if heard + EDGES + PER_TROUBLE * troubles >= usize::from(spurt.frames) {
        return Ok(());
    }
    let reason = format!(
        "phone {} in call {} hears {heard} of {} frames that were spoken at {}; {troubles} were lost or late",
        hearer.id.phone(),
        hearer.call,
        spurt.frames,
        spurt.from
    );
    Err(Broken { call: Some(hearer.call), ..broken("speech_is_whole", now, reason) })
}

/// Packets that were lost or late while a spurt was under way.
fn troubles(leg: &Leg, spurt: &Spurt) -> usize {
    let until = spurt.end() + ON_THE_WAY;
    leg.troubles.iter().filter(|at| (spurt.from..until).contains(*at)).count()
}

/// Frames of a spurt that are heard.
fn clear<'a>(ear: &'a Ear, voice: &'a Voice, spurt: &Spurt) -> impl Iterator<Item = &'a Clear> {
    let heard = spurt.from..spurt.end() + ON_THE_WAY;
    ear.clear.iter().filter(move |clear| clear.pitch == voice.pitch && heard.contains(&clear.at))
}
