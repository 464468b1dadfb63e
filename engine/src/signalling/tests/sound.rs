//! Codecs that the parties do not share, and keys that they press.

use telex_audio::codec::Encoding;

use super::*;
use crate::border::{NotRecorded, RecordOrder, RecordWhat, SoundWay};
use crate::config::DigitsBy;
use crate::event::{DigitBy, Side};
use crate::mediactl::{
    DigitHeard, DigitWay, LegId, LegSpec, Play, Press, Recorded, RecordingFormat, RecordingId, RecordingSpec,
    RoomSpec,
};
use crate::sip::Method;

/// Alice has PCMU and events only, bob PCMA only.
const PCMU: &str = "v=0\no=- 1 1 IN IP4 10.0.0.1\ns=-\nc=IN IP4 10.0.0.1\nt=0 0\nm=audio 4000 RTP/AVP 0 101\n\
a=rtpmap:101 telephone-event/8000\n";
const PCMA: &str = "v=0\no=- 2 2 IN IP4 10.0.0.2\ns=-\nc=IN IP4 10.0.0.2\nt=0 0\nm=audio 6000 RTP/AVP 8\n";

fn configured(change: impl FnOnce(&mut Config)) -> World {
    let mut config = Config::default();
    config.phones.insert("alice".into(), device("sip:alice@10.0.0.1", ALICE));
    config.phones.insert("bob".into(), device("sip:bob@10.0.0.2", BOB));
    config.codecs = vec![Encoding::Pcmu, Encoding::Pcma];
    change(&mut config);
    World::with(config)
}

fn info(answered: &Message, cseq: u32, kind: &str, body: &str) -> String {
    let octets = body.len() + body.matches('\n').count();
    let request = inside(answered, "INFO", cseq, "");
    let head = request.trim_end();
    format!("{head}\nContent-Type: {kind}\nContent-Length: {octets}\n\n{body}")
}

impl World {
    /// The last wanted states of alice's leg and bob's.
    fn both(&self) -> (LegSpec, LegSpec) {
        let last = |wanted: u64| {
            self.out.iter().rev().find_map(|action| match action {
                Action::Media { command: MediaCommand::PutLeg { leg: LegId(id), spec, .. }, .. }
                    if *id == wanted =>
                {
                    Some((**spec).clone())
                }
                _ => None,
            })
        };
        let ids = self.out.iter().filter_map(|action| match action {
            Action::Media { command: MediaCommand::PutLeg { leg, .. }, .. } => Some(leg.0),
            _ => None,
        });
        let (first, second) = (ids.clone().min().unwrap(), ids.max().unwrap());
        (last(first).unwrap(), last(second).unwrap())
    }

    fn digit(&mut self, leg: u64, digit: char) {
        let (leg, how) = (LegId(leg), DigitHeard::InBand);
        let report = MediaReport::Digit { leg, rev: 1, digit, duration_ms: 120, how };
        self.input(Input::Media { shard: ShardId(0), report });
    }
}

fn described(message: &Message) -> String {
    let body = String::from_utf8_lossy(message.body()).into_owned();
    body.lines().filter(|line| line.starts_with("m=")).map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn parties_without_a_common_codec_are_turned_into_each_other() {
    let mut world = configured(|_| {});
    world.send(ALICE, &invite("bob", "", PCMU));
    let asked = world.only("INVITE");
    assert_eq!(described(&asked), "m=audio 10002 RTP/AVP 0 101 8");
    world.send(BOB, &respond(&asked, "200 OK", "", PCMA));
    let (alice, bob) = world.both();
    assert_eq!(described(&world.only("SIP/2.0 200")), "m=audio 10000 RTP/AVP 0 101");
    assert_eq!((alice.audio.unwrap().number, bob.audio.unwrap().number), (0, 8));
    assert!(alice.accept.iter().all(|accepted| accepted.forward.is_none()), "{:?}", alice.accept);
    assert!(alice.accept.iter().any(|accepted| accepted.payload.number == 0));
    assert_eq!((alice.digits.way, bob.digits.way), (DigitWay::Events, DigitWay::Tones));
    assert!(bob.digits.tones, "bob's tones become events for alice");
}

#[test]
fn noise_is_described_to_those_who_take_it_when_it_is_wanted() {
    for suppress in [true, false] {
        let mut world = configured(|config| config.suppress_silence = suppress);
        world.send(ALICE, &invite("bob", "", &PCMU.replace(" 101\n", " 13 101\n")));
        let asked = world.only("INVITE");
        // Alice named it, so Bob is offered it in any case.
        assert_eq!(described(&asked), "m=audio 10002 RTP/AVP 0 13 101 8");
        world.send(BOB, &respond(&asked, "200 OK", "", &PCMA.replace(" 8\n", " 8 13\n")));
        let (alice, bob) = world.both();
        let noise = suppress.then_some(13);
        assert_eq!([alice.noise, bob.noise].map(|noise| noise.map(|noise| noise.number)), [noise; 2]);
        let mut world = configured(|config| config.suppress_silence = suppress);
        world.send(ALICE, &invite("bob", "", PCMU));
        let asked = world.only("INVITE");
        assert_eq!(
            described(&asked),
            format!("m=audio 10002 RTP/AVP 0 101 8{}", if suppress { " 13" } else { "" })
        );
        world.send(BOB, &respond(&asked, "200 OK", "", PCMA));
        let (alice, bob) = world.both();
        assert_eq!((alice.noise, bob.noise), (None, None), "neither named it");
    }
}

#[test]
fn without_transcoding_they_cannot_talk() {
    let mut world = configured(|config| config.transcode = false);
    world.send(ALICE, &invite("bob", "", PCMU));
    let asked = world.only("INVITE");
    assert_eq!(described(&asked), "m=audio 10002 RTP/AVP 0 101");
    world.send(BOB, &respond(&asked, "200 OK", "", PCMA));
    let alice = world.sent().into_iter().find(|(to, _)| to.to_string() == ALICE).unwrap().1;
    assert!(alice.status().unwrap().code() >= 400);
}

#[test]
fn sound_is_not_touched_for_tones_without_transcoding() {
    for transcode in [true, false] {
        let mut world = configured(|config| config.transcode = transcode);
        world.send(ALICE, &invite("bob", "", ""));
        let asked = world.only("INVITE");
        let bob = PCMU.replace("10.0.0.1", "10.0.0.2");
        world.send(BOB, &respond(&asked, "200 OK", "", &bob));
        let answered = world.only("SIP/2.0 200");
        let without = PCMU.replace(" 101\na=rtpmap:101 telephone-event/8000", "");
        world.send(ALICE, &inside(&answered, "ACK", 1, &without));
        let (alice, _) = world.both();
        assert_eq!(alice.digits.tones, transcode, "{alice:?}");
    }
}

#[test]
fn a_phone_is_kept_to_its_codecs() {
    let only = Some(vec![Encoding::Pcma]);
    let mut world = configured(|config| {
        config.phones.get_mut("bob").unwrap().codecs = only.clone();
    });
    world.send(ALICE, &invite("bob", "", OFFER));
    assert_eq!(described(&world.only("INVITE")), "m=audio 10002 RTP/AVP 8 101");
    let mut world = configured(|config| {
        config.phones.get_mut("alice").unwrap().codecs = only;
    });
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    assert_eq!(described(&asked), "m=audio 10002 RTP/AVP 8 101 0");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    assert_eq!(described(&world.only("SIP/2.0 200")), "m=audio 10000 RTP/AVP 8 101");
}

#[test]
fn a_digit_by_info_is_pressed_into_the_other_party() {
    let mut world = World::new();
    let (answered, _) = talking(&mut world);
    world.send(ALICE, &info(&answered, 2, "application/dtmf-relay", "Signal=5\nDuration=120\n"));
    let (_, bob) = world.both();
    assert_eq!((bob.presses.first, &bob.presses.keys[..]), (0, &[Press { digit: '5', ms: 120 }][..]));
    world.only("SIP/2.0 200");
    let told = Event::Digit {
        call: 1,
        side: Side::Caller,
        key: '5',
        length: Duration::from_millis(120),
        by: DigitBy::Info,
    };
    assert!(world.events.contains(&told));
    let pressed = MediaReport::Pressed { leg: LegId(2), rev: 3, next: 1 };
    world.input(Input::Media { shard: ShardId(0), report: pressed });
    world.send(ALICE, &info(&answered, 3, "application/dtmf", "#"));
    let (_, bob) = world.both();
    assert_eq!((bob.presses.first, bob.presses.keys.len()), (1, 1));
    assert_eq!(bob.presses.keys[0].digit, '#');
}

#[test]
fn an_info_that_is_no_digit_is_answered_for_what_it_is() {
    let mut world = World::new();
    let (answered, _) = talking(&mut world);
    world.send(ALICE, &inside(&answered, "INFO", 2, ""));
    world.only("SIP/2.0 200");
    world.send(ALICE, &info(&answered, 3, "text/plain", "5"));
    let refused = world.only("SIP/2.0 415");
    assert!(refused.has_token(crate::sip::HeaderName::Accept, "application/dtmf-relay"));
    world.send(ALICE, &info(&answered, 4, "application/dtmf-relay", "Signal=x\n"));
    world.only("SIP/2.0 400");
    let package =
        info(&answered, 5, "application/x", "5").replace("Content-Type", "Info-Package: x\nContent-Type");
    world.send(ALICE, &package);
    world.only("SIP/2.0 469");
    assert!(!world.events.iter().any(|event| matches!(event, Event::Digit { .. })));
}

#[test]
fn a_phone_that_wants_info_is_told_by_info() {
    let mut world = configured(|config| config.phones.get_mut("bob").unwrap().digits = DigitsBy::Info);
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let (alice, bob) = world.both();
    assert!(alice.digits.report && !bob.digits.report);
    assert_eq!(bob.digits.way, DigitWay::Nothing);
    let answered = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    world.digit(1, '7');
    let told = world.only("INFO");
    assert_eq!(told.body(), b"Signal=7\r\nDuration=120\r\n");
    world.send(BOB, &respond(&told, "200 OK", "", ""));
    world.send(ALICE, &info(&answered, 2, "application/dtmf-relay", "Signal=8\n"));
    let sent = world.sent();
    let told = sent.iter().find(|(to, _)| to.to_string() == BOB).unwrap();
    assert!(told.1.body().starts_with(b"Signal=8\r\n"));
    world.send(BOB, &respond(&told.1, "200 OK", "", ""));
    world.send(ALICE, &inside(&answered, "BYE", 3, ""));
    world.pass(Duration::from_secs(40));
}

fn foreseen(world: &mut World, from: &str, to: &str) -> ControlReply {
    let request = Control::Codecs { from: from.into(), to: to.into() };
    world.input(Input::Control { id: ControlId(7), request });
    match world.out.pop() {
        Some(Action::Reply { reply, .. }) => reply,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_call_would_use_is_what_it_uses() {
    let mut world = configured(|_| {});
    let ControlReply::Codecs(plan) = foreseen(&mut world, "alice", "bob") else { panic!() };
    assert_eq!((plan.caller.named, plan.callee.named), (None, None));
    assert_eq!(plan.there, SoundWay::Untouched { codec: "PCMU/8000".into() });
    world.send(ALICE, &invite("bob", "", PCMU));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "200 OK", "", PCMA));
    world.sent();
    world.now += Duration::from_secs(30);
    let ControlReply::Codecs(plan) = foreseen(&mut world, "alice", "bob") else { panic!() };
    assert_eq!(plan.caller.named.as_deref(), Some("PCMU/8000 telephone-event/8000"));
    assert_eq!(plan.callee.ago, Some(Duration::from_secs(30)));
    assert_eq!(plan.offered, "PCMU/8000 telephone-event/8000 PCMA/8000");
    assert_eq!((&*plan.answer, &*plan.answered), ("PCMA/8000", "PCMU/8000 telephone-event/8000"));
    let turned = |from: &str, to: &str| SoundWay::Transcoded { from: from.into(), to: to.into() };
    assert_eq!(plan.there, turned("PCMU/8000", "PCMA/8000"));
    assert_eq!(plan.back, turned("PCMA/8000", "PCMU/8000"));
    let carol = ControlReply::NoSuchPhone { extension: "carol".into() };
    assert_eq!(foreseen(&mut world, "alice", "carol"), carol);
}

impl World {
    fn record(&mut self, order: RecordOrder) -> ControlReply {
        self.order(1, order)
    }

    pub(super) fn order(&mut self, call: u64, order: RecordOrder) -> ControlReply {
        self.input(Input::Control { id: ControlId(8), request: Control::Record { call, order } });
        let reply = self.out.iter().rposition(|action| matches!(action, Action::Reply { .. })).unwrap();
        match self.out.remove(reply) {
            Action::Reply { reply, .. } => reply,
            other => panic!("{other:?}"),
        }
    }

    /// What the room of the call is to be.
    pub(super) fn room(&self) -> RoomSpec {
        let spec = self.out.iter().rev().find_map(|action| match action {
            Action::Media { command: MediaCommand::PutRoom { spec, .. }, .. } => Some(spec.clone()),
            _ => None,
        });
        spec.unwrap()
    }
}

#[test]
fn a_call_is_recorded_by_order() {
    let mut world = World::new();
    let start = RecordOrder::Start { what: RecordWhat::Stereo, format: None };
    assert_eq!(world.record(start), ControlReply::NoSuchCall { call: 1 });
    talking(&mut world);
    let recording = RecordingId(256);
    assert_eq!(world.record(start), ControlReply::Recording { call: 1, recording, unheard: vec![] });
    let what = Recorded::Stereo { left: LegId(1), right: LegId(2) };
    let spec = RecordingSpec {
        id: recording,
        what,
        rate: 8000,
        format: RecordingFormat::Wav,
        paused: false,
        quiet: 0,
    };
    assert_eq!(world.room().recordings, [spec]);
    let refused = |why| ControlReply::NotRecorded { call: 1, why };
    assert_eq!(world.record(start), refused(NotRecorded::Already));
    world.record(RecordOrder::Pause);
    assert_eq!(world.room().recordings, [RecordingSpec { paused: true, ..spec }]);
    world.record(RecordOrder::Resume);
    assert_eq!(world.room().recordings, [spec]);
    assert_eq!(
        world.record(RecordOrder::Stop),
        ControlReply::Recording { call: 1, recording, unheard: vec![] }
    );
    assert_eq!(world.room().recordings, []);
    assert_eq!(world.record(RecordOrder::Stop), refused(NotRecorded::NotRecording));
    let again = ControlReply::Recording { call: 1, recording: RecordingId(257), unheard: vec![] };
    assert_eq!(
        world.record(RecordOrder::Start { what: RecordWhat::Callee, format: Some(RecordingFormat::Opus) }),
        again
    );
}

#[test]
fn who_is_not_in_a_recording_is_told() {
    let amr = "v=0\no=- 1 1 IN IP4 10.0.0.1\ns=-\nc=IN IP4 10.0.0.1\nt=0 0\nm=audio 4000 RTP/AVP 96 0\n\
a=rtpmap:96 AMR/8000\n";
    let both =
        amr.replace("RTP/AVP 96 0", "RTP/AVP 0 96").replace("4000", "6000").replace("10.0.0.1", "10.0.0.2");
    let mut world = configured(|_| {});
    world.send(ALICE, &invite("bob", "", amr));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "200 OK", "", &both));
    let answered = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    let told = |world: &mut World| {
        let reports = world.events.drain(..).filter_map(|event| match event {
            Event::NotInRecording { side, codec, .. } => Some((side, codec.to_string())),
            _ => None,
        });
        reports.collect::<Vec<_>>()
    };
    let what = NotRecorded::Codec;
    let caller = world.record(RecordOrder::Start { what: RecordWhat::Caller, format: None });
    assert_eq!(caller, ControlReply::NotRecorded { call: 1, why: what });
    let recording = RecordingId(256);
    let unheard = vec![Side::Caller];
    let started = world.record(RecordOrder::Start { what: RecordWhat::Mixed, format: None });
    assert_eq!(started, ControlReply::Recording { call: 1, recording, unheard });
    assert_eq!(told(&mut world), [(Side::Caller, "AMR".to_owned())]);
    // She changes to what can be decoded, and back: that is told again.
    world.send(ALICE, &inside(&answered, "INVITE", 2, &amr.replace("RTP/AVP 96 0", "RTP/AVP 0 96")));
    assert_eq!(told(&mut world), []);
    world.send(ALICE, &inside(&answered, "ACK", 2, ""));
    world.input(Input::Control { id: ControlId(9), request: Control::Calls });
    let Some(Action::Reply { reply: ControlReply::Calls(calls), .. }) = world.out.pop() else { panic!() };
    assert_eq!((calls[0].recorded, &calls[0].unheard[..]), (true, &[][..]));
    world.send(ALICE, &inside(&answered, "INVITE", 3, amr));
    assert_eq!(told(&mut world), [(Side::Caller, "AMR".to_owned())]);
}

#[test]
fn nothing_is_recorded_before_the_answer() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let why = NotRecorded::NotAnswered;
    let reply = world.record(RecordOrder::Start { what: RecordWhat::Mixed, format: None });
    assert_eq!(reply, ControlReply::NotRecorded { call: 1, why });
}

#[test]
fn an_order_to_a_call_that_is_ending_brings_no_room_back() {
    let mut world = World::new();
    let (answered, _) = talking(&mut world);
    world.record(RecordOrder::Start { what: RecordWhat::Mixed, format: None });
    world.out.clear();
    // Media has not let go yet.
    world.telex_only(ALICE, &inside(&answered, "BYE", 2, ""));
    let why = NotRecorded::NotRecording;
    for order in [RecordOrder::Pause, RecordOrder::Resume, RecordOrder::Stop] {
        assert_eq!(world.record(order), ControlReply::NotRecorded { call: 1, why });
    }
    let rooms = |wanted: fn(&MediaCommand) -> bool| {
        let commands = world.out.iter().filter_map(|action| match action {
            Action::Media { command, .. } => Some(command),
            _ => None,
        });
        commands.filter(|command| wanted(command)).count()
    };
    assert_eq!(rooms(|command| matches!(command, MediaCommand::DropRoom { .. })), 1);
    assert_eq!(rooms(|command| matches!(command, MediaCommand::PutRoom { .. })), 0);
}

#[test]
fn who_is_told_of_keys_otherwise_gets_no_events_as_well() {
    for (digits, way) in [(DigitsBy::Info, DigitWay::Nothing), (DigitsBy::Tones, DigitWay::Tones)] {
        let mut world = configured(|config| config.phones.get_mut("bob").unwrap().digits = digits);
        world.send(ALICE, &invite("bob", "", OFFER));
        let asked = world.only("INVITE");
        let answer = ANSWER.replace("AVP 0", "AVP 0 101") + "a=rtpmap:101 telephone-event/8000\n";
        world.send(BOB, &respond(&asked, "200 OK", "", &answer));
        let (alice, bob) = world.both();
        assert_eq!(bob.digits.way, way);
        let forward = |spec: &LegSpec| {
            spec.accept.iter().find(|accepted| accepted.payload.number == 101).unwrap().forward
        };
        assert_eq!((forward(&alice), forward(&bob)), (None, Some(101)), "{digits:?}");
    }
}

#[test]
fn a_late_offer_to_who_shares_nothing_with_the_callee_names_what_can_be_turned() {
    let mut world = configured(|config| {
        config.phones.get_mut("alice").unwrap().codecs = Some(vec![Encoding::Pcmu]);
        config.phones.get_mut("bob").unwrap().codecs = Some(vec![Encoding::Pcma]);
    });
    world.send(ALICE, &invite("bob", "", ""));
    let asked = world.only("INVITE");
    assert_eq!(described(&asked), "m=audio 10002 RTP/AVP 8 101");
    world.send(BOB, &respond(&asked, "200 OK", "", PCMA));
    let answered = world.only("SIP/2.0 200");
    assert_eq!(described(&answered), "m=audio 10000 RTP/AVP 0 101");
    world.send(ALICE, &inside(&answered, "ACK", 1, PCMU));
    let (alice, bob) = world.both();
    assert_eq!((alice.audio.unwrap().number, bob.audio.unwrap().number), (0, 8));
}

#[test]
fn nobody_is_asked_for_a_call_without_any_speech() {
    let mut world = configured(|config| {
        config.transcode = false;
        config.phones.get_mut("bob").unwrap().codecs = Some(vec![Encoding::Pcma]);
    });
    world.send(ALICE, &invite("bob", "", PCMU));
    assert_eq!(world.lines(), "alice: SIP/2.0 488 Not Acceptable Here\n");
    world.pass(Duration::from_secs(40));
    all_quiet(&world);
}

/// What bob is offered when alice calls, who has PCMU only; he never wants it.
fn offered_to_bob(world: &mut World, number: u32) -> String {
    let again = |text: String| {
        text.replace("z9hG4bKa1", &format!("z9hG4bKn{number}"))
            .replace("Call-ID: c1", &format!("Call-ID: n{number}"))
    };
    world.send(ALICE, &again(invite("bob", "", PCMU)));
    let (mut asked, mut offers) = (Some(world.only("INVITE")), Vec::new());
    while let Some(invite) = asked {
        offers.push(described(&invite).split_once(" RTP").unwrap().1.to_owned());
        world.send(BOB, &respond(&invite, "488 Not Acceptable Here", "", ""));
        asked = world
            .sent()
            .into_iter()
            .map(|sent| sent.1)
            .find(|m| m.is_request() && m.method() == Method::Invite);
    }
    world.pass(Duration::from_secs(40));
    world.sent();
    offers.join(", ")
}

/// Alice has called bob, who answered with PCMU: that is known of him.
fn called_with_pcmu(world: &mut World) {
    world.send(ALICE, &invite("bob", "", PCMU));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let answered = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    world.send(ALICE, &inside(&answered, "BYE", 2, ""));
    world.pass(Duration::from_secs(40));
    world.sent();
}

#[test]
fn a_phone_that_refuses_what_it_is_known_to_have_is_asked_again_with_all_there_is() {
    let mut world = configured(|_| {});
    called_with_pcmu(&mut world);
    assert_eq!(offered_to_bob(&mut world, 1), "/AVP 0 101, /AVP 0 101 8", "known to have PCMU, or not");
    assert_eq!(offered_to_bob(&mut world, 2), "/AVP 0 101 8", "what was wrong is forgotten");
}

#[test]
fn a_phone_that_has_lost_a_codec_is_reached_in_the_same_call() {
    for refusal in ["488 Not Acceptable Here", "415 Unsupported Media Type", "606 Not Acceptable"] {
        let mut world = configured(|_| {});
        called_with_pcmu(&mut world);
        let call =
            invite("bob", "", PCMU).replace("z9hG4bKa1", "z9hG4bKn1").replace("Call-ID: c1", "Call-ID: n1");
        world.send(ALICE, &call);
        let first = world.only("INVITE");
        world.send(BOB, &respond(&first, refusal, "", ""));
        let sent = world.sent();
        let second = sent.iter().map(|sent| &sent.1).find(|m| m.method() == Method::Invite).unwrap();
        assert_ne!(second.call_id(), first.call_id());
        assert_eq!(second.request_uri(), first.request_uri());
        assert!(!sent.iter().any(|sent| sent.0.to_string() == ALICE), "alice hears nothing of it");
        world.send(BOB, &respond(second, "200 OK", "", PCMA));
        let (alice, bob) = world.both();
        let answered = world.only("SIP/2.0 200");
        assert_eq!(described(&answered).split_once(" RTP").unwrap().1, "/AVP 0 101");
        assert_eq!([alice.audio, bob.audio].map(|audio| audio.map(|a| a.number)), [Some(0), Some(8)]);
        world.send(ALICE, &inside(&answered, "ACK", 1, ""));
        world.send(ALICE, &inside(&answered, "BYE", 2, ""));
        world.pass(Duration::from_secs(80));
        all_quiet(&world);
    }
}

#[test]
fn a_caller_who_gives_up_meanwhile_is_not_asked_for_again() {
    let mut world = configured(|_| {});
    called_with_pcmu(&mut world);
    let call =
        invite("bob", "", PCMU).replace("z9hG4bKa1", "z9hG4bKn1").replace("Call-ID: c1", "Call-ID: n1");
    world.send(ALICE, &call);
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
    let cancel =
        call.split("Content-Type").next().unwrap().replace("INVITE", "CANCEL") + "Content-Length: 0\n\n";
    world.send(ALICE, &cancel);
    world.send(BOB, &respond(&asked, "488 Not Acceptable Here", "", ""));
    assert!(world.sent().iter().all(|sent| !sent.1.is_request() || sent.1.method() != Method::Invite));
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn a_phone_with_opus_may_have_events_at_another_clock() {
    let opus = "v=0\no=- 2 2 IN IP4 10.0.0.2\ns=-\nc=IN IP4 10.0.0.2\nt=0 0\nm=audio 6000 RTP/AVP 96 97\n\
a=rtpmap:96 opus/48000/2\na=rtpmap:97 telephone-event/8000\n";
    let mut world = configured(|config| config.codecs.push(Encoding::Opus));
    world.send(ALICE, &invite("bob", "", PCMU));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "200 OK", "", opus));
    let (_, bob) = world.both();
    assert_eq!(bob.audio.map(|audio| audio.clock), Some(48_000));
    assert_eq!(bob.events.map(|events| (events.number, events.clock)), Some((97, 8000)));
    assert_eq!(bob.digits.way, DigitWay::Events);
}

#[test]
fn a_phone_that_knows_nothing_of_the_call_when_told_of_a_key_is_gone() {
    for refusal in ["481 Call/Transaction Does Not Exist", "408 Request Timeout"] {
        let mut world = configured(|config| config.phones.get_mut("bob").unwrap().digits = DigitsBy::Info);
        talking(&mut world);
        world.digit(1, '1');
        world.digit(1, '2');
        let info = world.only("INFO");
        world.send(BOB, &respond(&info, refusal, "", ""));
        let sent = world.sent();
        assert!(sent.iter().any(|(to, m)| to.to_string() == ALICE && m.method() == Method::Bye), "{refusal}");
        assert!(sent.iter().all(|(_, m)| m.method() != Method::Info), "no other key is told");
        for (to, bye) in sent.iter().filter(|sent| sent.1.method() == Method::Bye) {
            world.send(&to.to_string(), &respond(bye, "200 OK", "", ""));
        }
        world.pass(Duration::from_secs(80));
        all_quiet(&world);
    }
    // Any other answer says only that it does not take keys that way.
    let mut world = configured(|config| config.phones.get_mut("bob").unwrap().digits = DigitsBy::Info);
    talking(&mut world);
    world.digit(1, '1');
    let info = world.only("INFO");
    world.send(BOB, &respond(&info, "415 Unsupported Media Type", "", ""));
    assert_eq!(world.lines(), "");
}

#[test]
fn what_a_phone_may_not_use_any_more_is_not_counted_on() {
    let mut world = configured(|_| {});
    called_with_pcmu(&mut world);
    let mut config = Config::default();
    config.phones.insert("alice".into(), device("sip:alice@10.0.0.1", ALICE));
    let bob = Phone { codecs: Some(vec![Encoding::Pcma]), ..device("sip:bob@10.0.0.2", BOB) };
    config.phones.insert("bob".into(), bob);
    world.input(Input::Config { config: Arc::new(config), listeners: listeners() });
    let ControlReply::Codecs(plan) = foreseen(&mut world, "alice", "bob") else { panic!() };
    assert_eq!(plan.offered, "telephone-event/8000 PCMA/8000");
    assert_eq!(offered_to_bob(&mut world, 1), "/AVP 101 8");
}

#[test]
fn a_phone_is_told_of_one_key_after_the_other() {
    let mut world = configured(|config| config.phones.get_mut("bob").unwrap().digits = DigitsBy::Info);
    let (answered, _) = talking(&mut world);
    let transactions = world.telex.stats().transactions;
    for _ in 0..1000 {
        world.digit(1, '1');
    }
    assert_eq!(world.telex.stats().transactions, transactions + 1, "one at a time");
    let mut told = 0;
    loop {
        let infos: Vec<Message> = world.sent().into_iter().map(|sent| sent.1).collect();
        let [info] = &infos[..] else { break };
        told += 1;
        world.send(BOB, &respond(info, "200 OK", "", ""));
    }
    assert_eq!(told, 1 + crate::limits::PRESSES);
    // What waits for one who does not answer is forgotten.
    (0..3).for_each(|_| world.digit(1, '2'));
    world.pass(Duration::from_secs(40));
    world.sent();
    world.digit(1, '3');
    assert!(world.only("INFO").body().starts_with(b"Signal=3\r\n"));
    world.send(ALICE, &inside(&answered, "BYE", 2, ""));
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn a_party_on_hold_hears_the_site_s_music_and_nobody_else_does() {
    let mut world = configured(|config| config.music = Some("quiet".into()));
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let (alice, bob) = world.both();
    assert_eq!((alice.playing, bob.playing), (None, None));
    let answered = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    let music = Some(Play::music("quiet".into()));
    for (cseq, direction, heard) in [(2, "sendonly", music), (3, "sendrecv", None)] {
        let body = OFFER.to_owned() + &format!("a={direction}\n");
        world.send(ALICE, &inside(&answered, "INVITE", cseq, &body));
        let (alice, bob) = world.both();
        assert_eq!((alice.playing, bob.playing), (None, heard), "{direction}");
        assert!(bob.send && bob.audio.is_some());
        world.only("SIP/2.0 200");
        world.send(ALICE, &inside(&answered, "ACK", cseq, ""));
    }
}

/// A caller that only speaks, an announcement, has put nobody on hold.
#[test]
fn who_never_wanted_to_hear_holds_nothing() {
    let mut world = configured(|config| config.music = Some("quiet".into()));
    world.send(ALICE, &invite("bob", "", &(OFFER.to_owned() + "a=sendonly\n")));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "200 OK", "", &(ANSWER.to_owned() + "a=recvonly\n")));
    let (alice, bob) = world.both();
    assert_eq!((alice.playing, bob.playing), (None, None));
    assert!(bob.send && !alice.send);
}
