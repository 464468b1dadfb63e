//! One phone's side of one call: what it knows, and the diary that the oracles read.

use std::collections::BTreeSet;

use bytes::Bytes;
use telex_engine::event::Side;
use telex_engine::time::{Duration, Instant};

use super::digits::{Press, Pressed};
use super::ear::{Ear, FRAME, Voice};
use super::refer::Handover;
use super::reliable::Reliable;
use super::sdp::{Remote, Way};
use super::{FIRST_RTP_PORT, Phone, Scene, Timer};
use crate::expect;
use crate::tone::Pitch;
use crate::voice::{Heard, LegId, Rtp, Speaker, hear};

use super::Effect;

/// How far a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The caller waits for an answer.
    Calling,
    /// The called phone rings.
    Ringing,
    /// Answered.
    Up,
    /// A BYE is on its way.
    Ending,
    /// Over.
    Ended,
}

/// Timers of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum LegTimer {
    /// The called phone has rung long enough.
    React,
    /// The caller gives up.
    Cancel,
    /// A party has talked enough.
    HangUp,
    /// Somebody holds.
    Hold,
    /// Somebody resumes.
    Resume,
    /// The ACK is missing: repeat the 2xx.
    Repeat,
    /// Ask again after 491.
    AskAgain,
    /// Refresh the session.
    Refresh,
    /// Speak.
    Voice,
    /// The PRACK is missing: ring again.
    Alert,
    /// Send what does not belong here.
    Odd,
    /// Press a key.
    Key,
    /// The key that is pressed goes on.
    Tone,
    /// Hand the call over.
    Transfer,
}

const TIMERS: usize = 14;

/// A 2xx that waits for its ACK.
#[derive(Clone, Debug)]
pub(super) struct Unacknowledged {
    pub(super) cseq: u32,
    pub(super) bytes: Bytes,
    pub(super) stream: Option<u64>,
    pub(super) interval: Duration,
    pub(super) until: Instant,
    /// The ACK carries the answer to our offer.
    pub(super) expects_answer: bool,
}

/// One side of one call.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    /// Its name, which its voice carries.
    pub(crate) id: LegId,
    /// The planned call.
    pub(crate) call: usize,
    /// Which side of it.
    pub(crate) side: Side,
    /// How far it is.
    pub(crate) state: State,
    pub(super) call_id: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: String,
    pub(super) local_uri: String,
    pub(super) remote_uri: String,
    pub(super) target: String,
    pub(super) routes: Vec<String>,
    pub(super) cseq: u32,
    pub(super) remote_cseq: u32,
    /// Client transaction of the caller's INVITE, or server transaction of the called phone's.
    pub(super) invite: u64,
    pub(super) invite_cseq: u32,
    pub(super) invite_branch: String,
    pub(super) cancel_sent: bool,
    pub(super) challenged: bool,
    pub(super) offerless: bool,
    /// The ACK of the latest 2xx, by its CSeq.
    pub(super) acks: Option<(u32, Bytes)>,
    pub(super) unacknowledged: Option<Unacknowledged>,
    pub(super) reinvite: Option<u64>,
    pub(super) wants_bye: bool,
    pub(super) bye_again: bool,
    pub(super) version: u32,
    pub(super) formats: Vec<u8>,
    pub(super) remote: Option<Remote>,
    /// What the owner wants, and what was agreed last.
    pub(super) wanted: Way,
    pub(super) agreed: Way,
    /// Our part of what was agreed last, and of what is being asked.
    pub(super) mine: Way,
    pub(super) asked: Way,
    pub(super) refresh_every: Option<Duration>,
    pub(super) refresh_wanted: bool,
    /// The INVITE that opened the call at the called phone.
    pub(super) first_cseq: u32,
    pub(super) reliable: Option<Reliable>,
    /// RSeq acknowledged last.
    pub(super) racked: u32,
    pub(super) glared: bool,
    pub(super) pressing: Option<Press>,
    /// How many keys were pressed.
    pub(super) keys: usize,
    /// The dialog that its INVITE is to replace.
    pub(super) replaces: Option<String>,
    /// The called phone is not the one that was dialled: the call was handed over, or sent on.
    pub(crate) brought: bool,
    /// How many transfers were begun.
    pub(super) referred: usize,
    /// The REFERs that were sent.
    pub(crate) handovers: Vec<Handover>,
    pub(super) due: [Option<Instant>; TIMERS],
    pub(super) speaker: Speaker,
    /// Its voice, when it is coded anew on its way.
    pub(crate) voice: Option<Voice>,
    pub(super) spoken: u32,
    /// When the leg began.
    pub(crate) began: Instant,
    /// When the phone answered, or was told of the answer.
    pub(crate) answered: Option<Instant>,
    /// When the ACK of the answer came, at the called phone.
    pub(crate) confirmed: Option<Instant>,
    /// When it was over: the phone hung up, or was told.
    pub(crate) ended: Option<Instant>,
    /// The status that refused it; 408 when nobody answered a request.
    pub(crate) refused: Option<u16>,
    /// The caller gave up.
    pub(crate) cancelled: bool,
    /// Since when the owner holds, as agreed with the exchange.
    pub(crate) holding: Option<Instant>,
    /// Whether any party of the call held or resumed, ever, as this phone saw it.
    pub(crate) ever_held: bool,
    /// Voices heard: whose, how many packets, when last.
    pub(crate) heard: Vec<(LegId, u64, Instant)>,
    /// Packets heard that the exchange made itself, and when last.
    pub(crate) generated: Option<(u64, Instant)>,
    /// What is heard when it is coded anew.
    pub(crate) ear: Ear,
    /// When packets from it, or to it, were lost or late on their way.
    pub(crate) troubles: Vec<Instant>,
    /// The phone lost power during it, or left it in a way that the exchange need not understand.
    pub(crate) cut_short: bool,
    /// Every payload type that this phone has named in it.
    pub(crate) described: BTreeSet<u8>,
    /// Keys pressed here, and those heard from the other side.
    pub(crate) pressed: Vec<Pressed>,
    pub(crate) digits: Vec<Pressed>,
}

impl Leg {
    /// The phone's RTP port for this leg.
    pub(crate) fn port(&self) -> u16 {
        FIRST_RTP_PORT + 2 * u16::try_from(self.id.ordinal()).unwrap_or(0)
    }

    /// Whether its dialog has this Call-ID.
    pub(crate) fn is_named(&self, call_id: &str) -> bool {
        self.call_id == call_id
    }

    /// Whether media from this port of the exchange belongs to this leg.
    pub(crate) fn expects_from(&self, port: u16) -> bool {
        self.remote.as_ref().is_some_and(|remote| remote.address.port() == port & !1)
    }

    /// When this voice was last heard.
    pub(crate) fn last_heard(&self, other: &Self) -> Option<Instant> {
        match &other.voice {
            Some(voice) => self.ear.last_heard(voice.pitch),
            None => self.heard.iter().find(|(leg, ..)| *leg == other.id).map(|(.., at)| *at),
        }
    }

    /// When anything was last heard, or could have been.
    fn heard_since(&self) -> Instant {
        let voices = self.heard.iter().map(|(.., at)| *at);
        voices.chain(self.generated.map(|(_, at)| at)).chain(self.answered).max().unwrap_or(self.began)
    }

    /// Whether the phone should hear something and has not for so long.
    pub(crate) fn is_deaf(&self, now: Instant, since: Duration) -> bool {
        self.agreed.receives() && self.heard_since() + since < now
    }

    /// The dialog as others name it (RFC 3891 §3): Call-ID, the phone's tag, the exchange's.
    pub(crate) fn dialog(&self) -> Option<String> {
        let known = !self.remote_tag.is_empty() && !self.is_over();
        known.then(|| format!("{};to-tag={};from-tag={}", self.call_id, self.local_tag, self.remote_tag))
    }

    /// Whether the owner holds, or wants to.
    pub(crate) fn has_hold(&self) -> bool {
        self.wanted != Way::Both || self.agreed != Way::Both
    }

    /// The payload type to send telephone events by, while they may be sent.
    pub(super) fn event_number(&self) -> Option<u8> {
        let may = self.agreed == Way::Both && self.wanted == Way::Both;
        self.remote.as_ref().filter(|_| may).and_then(|remote| remote.events)
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == State::Ended
    }
}

/// What a new leg starts from.
pub(super) struct Opening {
    pub(super) call: usize,
    pub(super) side: Side,
    pub(super) call_id: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: String,
    pub(super) local_uri: String,
    pub(super) remote_uri: String,
    pub(super) target: String,
}

/// How often a phone speaks, by how often it has spoken: quickly at first, so that media is seen to flow at
/// once, and then ever more rarely, so that a run is not mostly media.
const PACES: [(u32, Duration); 3] =
    [(10, Duration::from_millis(20)), (60, Duration::from_millis(200)), (u32::MAX, Duration::from_secs(1))];
/// Whoever cannot speak tries again after this.
const BROKEN_OFF: Duration = Duration::from_millis(200);
/// A phone that has lost a stream, and with it perhaps a BYE, hangs up after so much silence, and so does one that
/// the exchange may not reach. Other phones
/// wait for ever, so that a forgotten one is noticed.
const PATIENCE: Duration = Duration::from_secs(40);

impl Phone {
    pub(super) fn open_leg(&mut self, scene: &Scene<'_>, opening: Opening) -> usize {
        let (n, id) = (self.legs.len(), LegId::new(self.index, self.legs.len()));
        let (speaker, voice) = self.speech(scene, id, &opening);
        self.legs.push(Leg {
            id,
            call: opening.call,
            side: opening.side,
            state: if opening.side == Side::Caller { State::Calling } else { State::Ringing },
            call_id: opening.call_id,
            local_tag: opening.local_tag,
            remote_tag: opening.remote_tag,
            local_uri: opening.local_uri,
            remote_uri: opening.remote_uri,
            target: opening.target,
            routes: Vec::new(),
            cseq: 1,
            remote_cseq: 0,
            invite: 0,
            invite_cseq: 0,
            invite_branch: String::new(),
            cancel_sent: false,
            challenged: false,
            offerless: false,
            acks: None,
            unacknowledged: None,
            reinvite: None,
            wants_bye: false,
            bye_again: false,
            version: 0,
            formats: self.plan.payload_types().to_vec(),
            remote: None,
            wanted: Way::Both,
            agreed: Way::Both,
            mine: Way::Both,
            asked: Way::Both,
            refresh_every: None,
            refresh_wanted: false,
            first_cseq: 0,
            reliable: None,
            racked: 0,
            glared: false,
            pressing: None,
            keys: 0,
            replaces: None,
            brought: false,
            referred: 0,
            handovers: Vec::new(),
            due: [None; TIMERS],
            speaker,
            voice,
            spoken: 0,
            began: scene.now,
            answered: None,
            confirmed: None,
            ended: None,
            refused: None,
            cancelled: false,
            holding: None,
            ever_held: false,
            heard: Vec::new(),
            generated: None,
            ear: Ear::default(),
            troubles: Vec::new(),
            cut_short: false,
            described: BTreeSet::new(),
            pressed: Vec::new(),
            digits: Vec::new(),
        });
        n
    }

    fn speech(&mut self, scene: &Scene<'_>, id: LegId, opening: &Opening) -> (Speaker, Option<Voice>) {
        let mut speaker = Speaker::new(id, self.draw.bits());
        let voice = self.voice(scene, opening.call, opening.side);
        if voice.is_some() {
            speaker.keep_time();
        }
        (speaker, voice)
    }

    /// The voice for a call whose sound is coded anew on its way.
    fn voice(&self, scene: &Scene<'_>, call: usize, side: Side) -> Option<Voice> {
        let earlier = scene.plan.phones[..self.index].iter();
        let place = earlier.filter(|p| p.extension == self.plan.extension).count();
        expect::speaks_in_tones(scene.plan, call).then(|| Voice::new(Pitch::new(call, side, place)))
    }

    pub(super) fn arm_leg(&mut self, leg: usize, timer: LegTimer, at: Instant) {
        self.legs[leg].due[timer as usize] = Some(at);
        self.arm(at, Timer::Leg(leg, timer));
    }

    pub(super) fn fire_leg(&mut self, scene: &Scene<'_>, leg: usize, timer: LegTimer) {
        let due = &mut self.legs[leg].due[timer as usize];
        if due.is_none_or(|at| at > scene.now) {
            return;
        }
        *due = None;
        match timer {
            LegTimer::React => self.react(scene, leg),
            LegTimer::Cancel => self.cancel(scene, leg),
            LegTimer::HangUp => self.hang_up(scene, leg),
            LegTimer::Hold => self.want(scene, leg, Way::SendOnly),
            LegTimer::Resume => self.want(scene, leg, Way::Both),
            LegTimer::Repeat => self.repeat_2xx(scene, leg),
            LegTimer::AskAgain => self.ask(scene, leg),
            LegTimer::Refresh => {
                self.legs[leg].refresh_wanted = true;
                self.ask(scene, leg);
            }
            LegTimer::Voice => self.speak(scene, leg),
            LegTimer::Alert => self.alert_again(scene, leg),
            LegTimer::Odd => self.send_oddities(scene, leg),
            LegTimer::Key => self.press(scene, leg),
            LegTimer::Tone => self.sound_key(scene, leg),
            LegTimer::Transfer => self.hand_over(scene, leg),
        }
    }

    /// The call is answered, as far as this phone can tell: the plan's clock for it starts.
    pub(super) fn talk(&mut self, scene: &Scene<'_>, leg: usize) {
        let now = scene.now;
        let call = &scene.plan.calls[self.legs[leg].call];
        let side = self.legs[leg].side;
        self.legs[leg].state = State::Up;
        self.legs[leg].answered = Some(now);
        if call.by == side {
            self.arm_leg(leg, LegTimer::HangUp, now + call.talk);
        }
        if let Some(hold) = call.hold
            && hold.by == side
        {
            self.arm_leg(leg, LegTimer::Hold, now + hold.after);
            self.arm_leg(leg, LegTimer::Resume, now + hold.after + hold.lasts);
        }
        self.arm_leg(leg, LegTimer::Voice, now + FRAME);
        self.arm_digits(scene, leg);
        self.arm_transfers(scene, leg);
        self.arm_oddities(scene, leg);
    }

    pub(super) fn end_leg(&mut self, scene: &Scene<'_>, leg: usize) {
        let leg = &mut self.legs[leg];
        leg.due = [None; TIMERS];
        leg.unacknowledged = None;
        if leg.state != State::Ended {
            leg.state = State::Ended;
            leg.ended.get_or_insert(scene.now);
        }
    }

    fn speak(&mut self, scene: &Scene<'_>, n: usize) {
        let leg = &mut self.legs[n];
        if leg.state != State::Up {
            return;
        }
        if leg.is_deaf(scene.now, PATIENCE)
            && (self.line.broke || expect::may_lose_touch(scene.plan, self.index))
        {
            return self.hang_up(scene, n);
        }
        let spoken = leg.spoken;
        let mut pace = PACES.iter().find(|(until, _)| spoken < *until).map_or(FRAME, |(_, pace)| *pace);
        // A holder has nothing to say: its owner put the receiver down.
        let may = leg.agreed == Way::Both || (leg.agreed == Way::SendOnly && leg.wanted == Way::Both);
        if let (true, Some(remote)) = (may && leg.pressing.is_none(), &leg.remote)
            && let Some(format) = remote.formats.iter().find(|f| leg.formats.contains(f))
        {
            let bytes = match &mut leg.voice {
                Some(voice) => {
                    let first = voice.speak(scene.now, *format);
                    pace = voice.pause();
                    leg.speaker.sound(scene.now, *format, &voice.payload, first)
                }
                None => {
                    let frames = u32::try_from(pace.as_millis() / FRAME.as_millis()).unwrap_or(1);
                    leg.speaker.packet(*format, frames, leg.spoken == 0)
                }
            };
            leg.spoken += 1;
            let (port, to) = (leg.port(), remote.address);
            self.out.push(Effect::Media(port, to, bytes));
        } else if let Some(voice) = &mut leg.voice {
            voice.break_off();
            pace = BROKEN_OFF;
        }
        self.arm_leg(n, LegTimer::Voice, scene.now + pace);
    }

    pub(super) fn hear(&mut self, scene: &Scene<'_>, port: u16, bytes: &[u8]) {
        let Some(n) = port.checked_sub(FIRST_RTP_PORT).map(|p| usize::from(p / 2)) else { return };
        let Some(leg) = self.legs.get_mut(n) else { return };
        if let Some(rtp) = Rtp::read(bytes)
            && let Some(event) = rtp.event()
        {
            return self.hear_key(n, rtp.sequence, rtp.timestamp, event);
        }
        match hear(bytes) {
            Heard::Voice(voice) => match leg.heard.iter_mut().find(|(known, ..)| *known == voice) {
                Some((_, count, last)) => (*count, *last) = (*count + 1, scene.now),
                None => leg.heard.push((voice, 1, scene.now)),
            },
            Heard::Generated => {
                let (count, _) = leg.generated.unwrap_or_default();
                leg.generated = Some((count + 1, scene.now));
                if let (Some(_), Some(rtp)) = (&leg.voice, Rtp::read(bytes)) {
                    leg.ear.hear(scene.now, &rtp);
                }
            }
            Heard::Control | Heard::Noise => {}
        }
    }
}
