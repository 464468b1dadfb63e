//! Who hears whom, how loud and how much of it, where sound is coded anew on its way.

use telex_engine::time::{Duration, Instant};

use super::media::Talks;
use super::{Broken, Verdict, broken};
use crate::net::Network;
use crate::phone::{Ear, Leg, Phone, Spurt, Voice};
use crate::plan::Plan;

/// Frames of one voice that follow each other within this are no accident.
const TOGETHER: Duration = Duration::from_millis(70);
/// A key that is made into tones sounds for no longer after it was pressed.
const KEY: Duration = Duration::from_millis(900);
/// Media flows this long after both sides are up.
const SETTLED: Duration = Duration::from_millis(600);
/// What is said is heard within this: two links of 100 ms, and a wait for packets that come late.
const ON_THE_WAY: Duration = Duration::from_millis(800);
/// Frames of a spurt that need not be clear: it begins and ends within a frame.
const EDGES: usize = 2;
/// A packet that is lost or late costs so many frames: itself, what is faded or stretched around it, and late ones make
/// the wait longer.
const PER_TROUBLE: usize = 4;
/// So many frames tell the level.
const ENOUGH: usize = 12;

/// `nobody_hears_a_stranger`, after a packet was decoded: two clear frames together are of the other side of the call.
pub(crate) fn right_voice(now: Instant, phones: &[Phone], leg: &Leg) -> Verdict {
    let [.., one, two] = leg.ear.clear[..] else { return Ok(()) };
    if two.at != now || one.pitch != two.pitch || one.at + TOGETHER < two.at {
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
        let Some(callee) = callee else { continue };
        for (speaker, hearer) in [(caller, callee), (callee, caller)] {
            let Some(voice) = &speaker.voice else { continue };
            level(now, hearer, voice)?;
            whole(now, talks.plan, network, (speaker, voice), hearer)?;
        }
    }
    Ok(())
}

/// Most of what is heard is as loud as it was spoken; only what stands for lost packets is softer.
fn level(now: Instant, hearer: &Leg, voice: &Voice) -> Verdict {
    let heard = hearer.ear.clear.iter().filter(|clear| clear.pitch == voice.pitch);
    let (all, right) = heard.fold((0, 0), |(all, right), clear| (all + 1, right + usize::from(clear.level)));
    if all < ENOUGH || 4 * right >= all {
        return Ok(());
    }
    let reason = format!(
        "phone {} in call {} hears {} of {all} frames louder or softer than they were spoken",
        hearer.id.phone(),
        hearer.call,
        all - right
    );
    Err(Broken { call: Some(hearer.call), ..broken("sound_as_loud_as_spoken", now, reason) })
}

/// Of each spurt as much is heard as the network and the keys that were pressed meanwhile let through.
fn whole(
    now: Instant,
    plan: &Plan,
    network: &Network,
    (speaker, voice): (&Leg, &Voice),
    hearer: &Leg,
) -> Verdict {
    let rough = !plan.host.late.is_zero() || speaker.ever_held || hearer.ever_held;
    let cut_short = speaker.cut_short || hearer.cut_short;
    let (Some(one), Some(two)) = (speaker.answered, hearer.answered) else { return Ok(()) };
    if rough || cut_short || plan.calls[speaker.call].late_offer {
        return Ok(());
    }
    let from = [Some(one), Some(two), speaker.confirmed, hearer.confirmed].into_iter().flatten().max();
    let from = from.unwrap_or(now) + SETTLED;
    let until = speaker.ended.unwrap_or(now).min(hearer.ended.unwrap_or(now));
    for spurt in &voice.spurts {
        let end = spurt.end() + ON_THE_WAY;
        let reachable = |leg: &Leg| network.reachable_between(leg.id.phone(), spurt.from - SETTLED, end);
        if spurt.from < from || end > until || !reachable(speaker) || !reachable(hearer) {
            continue;
        }
        let keys = [speaker, hearer].into_iter().flat_map(|leg| leg.pressed.iter().chain(&leg.digits));
        if keys.map(|key| key.at).any(|at| spurt.from < at + SETTLED && at < end) {
            continue;
        }
        let troubles = troubles(speaker, spurt) + troubles(hearer, spurt);
        let heard = heard(&hearer.ear, voice, spurt);
        if heard + EDGES + PER_TROUBLE * troubles < usize::from(spurt.frames) {
            let reason = format!(
                "phone {} in call {} hears {heard} of {} frames that were spoken at {}; {troubles} were lost or late",
                hearer.id.phone(),
                hearer.call,
                spurt.frames,
                spurt.from
            );
            return Err(Broken { call: Some(hearer.call), ..broken("speech_is_whole", now, reason) });
        }
    }
    Ok(())
}

/// Packets that were lost or late while a spurt was under way.
fn troubles(leg: &Leg, spurt: &Spurt) -> usize {
    let until = spurt.end() + ON_THE_WAY;
    leg.troubles.iter().filter(|at| (spurt.from..until).contains(*at)).count()
}

fn heard(ear: &Ear, voice: &Voice, spurt: &Spurt) -> usize {
    let until = spurt.end() + ON_THE_WAY;
    let within = |clear: &&crate::phone::Clear| clear.pitch == voice.pitch && (spurt.from..until).contains(&clear.at);
    ear.clear.iter().filter(within).count()
}
