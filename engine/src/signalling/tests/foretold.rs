//! What is foretold of a call is what becomes of it: over random dialplans, numbers, times and phones.

use std::collections::BTreeSet;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use telex_dialplan::Dialplan;
use telex_dialplan::explain::Supposition;
use telex_dialplan::task::DialStatus;

use super::*;
use crate::border::Foretold;
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

/// A phone that may ring, and where.
const CALLEES: [(&str, &str); 2] = [("bob", BOB), ("carol", CAROL)];
const CAROL: &str = "10.0.0.3:5060";
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
    does: [DialStatus; 2],
    keys: Vec<&'static str>,
    /// Another call is in the group already.
    crowded: bool,
}

/// What a context includes and when, and the steps of its patterns.
type Drawn = (Vec<(&'static str, &'static str)>, Vec<(&'static str, Vec<&'static str>)>);

fn context() -> impl Strategy<Value = Drawn> {
    let extensions = btree_map(select(PATTERNS), vec(select(STEPS), 1..6), 1..6);
    let includes = vec((select(&["a", "b"][..]), select(HOURS)), 0..3);
    (includes, extensions.prop_map(|all| all.into_iter().collect()))
}

fn case() -> impl Strategy<Value = Case> {
    use DialStatus::{Answer, Busy, ChanUnavail, Congestion, NoAnswer};
    let does = || select(&[NoAnswer, Answer, Busy, Congestion, ChanUnavail][..]);
    let rest = (select(NUMBERS), 0..20_000_u64, [does(), does()], vec(select(KEYS), 0..6), any::<bool>());
    ([context(), context(), context()], rest).prop_map(
        |(contexts, (number, minutes, does, keys, crowded))| {
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
            text += "[group]\nexten => 700,1,Set(GROUP()=sales)\nsame => n,Answer()\nsame => n,Wait(80000)\n";
            Case { text, number, minutes, does, keys, crowded }
        },
    )
}

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
    let other = Phone { context: "group".into(), ..device("sip:erin@10.0.0.4", "10.0.0.4:5060") };
    config.phones.insert("erin".into(), other);
    let names = ["welcome", "press-1", "closed", "digits/1", "digits/2"];
    config.sounds = Arc::new(names.iter().map(|name| ((*name).into(), Clip::silence(PROMPT_MS))).collect());
    let plan = Dialplan::parse("extensions.conf", &case.text);
    config.dialplan = Some(plan.unwrap_or_else(|problems| panic!("{problems}\n{}", case.text)));
    let mut world = World::with(config);
    world.input(Input::Wall(WallTime::from_unix_millis(1_700_000_000_000 + case.minutes * 60_000)));
    if case.crowded {
        let text = invite("700", "", OFFER).replace("alice", "erin").replace("10.0.0.1", "10.0.0.4");
        world.send("10.0.0.4:5060", &text.replace("bKa1", "bKe1").replace("Call-ID: c1", "Call-ID: e1"));
        let answered = world.only("SIP/2.0 200");
        let ack = inside(&answered, "ACK", 1, "").replace("alice", "erin").replace("10.0.0.1", "10.0.0.4");
        world.send("10.0.0.4:5060", &ack.replace("Call-ID: c1", "Call-ID: e1"));
    }
    world.out.clear();
    world.events.clear();
    world
}

fn foretold(world: &mut World, case: &Case) -> Foretold {
    let mut wanted = Supposition::call("alice", case.number);
    wanted.talk = TALK;
    wanted.keys = case.keys.iter().map(|keys| SmolStr::from(*keys)).collect();
    wanted.dial = CALLEES.iter().zip(case.does).map(|((phone, _), does)| ((*phone).into(), does)).collect();
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
                Action::Media { command: MediaCommand::PutLeg { leg: LegId(leg), spec, .. }, .. }
                    if leg == self.call =>
                {
                    self.hears.clone_from(&spec.playing);
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
            if to == ALICE && invite && status >= 400 {
                self.refused = Some(status);
            }
            if to == ALICE && invite && (200..300).contains(&status) && self.answered.is_none() {
                self.world.send(ALICE, &inside(message, "ACK", 1, ""));
                self.answered = Some(message.clone());
            }
            return;
        }
        let Some(at) = CALLEES.iter().position(|(_, address)| *address == to) else { return };
        let new = !message.header(HeaderName::To).unwrap().contains("tag=");
        match message.method().as_str() {
            "INVITE" if new && self.tags.insert(message.header(HeaderName::Via).unwrap().to_owned()) => {
                self.rings.push(CALLEES[at].0.into());
                let says = match self.case.does[at] {
                    DialStatus::Answer => "200 OK",
                    DialStatus::Busy => "486 Busy Here",
                    DialStatus::Congestion => "503 Service Unavailable",
                    DialStatus::ChanUnavail => "480 Temporarily Unavailable",
                    DialStatus::NoAnswer | DialStatus::Cancel => "180 Ringing",
                };
                let answers = says.starts_with('2');
                self.world.send(to, &respond(message, says, "", if answers { ANSWER } else { "" }));
                if answers && self.talks.is_none() {
                    self.talks = Some((message.clone(), CALLEES[at].1));
                }
            }
            "BYE" | "CANCEL" => {
                self.world.send(to, &respond(message, "200 OK", "", ""));
                self.talks = self.talks.take().filter(|(_, address)| *address != to);
            }
            _ => {}
        }
    }

    /// Time goes by until the exchange does something.
    fn wait(&mut self) {
        let deadline = self.world.telex.deadline().expect("something is waited for");
        self.world.now = self.world.now.max(deadline.at);
        self.world.input(Input::Wake);
    }

    /// What is played is played to its end.
    fn listen(&mut self) {
        let Some(Play { number, sound: Playing::Prompts { pieces, .. }, .. }) = self.hears.take() else {
            return self.wait();
        };
        let ms = pieces.iter().map(|piece| match piece {
            Piece::Prompt(name) => self.world.telex.config_in_force().sounds.get(name).map_or(0, Clip::ms),
            Piece::Pause(ms) => u64::from(*ms),
        });
        let length = Duration::from_millis(ms.sum());
        self.world.pass(length);
        let report = MediaReport::Played { leg: LegId(self.call), rev: 1, number };
        self.world.input(Input::Media { shard: ShardId(0), report });
    }

    fn press(&mut self, keys: &str) {
        for digit in keys.chars() {
            let before = self.world.telex.tables.calls.doing(self.call);
            let (leg, how) = (LegId(self.call), DigitHeard::Event);
            let report = MediaReport::Digit { leg, rev: 1, digit, duration_ms: 100, how };
            self.world.input(Input::Media { shard: ShardId(0), report });
            let after = self.world.telex.tables.calls.doing(self.call);
            let got = |doing: Option<(String, String, bool)>| doing.map(|(_, got, _)| got);
            if got(after) != got(before).map(|got| format!("{got}{digit}")) {
                return;
            }
        }
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
        let mut pressed_for = None;
        for _ in 0..5_000 {
            self.react();
            let Some((doing, got, timed)) = self.world.telex.tables.calls.doing(self.call) else { return };
            let listening = matches!(&self.hears, Some(Play { sound: Playing::Prompts { .. }, .. }));
            match doing.as_str() {
                "Collecting" if got.is_empty() && pressed_for != self.moment() => {
                    pressed_for = self.moment();
                    let keys = self.keys.next().unwrap_or_default();
                    self.press(keys);
                }
                "Playing" => self.listen(),
                "Collecting" if listening => self.listen(),
                "Echo" | "Conference" => self.hang_up(),
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
fn hold(case: &Case) -> Result<bool, TestCaseError> {
    let mut world = exchange(case);
    let told = foretold(&mut world, case);
    prop_assert_eq!(&foretold(&mut world, case), &told, "asking changes nothing");
    if !told.over {
        // It goes round for ever, with pauses.
        return Ok(false);
    }
    let call = 1 + u64::from(case.crowded);
    let mut made = Made {
        world,
        case,
        call,
        seen: 0,
        hears: None,
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
    let refused = made.refused.filter(|status| *status != 487);
    let foretold =
        told.ends.strip_prefix("refused with ").and_then(|rest| rest.split(',').next()?.parse().ok());
    prop_assert_eq!(foretold, refused, "{}: {}", &told.ends, &case.text);
    Ok(true)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_foretold_of_a_call_is_what_becomes_of_it(case in case()) {
        hold(&case)?;
    }
}

fn told(text: &str, number: &'static str) -> (Foretold, String) {
    let text = format!("[internal]\n{text}\n[group]\nexten => 700,1,Hangup()\n");
    let does = [DialStatus::Busy, DialStatus::Answer];
    let case = Case { text, number, minutes: 0, does, keys: vec!["12"], crowded: false };
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
      extensions.conf:5  [internal] 600: does not fit: character 1 is 5, not 6
      extensions.conf:2  [internal] _5XX: fits and comes first
    ");
    insta::assert_snapshot!(way, @r"
    512 matched _5XX in context [internal]
      extensions.conf:2  1. Read(N,press-1,2)  -> keys 12
      extensions.conf:3  2. Dial(PJSIP/dave&PJSIP/bob,10)  -> BUSY, cause 17
      extensions.conf:4  3. Hangup(17)
    ");
    assert_eq!(told.rings, ["bob"]);
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
fn globals_have_the_values_of_others_in_them() {
    let text = "[globals]\nRING=20\nPHONES=PJSIP/bob,${RING}\n[internal]\nexten => 77,1,NoOp(${PHONES})\n";
    let text = format!("{text}[group]\nexten => 700,1,Hangup()\n");
    let does = [DialStatus::NoAnswer; 2];
    let case = Case { text, number: "77", minutes: 0, does, keys: Vec::new(), crowded: false };
    let told = foretold(&mut exchange(&case), &case);
    assert!(told.way.contains("NoOp(PJSIP/bob,20)"), "{}", told.way);
    assert!(hold(&case).is_ok());
}
