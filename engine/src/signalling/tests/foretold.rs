//! What is foretold of a call is what becomes of it: over random dialplans, numbers, times and phones.

use std::collections::BTreeSet;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use telex_dialplan::Dialplan;
use telex_dialplan::explain::{Does, Supposition};
use telex_dialplan::task::DialStatus;

use super::*;
use crate::border::Foretold;
use crate::config::ParkingLot;
use crate::mediactl::{Clip, DigitHeard, LegId, Piece, Play, Playing};
use crate::sip::HeaderName;

const PATTERNS: &[&str] = &[
    "1",
    "12",
    "123",
    "200",
    "s",
    "_X",
    "_XX",
    "_1X.",
    "_X.",
    "_[2-4]XX",
    "_0!",
    "i",
    "t",
    "h",
    "T",
    "BUSY",
    "NOANSWER",
    "CHANUNAVAIL",
    "ANSWER",
    "CONGESTION",
];
const NUMBERS: &[&str] = &["1", "12", "123", "200", "345", "0199", "s", "999", "77", "x1"];
const KEYS: &[&str] = &["", "1", "12", "123", "9", "2#", "200", "77"];
const HOURS: &[&str] = &["", ",9:00-17:00,mon-fri,*,*", ",*,sat-sun,*,*", ",22:13-22:14,*,*,*"];
const STEPS: &[&str] = &[
    "Answer()",
    "Answer(500)",
    "Wait(2)",
    "Wait(${RAND(1,90)})",
    "Playback(welcome)",
    "Playback(closed&nowhere,noanswer)",
    "Background(welcome&press-1)",
    "Background(press-1,n)",
    "WaitExten(5)",
    "Read(PIN,press-1,4)",
    "Read(N,,2,,2,3)",
    "SayDigits(12)",
    "Set(N=${RAND(0,3)})",
    "Set(GROUP()=sales)",
    "Set(TIMEOUT(absolute)=9.137)",
    "GotoIf($[${GROUP_COUNT(sales)} > 1]?b,s,1)",
    "GotoIf($[\"${N}\" = \"1\"]?b,1,1:+1)",
    "GotoIfTime(9:00-17:00,mon-fri,*,*?a,1,1)",
    "GotoIfTime(22:13-22:14,*,*,*?b,12,1:a,200,1)",
    "Goto(${DIALSTATUS},1)",
    "Goto(b,${PIN},1)",
    "Goto(+2)",
    "Goto(1)",
    "Gosub(b,s,1(${EXTEN}))",
    "Return(x)",
    "While($[${INC(N)} < 4])",
    "EndWhile()",
    "ExecIf($[${RAND(0,1)}]?Hangup(17))",
    "Dial(PJSIP/bob,20)",
    "Dial(PJSIP/bob&PJSIP/carol,10,g)",
    "Dial(PJSIP/carol&PJSIP/dave,15)",
    "Dial(PJSIP/dave,15)",
    "Dial(PJSIP/carol,30,gS(7))",
    "Dial(PJSIP/nobody)",
    "Busy(3)",
    "Congestion()",
    "Hangup()",
    "Hangup(21)",
    "Echo()",
    "Milliwatt()",
    "MusicOnHold(default,5)",
    "Playtones(busy)",
    "Playtones(nonsense!)",
    "StopPlaytones()",
    "SendDTMF(1w2)",
    "Ringing()",
    "Progress()",
    "Set(DB(a/b)=${N}1)",
    "Set(GLOBAL(G)=1${G})",
    "NoOp(${DB(a/b)} ${G} ${SITE} ${PHONES} ${HANGUPCAUSE} ${ANSWEREDTIME} ${INVALID_EXTEN})",
    "NoOp(${CHANNEL} ${UNIQUEID} ${CALLERID(all)} ${CDR(dst)} ${CDR(duration)} ${CDR(billsec)} ${CDR(disposition)})",
    "NoOp(${EPOCH} ${STRFTIME(${EPOCH},,%a %H:%M:%S)})",
    "NoOp(${DEVICE_STATE(PJSIP/bob)} ${DEVICE_STATE(PJSIP/alice)} ${DEVICE_STATE(PJSIP/dave)})",
];

/// Steps with others in them, whom they may send elsewhere, and services.
const MORE: &[&str] = &[
    "Dial(Local/123@a,9)",
    "Dial(Local/${EXTEN}@b&PJSIP/bob,10,g)",
    "Dial(PJSIP/carol&Local/s@internal/n,8)",
    "Dial(Local/12@a&Local/x@none,8,g)",
    "Dial(PJSIP/bob&PJSIP/carol,12,gi)",
    "Dial(PJSIP/bob,5,g)",
    "Dial(PJSIP/carol&PJSIP/bob,5,g)",
    "Park()",
    "Park(other,s)",
    "Park(,t(9))",
    "Park(nowhere)",
    "ParkedCall()",
    "ParkedCall(,11)",
    "Pickup(frank)",
    "Pickup()",
    "Page(PJSIP/bob&PJSIP/carol,,5)",
    "Page(PJSIP/alice&PJSIP/frank&PJSIP/carol)",
    "CallCompletionRequest()",
    "CallCompletionRequest(bob)",
    "CallCompletionCancel()",
    "Transfer(PJSIP/200)",
    "ConfBridge(room)",
    "NoOp(${PARKINGSLOT} ${PARKER} ${CC_REQUEST_RESULT} ${DIALSTATUS} ${TRANSFERSTATUS} ${DEVICE_STATE(PJSIP/bob)})",
];
/// Steps that run it.
const SCREENS: &[&str] = &[
    "Dial(PJSIP/bob,10,gU(u))",
    "Dial(PJSIP/carol,10,geU(u))",
    "Dial(PJSIP/bob,7,e)",
    "Dial(PJSIP/bob&PJSIP/carol,10,U(u^${EXTEN}))",
    "Dial(PJSIP/carol,9,gb(u^s^1(x))U(u^y^z))",
    "Dial(PJSIP/bob&PJSIP/carol,12,b(u^s^1))",
    "Dial(PJSIP/carol,12,A(welcome)g)",
];
/// Steps of a subroutine for callees.
const ASIDE: &[&str] = &[
    "NoOp(${ARG1} ${ARG2} ${CALLERID(num)} ${CONNECTEDLINE(num)} ${DEVICE_STATE(PJSIP/bob)} ${DEVICE_STATE(PJSIP/carol)})",
    "Set(GOSUB_RESULT=BUSY)",
    "Set(GOSUB_RESULT=CONGESTION)",
    "Set(GOSUB_RESULT=CONTINUE)",
    "Set(GOSUB_RESULT=CONTINUE)",
    "Set(GOSUB_RESULT=ABORT)",
    "Set(GOSUB_RESULT=GOTO:b^s^1)",
    "Set(GOSUB_RESULT=GOTO:internal^200^1)",
    "Set(GOSUB_RESULT=GOTO:a^123^1)",
    "Set(GOSUB_RESULT=PERHAPS)",
    "Set(PJSIP_HEADER(add,X-A)=1)",
    "Read(K,press-1,1)",
    "Read(K,,2,,2,3)",
    "GotoIf($[\"${K}\" = \"1\"]?+2)",
    "Playback(welcome)",
    "Background(press-1)",
    "SayDigits(1)",
    "Wait(1)",
    "Answer(500)",
    "Echo()",
    "Return()",
    "Return(x)",
    "Hangup()",
];

/// A phone that may ring, and where.
const CALLEES: [(&str, &str); 2] = [("bob", BOB), ("carol", CAROL)];
const CAROL: &str = "10.0.0.3:5060";
const ERIN: &str = "10.0.0.4:5060";
const FRANK: &str = "10.0.0.5:5060";
/// How long those talk who answer.
const TALK: Duration = Duration::from_secs(20);
/// What is said takes so long.
const PROMPT_MS: u32 = 700;

/// Everything that is drawn.
#[derive(Clone, Debug)]
struct Case {
    text: String,
    number: &'static str,
    /// Minutes since the exchange began to be.
    minutes: u64,
    does: [Does; 2],
    keys: Vec<&'static str>,
    /// What another call does already.
    other: Other,
}

/// What another phone does already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Other {
    Nothing,
    /// It is in the group.
    Crowds,
    /// It is parked.
    Parks,
    /// It rings at a phone of the group of pick-up.
    Rings,
}

/// What a context includes and when, and the steps of its patterns.
type Drawn = (Vec<(&'static str, &'static str)>, Vec<(&'static str, Vec<&'static str>)>);

fn context() -> impl Strategy<Value = Drawn> {
    let step = prop_oneof![4 => select(STEPS), 2 => select(MORE), 2 => select(SCREENS)];
    let extensions = btree_map(select(PATTERNS), vec(step, 1..6), 1..6);
    let includes = vec((select(&["a", "b"][..]), select(HOURS)), 0..3);
    (includes, extensions.prop_map(|all| all.into_iter().collect()))
}

fn case() -> impl Strategy<Value = Case> {
    use DialStatus::{Answer, Busy, ChanUnavail, Congestion, NoAnswer};
    let ends = select(&[NoAnswer, Answer, Answer, Busy, Congestion, ChanUnavail][..]).prop_map(Does::Ends);
    let moves = select(&["123", "200", "12", "x1", "s", "nowhere"][..]).prop_map(|to| Does::Moves(to.into()));
    let presses = select(&["1", "12", ""][..]).prop_map(|keys| Does::Presses(keys.into()));
    let does = prop_oneof![6 => ends, 3 => moves, 3 => presses].boxed();
    let does = [does.clone(), does];
    let others = select(&[Other::Nothing, Other::Crowds, Other::Parks, Other::Rings][..]);
    let rest = (select(NUMBERS), 0..20_000_u64, does, vec(select(KEYS), 0..6), others);
    let aside = vec(select(ASIDE), 1..6);
    ([context(), context(), context()], aside, rest).prop_map(
        |(contexts, aside, (number, minutes, does, keys, other))| {
            let mut text = "[globals]\nSITE=north\nPHONES=PJSIP/${SITE}\n".to_owned();
            for (name, (includes, extensions)) in ["internal", "a", "b"].iter().zip(&contexts) {
                let _ = writeln!(text, "[{name}]");
                for (extension, steps) in extensions {
                    for (at, step) in steps.iter().enumerate() {
                        let head = if at == 0 {
                            format!("exten => {extension},1,")
                        } else {
                            "same => n,".to_owned()
                        };
                        let _ = writeln!(text, "{head}{step}");
                    }
                }
                for (other, hours) in includes.iter().filter(|(other, _)| other != name) {
                    let _ = writeln!(text, "include => {other}{hours}");
                }
            }
            text += GROUP;
            text += "[u]\nexten => s,1,NoOp(${ARG1})\n";
            for step in aside {
                let _ = writeln!(text, "same => n,{step}");
            }
            Case { text, number, minutes, does, keys, other }
        },
    )
}

/// What erin dials, who has called before.
const GROUP: &str = "[group]\nexten => 700,1,Set(GROUP()=sales)\nsame => n,Answer()\nsame => n,Wait(80000)\n\
    exten => 710,1,Park(,t(80000))\nexten => 720,1,Dial(PJSIP/frank)\nsame => n,Goto(1)\n";

fn exchange(case: &Case) -> World {
    let mut config = Config { media_timeout: None, zone: "Europe/Berlin".into(), ..Config::default() };
    config.session.expires = Duration::from_secs(24 * 3600);
    config
        .phones
        .insert("alice".into(), Phone { name: "Alice".into(), ..device("sip:alice@10.0.0.1", ALICE) });
    config.phones.insert("dave".into(), Phone::default());
    for (phone, address) in CALLEES {
        config.phones.insert(phone.into(), device(&format!("sip:{phone}@{address}"), address));
    }
    let other = Phone { context: "group".into(), ..device("sip:erin@10.0.0.4", ERIN) };
    config.phones.insert("erin".into(), other);
    let picked = Phone { pickup_group: "sales".into(), ..device("sip:frank@10.0.0.5", FRANK) };
    config.phones.insert("frank".into(), picked);
    config.phones.get_mut("alice").unwrap().pickup_group = "sales".into();
    let lot = ParkingLot { slots: (11, 12), back: "bob".into(), ..ParkingLot::default() };
    config.parking.insert("default".into(), lot);
    let lot = ParkingLot { slots: (21, 22), time: Duration::from_secs(7), ..ParkingLot::default() };
    config.parking.insert("other".into(), ParkingLot { extension: "999".into(), ..lot });
    let names = ["welcome", "press-1", "closed", "digits/1", "digits/2"];
    config.sounds = Arc::new(names.iter().map(|name| ((*name).into(), Clip::silence(PROMPT_MS))).collect());
    let plan = Dialplan::parse("extensions.conf", &case.text);
    config.dialplan = Some(plan.unwrap_or_else(|problems| panic!("{problems}\n{}", case.text)));
    let mut world = World::with(config);
    world.input(Input::Wall(WallTime::from_unix_millis(1_700_000_000_000 + case.minutes * 60_000)));
    let from_erin = |text: &str| {
        let text = text.replace("alice", "erin").replace("10.0.0.1", "10.0.0.4");
        text.replace("bKa1", "bKe1").replace("Call-ID: c1", "Call-ID: e1")
    };
    match case.other {
        Other::Nothing => {}
        Other::Rings => {
            world.send(ERIN, &from_erin(&invite("720", "", OFFER)));
            let asked =
                world.sent().into_iter().find(|(to, _)| to.to_string() == FRANK).expect("frank is rung").1;
            world.send(FRANK, &respond(&asked, "180 Ringing", "", ""));
        }
        Other::Crowds | Other::Parks => {
            let number = if case.other == Other::Crowds { "700" } else { "710" };
            world.send(ERIN, &from_erin(&invite(number, "", OFFER)));
            let answered = world.only("SIP/2.0 200");
            world.send(ERIN, &from_erin(&inside(&answered, "ACK", 1, "")));
        }
    }
    world.out.clear();
    world.events.clear();
    world
}

fn foretold(world: &mut World, case: &Case) -> Foretold {
    let mut wanted = Supposition::call("alice", case.number);
    wanted.talk = TALK;
    wanted.keys = case.keys.iter().map(|keys| SmolStr::from(*keys)).collect();
    let does = CALLEES.iter().zip(&case.does);
    wanted.phones = does.map(|((phone, _), does)| ((*phone).into(), does.clone())).collect();
    // Whose phone says nothing but that it rings.
    wanted.phones.push(("frank".into(), Does::Ends(DialStatus::NoAnswer)));
    let request = Control::Foretell(Box::new(wanted));
    world.input(Input::Control { id: ControlId(1), request });
    match world.out.pop() {
        Some(Action::Reply { reply: ControlReply::Foretold(told), .. }) => *told,
        other => panic!("{other:?}"),
    }
}

/// The call itself, as people make it.
struct Made<'a> {
    world: World,
    case: &'a Case,
    /// The call's number, and that of its caller's leg.
    call: u64,
    seen: usize,
    hears: Option<Play>,
    /// What a callee hears that is alone with the exchange.
    told: Option<Play>,
    rings: Vec<SmolStr>,
    /// What the caller was answered, and refused with.
    answered: Option<Message>,
    refused: Option<u16>,
    /// The callee who talks, by its INVITE.
    talks: Option<(Message, &'static str)>,
    tags: BTreeSet<String>,
    keys: std::vec::IntoIter<&'static str>,
}

impl Made<'_> {
    /// Everybody reads what came and does what they do.
    fn react(&mut self) {
        while self.seen < self.world.out.len() {
            let action = self.world.out[self.seen].clone();
            self.seen += 1;
            match action {
                Action::Media { command: MediaCommand::PutLeg { leg, spec, .. }, .. }
                    if leg == self.leg() =>
                {
                    self.hears.clone_from(&spec.playing);
                }
                Action::Media { command: MediaCommand::PutLeg { spec, .. }, .. } => {
                    let apart = |play: &&Play| play.number >= 1 << 31;
                    self.told = spec.playing.as_ref().filter(apart).cloned().or(self.told.take());
                }
                Action::Transmit { flow: crate::border::Flow::Datagram { remote, .. }, bytes } => {
                    self.message(&remote.to_string(), &Message::parse(bytes).unwrap());
                }
                _ => {}
            }
        }
    }

    fn message(&mut self, to: &str, message: &Message) {
        if !message.is_request() {
            let invite = message.header(HeaderName::CSeq).is_some_and(|cseq| cseq.ends_with("INVITE"));
            let status = message.status().map_or(0, crate::sip::Status::code);
            if to == ALICE && invite && status >= 300 {
                self.refused = Some(status);
            }
            if to == ALICE && invite && (200..300).contains(&status) && self.answered.is_none() {
                self.world.send(ALICE, &inside(message, "ACK", 1, ""));
                self.answered = Some(message.clone());
            }
            return;
        }
        if to == FRANK {
            return self.frank(message);
        }
        let Some(at) = CALLEES.iter().position(|(_, address)| *address == to) else { return };
        let new = !message.header(HeaderName::To).unwrap().contains("tag=");
        match message.method().as_str() {
            "INVITE" if new && self.tags.insert(message.header(HeaderName::Via).unwrap().to_owned()) => {
                self.rings.push(CALLEES[at].0.into());
                let pages = self.doing().as_deref() == Some("Paging");
                let mut does = &self.case.does[at];
                // Its INVITE is about to be taken back.
                if self.talks.is_some() && !pages {
                    does = &Does::Ends(DialStatus::Busy);
                }
                let says = match does {
                    Does::Ends(DialStatus::Answer) | Does::Presses(_) => "200 OK",
                    Does::Ends(DialStatus::Busy) => "486 Busy Here",
                    Does::Ends(DialStatus::Congestion) => "503 Service Unavailable",
                    Does::Ends(DialStatus::ChanUnavail) => "480 Temporarily Unavailable",
                    Does::Ends(DialStatus::NoAnswer | DialStatus::Cancel) => "180 Ringing",
                    Does::Moves(_) => "302 Moved Temporarily",
                };
                let answers = says.starts_with('2');
                let mut text = respond(message, says, "", if answers { ANSWER } else { "" });
                if let Does::Moves(to) = does {
                    text = text.replace("<sip:bob@10.0.0.2>", &format!("<sip:{to}@10.0.0.9>"));
                }
                self.world.send(to, &text);
                if answers && self.talks.is_none() {
                    self.talks = Some((message.clone(), CALLEES[at].1));
                }
            }
            "BYE" | "CANCEL" => {
                self.world.send(to, &respond(message, "200 OK", "", ""));
                let of = |message: &Message| message.header(HeaderName::CallId).map(str::to_owned);
                self.talks = self.talks.take().filter(|(talk, _)| of(talk) != of(message));
            }
            _ => {}
        }
    }

    /// A phone that rings for another call, and is paged.
    fn frank(&mut self, message: &Message) {
        match message.method().as_str() {
            "INVITE" if self.tags.insert(message.header(HeaderName::Via).unwrap().to_owned()) => {
                let ours = message.header(HeaderName::From).is_some_and(|from| !from.contains("erin"));
                self.rings.extend(ours.then(|| "frank".into()));
                self.world.send(FRANK, &respond(message, "180 Ringing", "", ""));
            }
            "CANCEL" | "BYE" => self.world.send(FRANK, &respond(message, "200 OK", "", "")),
            _ => {}
        }
    }

    /// The caller's.
    fn leg(&self) -> LegId {
        self.world.telex.tables.calls.leg_of(self.call).unwrap_or(LegId(0))
    }

    /// What the call waits for.
    fn doing(&self) -> Option<String> {
        self.world.telex.tables.calls.doing(self.call).map(|(doing, ..)| doing)
    }

    /// Time goes by until the exchange does something.
    fn wait(&mut self) {
        let deadline = self.world.telex.deadline().expect("something is waited for");
        self.world.now = self.world.now.max(deadline.at);
        self.world.input(Input::Wake);
    }

    /// What is played is played to its end.
    fn listen(&mut self) {
        let hears = self.hears.take();
        self.hear_out(self.leg(), hears);
    }

    /// The same for one party.
    fn hear_out(&mut self, leg: LegId, hears: Option<Play>) {
        let Some(Play { number, sound: Playing::Prompts { pieces, .. }, .. }) = hears else {
            return self.wait();
        };
        let ms = pieces.iter().map(|piece| match piece {
            Piece::Prompt(name) => self.world.telex.config_in_force().sounds.get(name).map_or(0, Clip::ms),
            Piece::Pause(ms) => u64::from(*ms),
        });
        let length = Duration::from_millis(ms.sum());
        self.world.pass(length);
        let report = MediaReport::Played { leg, rev: 1, number };
        self.world.input(Input::Media { shard: ShardId(0), report });
    }

    fn press(&mut self, keys: &str) {
        for digit in keys.chars() {
            let before = self.world.telex.tables.calls.doing(self.call);
            let (leg, how) = (self.leg(), DigitHeard::Event);
            let report = MediaReport::Digit { leg, rev: 1, digit, duration_ms: 100, how };
            self.world.input(Input::Media { shard: ShardId(0), report });
            let after = self.world.telex.tables.calls.doing(self.call);
            let got = |doing: Option<(String, String, bool)>| doing.map(|(_, got, _)| got);
            if got(after) != got(before).map(|got| format!("{got}{digit}")) {
                return;
            }
        }
    }

    /// The callee that is alone with the exchange hears it out, and presses what it is to.
    fn apart(&mut self, pressed: &mut Option<String>) -> bool {
        let Some((doing, got, leg, moment)) = self.world.telex.tables.calls.doing_apart(self.call) else {
            return false;
        };
        let phone = self.talks.as_ref().and_then(|(_, to)| CALLEES.iter().position(|(_, at)| at == to));
        let keys = match phone.map(|phone| &self.case.does[phone]) {
            Some(Does::Presses(keys)) => keys.clone(),
            _ => SmolStr::default(),
        };
        let listening = matches!(&self.told, Some(Play { sound: Playing::Prompts { .. }, .. }));
        match doing.as_str() {
            "Collecting" if got.is_empty() && pressed.as_ref() != Some(&moment) => {
                *pressed = Some(moment);
                for digit in keys.chars() {
                    let before = self.world.telex.tables.calls.doing_apart(self.call).map(|apart| apart.1);
                    let report =
                        MediaReport::Digit { leg, rev: 1, digit, duration_ms: 100, how: DigitHeard::Event };
                    self.world.input(Input::Media { shard: ShardId(0), report });
                    let after = self.world.telex.tables.calls.doing_apart(self.call).map(|apart| apart.1);
                    if after != before.map(|got| format!("{got}{digit}")) {
                        break;
                    }
                }
            }
            "Playing" | "Collecting" if listening => {
                let told = self.told.take();
                self.hear_out(leg, told);
            }
            _ => self.wait(),
        }
        true
    }

    fn hang_up(&mut self) {
        match &self.answered {
            Some(answered) => self.world.send(ALICE, &inside(answered, "BYE", 9, "")),
            None => {
                let cancel = invite(self.case.number, "", "").replace("INVITE", "CANCEL");
                self.world.send(ALICE, &cancel);
            }
        }
    }

    /// The call from its INVITE to its end.
    fn make(&mut self) {
        self.world.send(ALICE, &invite(self.case.number, "", OFFER));
        let (mut pressed_for, mut pressed_apart) = (None, None);
        for _ in 0..50_000 {
            self.react();
            if self.apart(&mut pressed_apart) {
                continue;
            }
            let Some((doing, got, timed)) = self.world.telex.tables.calls.doing(self.call) else { return };
            let listening = matches!(&self.hears, Some(Play { sound: Playing::Prompts { .. }, .. }));
            match doing.as_str() {
                "Collecting" if got.is_empty() && pressed_for != self.moment() => {
                    pressed_for = self.moment();
                    let keys = self.keys.next().unwrap_or_default();
                    self.press(keys);
                }
                "Playing" => self.listen(),
                "Collecting" | "Parked" if listening => self.listen(),
                "Echo" | "Conference" | "SendingAway" => self.hang_up(),
                "Paging" if self.talks.is_some() => self.hang_up(),
                "Listening" if !timed => self.hang_up(),
                "Music" if !timed => self.hang_up(),
                "Dialling" if self.talks.is_some() => {
                    let (until, this) = (self.world.now + TALK, self.talk());
                    while self.talk() == this && self.world.telex.deadline().is_some_and(|d| d.at <= until) {
                        self.wait();
                        self.react();
                    }
                    // A talk that was ended may be followed by another at once.
                    if self.talk() != this {
                        continue;
                    }
                    if let Some((asked, address)) = self.talks.take() {
                        self.world.now = until;
                        self.world.send(address, &from_bob(&asked, "BYE", self.tags.len() as u32, "", ""));
                    }
                }
                _ => self.wait(),
            }
        }
        panic!("the call does not end");
    }

    /// Tells one talk from the next.
    fn talk(&self) -> Option<String> {
        self.talks.as_ref().and_then(|(asked, _)| asked.header(HeaderName::Via)).map(str::to_owned)
    }

    /// Tells one collecting of keys from the next: what was played so far, and the steps.
    fn moment(&self) -> Option<String> {
        self.world.telex.tables.calls.collects(self.call)
    }
}

/// Each phone that is to ring has rung, the steps are the same to the letter, and the end is.
fn hold(case: &Case) -> Result<Option<Foretold>, TestCaseError> {
    let mut world = exchange(case);
    let told = foretold(&mut world, case);
    prop_assert_eq!(&foretold(&mut world, case), &told, "asking changes nothing");
    if !told.over {
        // It goes round for ever, with pauses.
        return Ok(None);
    }
    let call = 1 + u64::from(case.other != Other::Nothing);
    let mut made = Made {
        world,
        case,
        call,
        seen: 0,
        hears: None,
        told: None,
        rings: Vec::new(),
        answered: None,
        refused: None,
        talks: None,
        tags: BTreeSet::new(),
        keys: case.keys.clone().into_iter(),
    };
    made.make();
    let request = Control::Explain { call };
    made.world.input(Input::Control { id: ControlId(2), request });
    let Some(Action::Reply { reply: ControlReply::Explained(why), .. }) = made.world.out.pop() else {
        return Err(TestCaseError::fail("the call is not known"));
    };
    prop_assert_eq!(&told.way, &why.text, "{}", &case.text);
    prop_assert_eq!(&told.rings, &made.rings, "{}", &case.text);
    let refused = made.refused.filter(|status| !matches!(*status, 302 | 487));
    let foretold =
        told.ends.strip_prefix("refused with ").and_then(|rest| rest.split(',').next()?.parse().ok());
    prop_assert_eq!(foretold, refused, "{}: {}", &told.ends, &case.text);
    Ok(Some(told))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_foretold_of_a_call_is_what_becomes_of_it(case in case()) {
        hold(&case)?;
    }
}

/// What shows in a way that was compared that a kind of step has done all it can.
const REACHED: &[(&str, &[&str])] = &[
    ("a number of the plan is rung", &["for Local/"]),
    ("a number of the plan rings nobody", &[" is left out: "]),
    ("a subroutine runs for a callee", &["matched s in context [u]"]),
    ("a callee presses", &["-> keys 1\n"]),
    ("who answered is not connected", &["Set(GOSUB_RESULT=BUSY)"]),
    ("the caller's walk goes on", &["goes on at "]),
    ("a phone sends its calls on", &["sends its calls on: "]),
    ("a phone sends its calls to a service", &["bob sends its calls to "]),
    ("a phone is not followed", &[": not followed, "]),
    ("it goes back from its slot", &["its time is up: back to bob"]),
    ("its plan goes on from its slot", &["slot 21, its time is up\n"]),
    ("it is parked in vain", &["there is no parking lot nowhere"]),
    ("it takes up who is parked", &["ParkedCall(", "goes on in call 1"]),
    ("nobody is parked", &["nobody is parked"]),
    ("it picks up", &["Pickup(", "goes on in call 1"]),
    ("nothing rings", &["nothing rings "]),
    ("it pages", &["-> asked: 2, in a call: 0"]),
    ("it pages who is in a call", &["in a call: 1"]),
    ("it is called back", &["alice is called back when bob is free"]),
    ("it is not called back", &["CC_REQUEST_REASON=NO_CORE_INSTANCE"]),
    ("it is told to call elsewhere", &["told to call 200"]),
    ("its time is up", &["the time of TIMEOUT(absolute) is up"]),
];

#[test]
fn every_kind_of_step_is_among_those_that_are_compared() {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let (mut runner, mut seen) = (TestRunner::new_with_rng(config, rng), vec![0; REACHED.len()]);
    for _ in 0..1000 {
        let case = case().new_tree(&mut runner).expect("cases are drawn").current();
        let told = hold(&case).unwrap_or_else(|why| panic!("{why}\n{case:?}"));
        let Some(told) = told else { continue };
        for (count, (_, marks)) in seen.iter_mut().zip(REACHED) {
            *count += usize::from(marks.iter().all(|mark| told.way.contains(mark)));
        }
    }
    let never: Vec<&str> =
        REACHED.iter().zip(&seen).filter(|(_, n)| **n == 0).map(|(kind, _)| kind.0).collect();
    assert!(never.is_empty(), "{never:?} of {seen:?}");
}

fn told(text: &str, number: &'static str) -> (Foretold, String) {
    let text = format!("[internal]\n{text}\n{GROUP}[u]\nexten => s,1,Return()\n");
    let does = [Does::Ends(DialStatus::Busy), Does::Ends(DialStatus::Answer)];
    let case = Case { text, number, minutes: 0, does, keys: vec!["12"], other: Other::Nothing };
    let told = foretold(&mut exchange(&case), &case);
    let holds = hold(&case);
    assert!(holds.is_ok(), "{holds:?}");
    let way = told.way.clone();
    (told, way)
}

#[test]
fn an_operator_is_told_patterns_steps_whom_it_rings_and_how_it_ends() {
    let plan = "exten => _5XX,1,Read(N,press-1,2)\n same => n,Dial(PJSIP/dave&PJSIP/bob,10)\n same => n,Hangup(17)\n\
exten => 600,1,Dial(PJSIP/bob)\n";
    let (told, way) = told(plan, "512");
    insta::assert_snapshot!(told.considered, @r"
      600   [internal]  extensions.conf:5  does not fit: character 1 is 5, not 6
      _5XX  [internal]  extensions.conf:2  fits and comes first
    ");
    insta::assert_snapshot!(way, @r"
    512 matched _5XX in context [internal]
      extensions.conf:2  1. Read(N,press-1,2)  -> keys 12
      extensions.conf:3  2. Dial(PJSIP/dave&PJSIP/bob,10)  -> BUSY, cause 17
      extensions.conf:4  3. Hangup(17)
    ");
    assert_eq!(told.rings, ["bob"]);
    assert_eq!(told.supposed, [""; 0], "all of it was said");
    assert_eq!((told.ends.as_str(), told.over), ("the exchange hangs up, cause 17", true));
}

#[test]
fn a_number_that_is_not_there_is_foretold_too() {
    let (told, way) = told("exten => 600,1,Answer()\n", "77");
    assert_eq!(way, "no extension of context [internal] matches 77\n");
    assert_eq!(told.ends, "refused with 404, cause 1");
}

#[test]
fn phones_are_asked_as_often_as_the_dialplan_wants() {
    let plan =
        "exten => 77,1,While($[${INC(N)} < 100])\n same => n,Dial(PJSIP/bob,5)\n same => n,EndWhile()\n";
    let (told, _) = told(plan, "77");
    assert_eq!(told.rings.len(), 99, "{}", told.way);
}

#[test]
fn phones_talk_as_often_as_the_dialplan_wants() {
    let plan = "exten => 77,1,While($[${INC(N)} < 40])\n same => n,Dial(PJSIP/carol&PJSIP/bob,5,g)\n same => n,EndWhile()\n";
    let (told, _) = told(plan, "77");
    assert_eq!(told.rings.len(), 78, "{}", told.way);
}

#[test]
fn globals_have_the_values_of_others_in_them() {
    let text = "[globals]\nRING=20\nPHONES=PJSIP/bob,${RING}\n[internal]\nexten => 77,1,NoOp(${PHONES})\n";
    let text = format!("{text}[group]\nexten => 700,1,Hangup()\n");
    let does = [Does::Ends(DialStatus::NoAnswer), Does::Ends(DialStatus::NoAnswer)];
    let case = Case { text, number: "77", minutes: 0, does, keys: Vec::new(), other: Other::Nothing };
    let told = foretold(&mut exchange(&case), &case);
    assert!(told.way.contains("NoOp(PJSIP/bob,20)"), "{}", told.way);
    assert!(hold(&case).is_ok());
}
