//! Numbers that lead to conferences.

use super::*;
use crate::border::{CallInfo, CallState, NotRecorded, RecordOrder, RecordWhat};
use crate::limits;
use crate::mediactl::{LegId, Recorded};

/// A telephone with one call of its own.
struct Member {
    name: &'static str,
    address: &'static str,
    call: usize,
}

const ALICES: Member = Member { name: "alice", address: ALICE, call: 1 };
const BOBS: Member = Member { name: "bob", address: BOB, call: 2 };
const CAROLS: Member = Member { name: "carol", address: "10.0.0.3:5060", call: 3 };

/// What the exchange did: the last message it sent, and what media was told, in words.
struct Did {
    said: Option<Message>,
    media: Vec<String>,
}

impl Did {
    fn code(&self) -> u16 {
        self.said.as_ref().and_then(|message| message.status()).map_or(0, |status| status.code())
    }
}

impl Member {
    fn host(&self) -> &'static str {
        self.address.split(':').next().unwrap()
    }

    /// Says what alice would, as this one.
    fn say(&self, world: &mut World, text: &str) -> Did {
        let text = text
            .replace("10.0.0.1", self.host())
            .replace("alice@", &format!("{}@", self.name))
            .replace("tag=fa", &format!("tag=f{}", self.call))
            .replace("Call-ID: c1", &format!("Call-ID: c{}", self.call))
            .replace("z9hG4bK", &format!("z9hG4bK{}x", self.call));
        world.out.clear();
        world.send(self.address, &text);
        let media = world.out.iter().filter_map(words).collect();
        Did { said: world.sent().pop().map(|(_, message)| message), media }
    }

    fn calls(&self, world: &mut World, number: &str, offer: &str) -> Did {
        self.say(world, &invite(number, "", offer))
    }

    fn joins(&self, world: &mut World, number: &str) -> (Message, Vec<String>) {
        let did = self.calls(world, number, OFFER);
        assert_eq!(did.code(), 200, "{}", self.name);
        let answered = did.said.unwrap();
        self.say(world, &inside(&answered, "ACK", 1, ""));
        (answered, did.media)
    }

    fn leaves(&self, world: &mut World, answered: &Message) -> Vec<String> {
        let did = self.say(world, &inside(answered, "BYE", 9, ""));
        assert_eq!(did.code(), 200);
        did.media
    }
}

fn words(action: &Action) -> Option<String> {
    let Action::Media { shard, command } = action else { return None };
    let what = match command {
        MediaCommand::PutRoom { room, spec, .. } => {
            format!("room {} {:?}, {} recorded", room.0, spec.mode, spec.recordings.len())
        }
        MediaCommand::PutLeg { leg, spec, .. } => {
            let forwards = spec.accept.iter().any(|accepted| accepted.forward.is_some());
            let ways = [(spec.send, "hears"), (spec.receive, "speaks"), (forwards, "forwards")];
            let ways: Vec<_> = ways.into_iter().filter(|way| way.0).map(|way| way.1).collect();
            format!("leg {} in room {} {}", leg.0, spec.room.0, ways.join(" "))
        }
        MediaCommand::DropRoom { room } => format!("no room {}", room.0),
        MediaCommand::GiveLeg { leg, port, to } => format!("leg {} with port {} to {}", leg.0, port.0, to.0),
        MediaCommand::DropLeg { .. } | MediaCommand::WantPorts { .. } => return None,
    };
    Some(format!("{}: {what}", shard.0))
}

fn configured(change: impl FnOnce(&mut Config)) -> World {
    let mut config = Config::default();
    for member in [ALICES, BOBS, CAROLS] {
        let uri = format!("sip:{}@{}", member.name, member.host());
        config.phones.insert(member.name.into(), device(&uri, member.address));
    }
    for (number, name) in [("800", "team"), ("801", "team"), ("900", "900")] {
        config.conferences.insert(number.into(), name.into());
    }
    change(&mut config);
    World::with(config)
}

impl World {
    fn list(&mut self) -> Vec<CallInfo> {
        self.out.clear();
        self.input(Input::Control { id: ControlId(7), request: Control::Calls });
        match self.out.pop() {
            Some(Action::Reply { reply: ControlReply::Calls(calls), .. }) => calls,
            other => panic!("{other:?}"),
        }
    }

    /// What media is told when a call that was answered joins.
    fn join(&mut self, call: u64, name: &str) -> Vec<String> {
        let mut out = Vec::new();
        let (mut cx, tables) = self.telex.split(self.now, &mut out);
        assert!(tables.calls.join_call(&mut cx, call, name));
        self.telex.check();
        out.iter().filter_map(words).collect()
    }
}

fn world() -> World {
    configured(|_| {})
}

#[test]
fn three_telephones_come_together_and_leave() {
    let mut world = world();
    let (alice, did) = ALICES.joins(&mut world, "800");
    assert_eq!(did, ["0: room 1 Mix, 0 recorded", "0: leg 1 in room 1 hears speaks"]);
    let body = String::from_utf8_lossy(alice.body()).into_owned();
    assert!(body.contains("m=audio 10000 RTP/AVP 8 0 101\r\n"), "{body}");
    let (bob, did) = BOBS.joins(&mut world, "801");
    assert_eq!(did, ["0: leg 2 in room 1 hears speaks"], "another number of the same conference");
    let (carol, did) = CAROLS.joins(&mut world, "800");
    assert_eq!(did, ["0: leg 3 in room 1 hears speaks"]);
    let list = world.list();
    let told: Vec<_> = list.iter().map(|call| (call.to.as_str(), call.state, call.codec.as_str())).collect();
    assert_eq!(
        told,
        [("800", CallState::Up, "PCMA"), ("801", CallState::Up, "PCMA"), ("800", CallState::Up, "PCMA")]
    );
    // The one who began it leaves: the others stay together.
    assert!(ALICES.leaves(&mut world, &alice).is_empty());
    assert!(BOBS.leaves(&mut world, &bob).is_empty());
    assert_eq!(CAROLS.leaves(&mut world, &carol), ["0: no room 1"]);
    world.pass(Duration::from_secs(40));
    all_quiet(&world);
    // A conference of the same name is another one.
    let (_, did) = ALICES.joins(&mut world, "800");
    assert_eq!(did[0], "0: room 4 Mix, 0 recorded");
}

#[test]
fn a_member_on_hold_hears_nothing_and_comes_back() {
    let mut world = world();
    let (alice, _) = ALICES.joins(&mut world, "800");
    BOBS.joins(&mut world, "800");
    let held = format!("{}a=sendonly\n", OFFER.replace("o=- 1 1", "o=- 1 2"));
    let did = ALICES.say(&mut world, &inside(&alice, "INVITE", 2, &held));
    assert_eq!((did.code(), &did.media[..]), (200, &["0: leg 1 in room 1 speaks".to_owned()][..]));
    assert_eq!(world.list()[0].state, CallState::Held);
    ALICES.say(&mut world, &inside(&alice, "ACK", 2, ""));
    let back = OFFER.replace("o=- 1 1", "o=- 1 3");
    let did = ALICES.say(&mut world, &inside(&alice, "INVITE", 3, &back));
    assert_eq!(did.media, ["0: leg 1 in room 1 hears speaks"]);
}

#[test]
fn a_caller_without_an_offer_joins_with_its_ack() {
    let mut world = world();
    BOBS.joins(&mut world, "800");
    let did = ALICES.calls(&mut world, "800", "");
    let answered = did.said.unwrap();
    assert!(did.media.is_empty() && answered.body().starts_with(b"v=0"));
    let did = ALICES.say(&mut world, &inside(&answered, "ACK", 1, OFFER));
    assert_eq!(did.media, ["0: leg 2 in room 1 hears speaks"]);
}

#[test]
fn who_has_no_codec_of_ours_is_refused_and_leaves_nothing() {
    let mut world = world();
    let offer = OFFER.replace("8 0 101", "97").replace("101 telephone-event", "97 AMR");
    let did = ALICES.calls(&mut world, "800", &offer);
    assert_eq!(did.code(), 488);
    assert_eq!(did.media, ["0: room 1 Mix, 0 recorded", "0: no room 1"]);
    ALICES.say(&mut world, &invite("800", "", "").replace("INVITE", "ACK"));
    world.pass(Duration::from_secs(40));
    all_quiet(&world);
}

#[test]
fn a_full_conference_is_busy() {
    let mut world = world();
    let ports = (0..limits::CONFERENCE_MEMBERS as u16 + 64).map(|n| PortId(20_000 + 2 * n)).collect();
    world.input(Input::Media { shard: ShardId(0), report: MediaReport::Ports { ports } });
    let call = |n: usize| {
        let member = Member { call: n, ..if n.is_multiple_of(2) { ALICES } else { BOBS } };
        let text = invite("800", "", OFFER)
            .replace("10.0.0.1", member.host())
            .replace("alice@", &format!("{}@", member.name));
        let text = text.replace("tag=fa", &format!("tag=f9{n}")).replace("ID: c1", &format!("ID: c9{n}"));
        (member.address, text.replace("bKa1", &format!("bKa9{n}")))
    };
    for n in 0..limits::CONFERENCE_MEMBERS {
        let (from, text) = call(n);
        world.telex_only(from, &text);
    }
    let answers = world.sent().iter().filter(|(_, m)| m.status().is_some_and(|s| s.code() == 200)).count();
    assert_eq!(answers, limits::CONFERENCE_MEMBERS);
    let did = CAROLS.calls(&mut world, "800", OFFER);
    assert_eq!((did.code(), did.media.len()), (486, 0));
    assert!(
        world.events.contains(&Event::Overload { what: "members of a conference".into() }),
        "{:?}",
        world.events.last()
    );
    CAROLS.say(&mut world, &invite("800", "", "").replace("INVITE", "ACK"));
    let did = Member { call: 4, ..CAROLS }.calls(&mut world, "900", OFFER);
    assert_eq!(did.code(), 200, "another conference has room");
}

#[test]
fn conferences_are_bounded() {
    let mut world = configured(|config| {
        for n in 0..=limits::CONFERENCES {
            config.conferences.insert(format!("c{n}").into(), format!("c{n}").into());
        }
    });
    let ports = (0..limits::CONFERENCES as u16 + 64).map(|n| PortId(20_000 + 2 * n)).collect();
    world.input(Input::Media { shard: ShardId(0), report: MediaReport::Ports { ports } });
    for n in 0..limits::CONFERENCES {
        let (name, from) = if n.is_multiple_of(2) { ("alice", ALICE) } else { ("bob", BOB) };
        let text = invite(&format!("c{n}"), "", OFFER).replace("alice@", &format!("{name}@"));
        let text = text.replace("tag=fa", &format!("tag=f9{n}")).replace("ID: c1", &format!("ID: c9{n}"));
        world.telex_only(from, &text.replace("bKa1", &format!("bKa9{n}")));
    }
    let answers = world.sent().iter().filter(|(_, m)| m.status().is_some_and(|s| s.code() == 200)).count();
    assert_eq!(answers, limits::CONFERENCES);
    let did = CAROLS.calls(&mut world, &format!("c{}", limits::CONFERENCES), OFFER);
    assert_eq!(did.code(), 503);
    assert!(world.events.contains(&Event::Overload { what: "conferences".into() }));
    CAROLS.say(&mut world, &invite("800", "", "").replace("INVITE", "ACK"));
    assert_eq!(
        Member { call: 7, ..CAROLS }.calls(&mut world, "c5", OFFER).code(),
        200,
        "one that there is takes more"
    );
}

#[test]
fn members_get_their_ports_where_the_conference_is() {
    let mut config = Config::default();
    config.conferences.insert("800".into(), "800".into());
    config.phones.insert("alice".into(), device("sip:alice@10.0.0.1", ALICE));
    config.phones.insert("bob".into(), device("sip:bob@10.0.0.2", BOB));
    config.phones.insert("carol".into(), device("sip:carol@10.0.0.3", CAROLS.address));
    let mut world = World::on_shards(config, 2);
    let ports = |from: u16| (0..64).map(|n| PortId(from + 2 * n)).collect();
    world.input(Input::Media { shard: ShardId(1), report: MediaReport::Ports { ports: ports(20_000) } });
    let (_, did) = ALICES.joins(&mut world, "800");
    assert_eq!(did[1], "0: leg 1 in room 1 hears speaks");
    let (bob, did) = BOBS.joins(&mut world, "*43");
    assert_eq!(did[1], "1: leg 2 in room 2 hears speaks forwards", "calls of their own are spread");
    let (_, did) = CAROLS.joins(&mut world, "800");
    assert_eq!(did, ["0: leg 3 in room 1 hears speaks"]);
    // Bob's phone was told a port of the other shard: it comes along.
    assert_eq!(world.join(2, "800"), ["1: leg 2 with port 20000 to 0", "1: no room 2"]);
    world.out.clear();
    let given = |leg| MediaReport::Given { leg, stats: LegStats::default(), resume: None };
    world.input(Input::Media { shard: ShardId(1), report: given(LegId(2)) });
    let did: Vec<_> = world.out.iter().filter_map(words).collect();
    assert_eq!(did, ["0: leg 2 in room 1 hears speaks"]);
    assert!(BOBS.leaves(&mut world, &bob).is_empty());
    world.pass(Duration::from_secs(40));
    assert_eq!(world.list().len(), 2);
    // It stays there, and serves other calls after those that were free before.
    assert_eq!(world.telex.stats().ports, 2);
}

#[test]
fn a_call_that_was_answered_joins() {
    let mut world = world();
    let (alice, _) = ALICES.joins(&mut world, "*43");
    world.order(1, RecordOrder::Start { what: RecordWhat::Caller, format: None });
    BOBS.joins(&mut world, "800");
    let did = world.join(1, "team");
    assert_eq!(did, ["0: leg 1 in room 2 hears speaks", "0: no room 1"]);
    CAROLS.joins(&mut world, "*43");
    // The first one's room becomes that of the conference.
    assert_eq!(world.join(3, "other"), ["0: room 3 Mix, 0 recorded", "0: leg 3 in room 3 hears speaks"]);
    assert_eq!(world.list()[0].state, CallState::Up);
    assert!(ALICES.leaves(&mut world, &alice).is_empty());
}

#[test]
fn a_member_is_recorded_with_all_others() {
    let mut world = world();
    let (alice, _) = ALICES.joins(&mut world, "800");
    BOBS.joins(&mut world, "800");
    let id = world.order(1, RecordOrder::Start { what: RecordWhat::Stereo, format: None });
    assert!(matches!(id, ControlReply::Recording { call: 1, .. }), "{id:?}");
    let spec = world.room();
    assert_eq!((spec.mode, spec.recordings[0].what), (crate::mediactl::RoomMode::Mix, Recorded::Mixed));
    let told = world.order(2, RecordOrder::Start { what: RecordWhat::Caller, format: None });
    assert!(matches!(told, ControlReply::Recording { call: 2, .. }), "{told:?}");
    assert_eq!(world.room().recordings[1].what, Recorded::Leg(LegId(2)));
    // What was ordered for a member ends with it.
    assert_eq!(ALICES.leaves(&mut world, &alice), ["0: room 1 Mix, 1 recorded"]);
    for n in 3..=limits::RECORDINGS as u64 + 2 {
        let member = Member { call: n as usize, ..ALICES };
        member.joins(&mut world, "800");
        let told = world.order(n, RecordOrder::Start { what: RecordWhat::Caller, format: None });
        let crowded = ControlReply::NotRecorded { call: n, why: NotRecorded::Crowded };
        assert_eq!(told == crowded, n > limits::RECORDINGS as u64 + 1, "{told:?}");
    }
}

#[test]
fn a_number_that_is_gone_leaves_its_conference_alone() {
    let mut world = world();
    let (alice, _) = ALICES.joins(&mut world, "900");
    let mut config = Config::default();
    for member in [ALICES, BOBS] {
        let uri = format!("sip:{}@{}", member.name, member.host());
        config.phones.insert(member.name.into(), device(&uri, member.address));
    }
    world.input(Input::Config { config: Arc::new(config), listeners: listeners() });
    assert_eq!(BOBS.calls(&mut world, "900", OFFER).code(), 404);
    assert_eq!(world.list().len(), 1);
    assert_eq!(ALICES.leaves(&mut world, &alice), ["0: no room 1"]);
}
