//! Whole runs of the simulator, recorded and run again.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use telex_engine::auth::right_response;
use telex_engine::border::{Listener, ListenerId, StreamEvent, StreamId, Transport};
use telex_engine::config::{Config, Credentials};
use telex_engine::event::Event;
use telex_engine::rng::Seed;
use telex_engine::sip::{DigestCredentials, HeaderName, Message};
use telex_engine::time::{Duration, Instant};
use telex_engine::{Action, Boot, Input, Signalling};
use telex_replay::{
    Change, CutError, Order, Place, Recorder, Recording, Replayer, SecretKey, Wanted, state_hash,
};
use telex_sim::{FEATURES, Plan, Settings, Watch, draw, run_recorded, run_watched};

/// Telephones of good manners on a network that loses and cuts. What else can go wrong is the simulator's business.
fn plan(seed: u64, calls: usize) -> Plan {
    const MANNERS: [&str; 12] = [
        "duplicate",
        "reorder",
        "split",
        "cut",
        "tcp",
        "twins",
        "timers",
        "cancel",
        "refuse",
        "hold",
        "service",
        "reliable",
    ];
    let names = FEATURES.iter().map(|(name, ..)| *name);
    let without = names.filter(|name| !MANNERS.contains(name)).map(str::to_owned).collect();
    let with = vec!["tcp".to_owned(), "split".to_owned()];
    draw(seed, &Settings { calls, loss: Some(30_000), without, with, ..Settings::default() })
}

fn recorded(plan: &Plan) -> Recording {
    let (outcome, octets) = run_recorded(plan, Vec::new()).expect("memory takes everything");
    assert!(outcome.broken.is_none(), "{outcome:?}");
    let recording = Recording::read(&mut octets.as_slice()).expect("it was written just now");
    assert_eq!(recording.torn, None);
    recording
}

#[test]
fn a_recorded_run_replays_to_the_last_octet() {
    for seed in 0..10 {
        let recording = recorded(&plan(seed, 10));
        let mut replayer = Replayer::new(&recording, &[]).unwrap();
        let tally = replayer.run().unwrap();
        assert!(tally.is_identical(), "{tally}");
        assert_eq!((tally.inputs, tally.outputs), (recording.entries.len(), tally.identical));
        assert!(tally.inputs > 100 && tally.outputs > 100, "{tally}");
    }
}

/// An hour of the world: so many calls spread over it, registrations refreshed, packets lost.
fn hour(calls: usize) {
    const HOUR: Duration = Duration::from_secs(3600);
    let mut plan = plan(11, calls);
    let storm = plan.calm.since(Instant::ZERO).as_millis().max(1);
    for call in &mut plan.calls {
        let share = call.at.since(Instant::ZERO).as_millis() * HOUR.as_millis() / storm;
        call.at += Duration::from_millis(u64::try_from(share).expect("it is an hour at most"));
        // Nobody listens to an hour of sound.
        call.talk = call.talk.min(Duration::from_secs(20));
    }
    plan.calm += HOUR;
    plan.empty += HOUR;
    plan.end += HOUR;
    let (outcome, octets) = run_recorded(&plan, Vec::new()).expect("memory takes everything");
    assert!(outcome.broken.is_none(), "{outcome:?}");
    assert!(outcome.simulated >= HOUR && outcome.calls >= calls as u64 * 9 / 10, "{outcome:?}");
    let recording = Recording::read(&mut octets.as_slice()).expect("it was written just now");
    let mut replayer = Replayer::new(&recording, &[]).expect("this program wrote it");
    let tally = replayer.run().expect("it did not panic before");
    assert!(tally.is_identical() && tally.outputs == tally.identical, "{tally}");
    assert!(tally.inputs > 10 * calls, "{tally}");
    println!("{} simulated, {} octets, {tally}", outcome.simulated.as_secs(), octets.len());
}

#[test]
fn an_hour_replays_to_the_last_octet() {
    hour(60);
}

#[test]
#[ignore = "long: minutes without optimisation"]
fn an_hour_of_many_calls_replays_to_the_last_octet() {
    hour(3000);
}

#[test]
fn another_timer_shows_in_the_first_packet_that_it_moves() {
    let recording = recorded(&plan(3, 10));
    let changes: Vec<Change> = vec!["t1=400ms".parse().unwrap()];
    let mut replayer = Replayer::new(&recording, &changes).unwrap();
    let tally = replayer.run().unwrap();
    let difference = tally.difference.clone().expect("T1 matters");
    assert!(tally.identical > 0 && tally.identical < tally.outputs, "{tally}");
    // What is recorded up to there is what the other machine did too.
    let mut same = Replayer::new(&recording, &[]).unwrap();
    same.go(difference.step).unwrap();
    assert!(same.tally().is_identical());
    assert!(difference.to_string().contains("first difference: input #"), "{difference}");
}

#[test]
fn there_and_back_is_the_same_state() {
    let recording = recorded(&plan(4, 12));
    let mut replayer = Replayer::new(&recording, &[]).unwrap();
    let last = recording.entries.len();
    let places: Vec<usize> = (0..=8).map(|n| n * last / 8).collect();
    let mut hashes = Vec::new();
    for place in &places {
        replayer.go(*place).unwrap();
        hashes.push(replayer.state_hash());
    }
    for (place, hash) in places.iter().zip(&hashes).rev() {
        replayer.go(*place).unwrap();
        assert_eq!((replayer.position(), replayer.state_hash()), (*place, *hash));
        // A step forwards and back.
        if replayer.step().unwrap() {
            replayer.go(*place).unwrap();
            assert_eq!(replayer.state_hash(), *hash);
        }
    }
    assert!(replayer.run().unwrap().is_identical());
    let halfway = replayer.find(Place::After(recording.entries[last / 2].now.since(Instant::ZERO)));
    assert!(halfway > last / 2 && recording.entries[halfway - 1].now == recording.entries[last / 2].now);
}

/// A ring beside the machine.
struct Ringing {
    recorder: Recorder,
    largest: usize,
    now: Instant,
}

impl Watch for Ringing {
    fn before_signalling(&mut self, machine: &mut Signalling, now: Instant, input: &Input) {
        self.recorder.before(machine, now, input);
    }

    fn signalling(&mut self, machine: &mut Signalling, now: Instant, _: &Input, actions: &[Action]) {
        self.recorder.after(actions, machine.deadline().map(|deadline| deadline.at));
        self.largest = self.largest.max(self.recorder.octets());
        self.now = now;
    }
}

fn ring(plan: &Plan, memory: usize) -> Ringing {
    let mut ringing = Ringing { recorder: Recorder::new(memory), largest: 0, now: Instant::ZERO };
    let outcome = run_watched(plan, &mut ringing);
    assert!(outcome.broken.is_none(), "{outcome:?}");
    ringing
}

fn cut(ringing: &mut Ringing, wanted: Wanted) -> Result<Recording, CutError> {
    let order = Order { wanted, before: Duration::from_secs(5) };
    let recording = ringing.recorder.kept(ringing.now).cut(&order, SecretKey::from_bytes([9; 32]))?;
    // As a file would have it.
    let octets = recording.write(Vec::new()).expect("memory takes everything");
    Ok(Recording::read(&mut octets.as_slice()).expect("it was written just now"))
}

fn identical(recording: &Recording) {
    let mut replayer = Replayer::new(recording, &[]).expect("this program wrote it");
    let tally = replayer.run().expect("it did not panic before");
    assert!(tally.is_identical() && tally.inputs == recording.entries.len(), "{tally}");
}

#[test]
fn the_ring_is_bounded_and_what_is_cut_replays_without_the_secrets() {
    let plan = plan(5, 40);
    const MEMORY: usize = 400 << 10;
    let mut ringing = ring(&plan, MEMORY);
    assert!(ringing.largest <= MEMORY, "{} octets", ringing.largest);
    let recording = cut(&mut ringing, Wanted::All).unwrap();
    identical(&recording);
    assert!(recording.checkpoint.step > 0, "the oldest is gone");

    let octets = recording.write(Vec::new()).unwrap();
    let has = |needle: &[u8]| octets.windows(needle.len()).any(|window| window == needle);
    for phone in &plan.phones {
        let secret = Credentials::from_password(&phone.extension, "telex", &phone.secret());
        assert!(!has(&secret.ha1_md5) && !has(phone.secret().as_bytes()), "{}", phone.extension);
    }
    // Every response that a phone computed is gone, and there are responses.
    let raw = recorded(&plan);
    let responses = responses(&raw);
    assert!(responses.len() > 20 && has(b"Authorization: Digest"), "{}", responses.len());
    for response in responses {
        assert!(!has(response.as_bytes()), "{response}");
    }
}

/// The digest responses of a recording.
fn responses(recording: &Recording) -> Vec<String> {
    let mut found = Vec::new();
    for entry in &recording.entries {
        let (Input::Datagram { bytes, .. } | Input::Stream { event: StreamEvent::Bytes(bytes), .. }) =
            &entry.input
        else {
            continue;
        };
        let Ok(message) = Message::parse(bytes.clone()) else { continue };
        for value in message.headers_named(HeaderName::Authorization) {
            found.extend(DigestCredentials::parse(value).map(|given| given.response().into_owned()));
        }
    }
    found
}

#[test]
fn right_answers_stay_right_under_the_stand_ins() {
    let plan = plan(6, 10);
    let recording = cut(&mut ring(&plan, 8 << 20), Wanted::All).unwrap();
    let machine = recording.checkpoint.machine().unwrap();
    let mut right = 0;
    for entry in &recording.entries {
        let Input::Datagram { bytes, .. } = &entry.input else { continue };
        let Ok(message) = Message::parse(bytes.clone()) else { continue };
        let Some(value) = message.header(HeaderName::Authorization) else { continue };
        let given = DigestCredentials::parse(value).unwrap();
        let phone = &machine.config().phones[given.username().as_ref()];
        let secret = phone.credentials.as_ref().unwrap();
        let expected = right_response(secret, message.method_name(), &given).unwrap();
        right += usize::from(expected == given.response());
    }
    assert!(right > 5, "{right}");
}

#[test]
fn a_call_is_cut_with_what_came_before_and_until_its_end() {
    let plan = plan(7, 60);
    let mut ringing = ring(&plan, 800 << 10);
    let all = cut(&mut ringing, Wanted::All).unwrap();
    let ended = |entry: &telex_replay::Entry| {
        entry.actions.iter().find_map(|action| match action {
            Action::Report(Event::CallEnded { call, .. }) => Some(*call),
            _ => None,
        })
    };
    let started = |entry: &telex_replay::Entry| {
        entry.actions.iter().find_map(|action| match action {
            Action::Report(Event::CallStarted { call, .. }) => Some(*call),
            _ => None,
        })
    };
    let last = all.entries.iter().filter_map(started).last().unwrap();
    let one = cut(&mut ringing, Wanted::Call(last)).unwrap();
    identical(&one);
    assert!(one.entries.len() < all.entries.len() && one.entries.iter().any(|e| ended(e) == Some(last)));
    assert!(one.header.notes.is_empty(), "{:?}", one.header.notes);
    let start = one.entries.iter().position(|entry| started(entry) == Some(last));
    let start = &one.entries[start.unwrap()];
    assert!(start.now.since(one.checkpoint.now) >= Duration::from_secs(5));

    // The same by its Call-ID.
    let Input::Datagram { bytes, .. } = &start.input else { panic!("{:?}", start.input) };
    let id = Message::parse(bytes.clone()).unwrap().header(HeaderName::CallId).unwrap().to_owned();
    let same = cut(&mut ringing, Wanted::CallId(id)).unwrap();
    identical(&same);
    assert!(same.entries.iter().any(|entry| entry.now == start.now));

    // One that the ring has forgotten, and one that never was.
    let mut ringing = ring(&plan, 400 << 10);
    assert!(matches!(cut(&mut ringing, Wanted::Call(1)), Err(CutError::NoSuchCall { .. })));
    assert!(matches!(cut(&mut ringing, Wanted::CallId("x".into())), Err(CutError::NoSuchCall { .. })));
}

#[test]
fn a_new_seed_is_in_force_and_in_no_cut() {
    let (old, new) = ([0xa5; 32], [0x5a; 32]);
    let mut machine = Signalling::new(Arc::new(Config::default()), Seed::from_bytes(old), Boot::default());
    let mut recorder = Recorder::new(1 << 20);
    let mut actions = Vec::new();
    let mut tell = |recorder: &mut Recorder, machine: &mut Signalling, millis, input: Input| {
        let now = Instant::from_millis(millis);
        recorder.before(machine, now, &input);
        machine.handle(now, input, &mut actions);
        recorder.after(&actions, machine.deadline().map(|deadline| deadline.at));
        actions.clear();
    };
    tell(&mut recorder, &mut machine, 1, Input::Wake);
    let kept = recorder.kept(Instant::from_millis(2));
    tell(&mut recorder, &mut machine, 2, Input::Seed(Seed::from_bytes(new)));
    let order = Order { wanted: Wanted::All, before: Duration::ZERO };
    let octets = kept.cut(&order, SecretKey::from_bytes([1; 32])).unwrap().write(Vec::new()).unwrap();
    let has = |octets: &[u8], seed: [u8; 32]| octets.windows(32).any(|window| window == seed);
    assert!(has(&octets, old) && !has(&octets, new));
    // The machine has forgotten the old one altogether.
    let state = postcard::to_stdvec(&machine).unwrap();
    assert!(!has(&state, old) && has(&state, new));
}

#[test]
fn a_torn_file_gives_what_can_be_read() {
    let recording = recorded(&plan(8, 40));
    let octets = recording.write(Vec::new()).unwrap();
    let whole = recording.entries.len();
    let mut seen = Vec::new();
    for cut in (0..octets.len()).step_by(octets.len() / 40) {
        match Recording::read(&mut &octets[..cut]) {
            Err(_) => assert!(seen.is_empty(), "octet {cut}"),
            Ok(read) => {
                let torn = read.torn.clone().expect("its end is missing");
                assert!(torn.offset <= cut as u64);
                identical(&read);
                seen.push(read.entries.len());
            }
        }
        // One wrong octet.
        let mut wrong = octets.clone();
        wrong[cut] ^= 1;
        if let Ok(read) = Recording::read(&mut wrong.as_slice()) {
            assert!(read.torn.is_some(), "octet {cut}");
        }
    }
    assert!(seen.is_sorted() && seen.last().is_some_and(|n| *n > 0 && *n <= whole), "{seen:?} of {whole}");
    assert!(state_hash(&recording.checkpoint.machine().unwrap()) != 0);
}

/// Checksums keep out accidents, not malice: whatever a state is made to say, reading it ends, and ends well.
#[test]
fn a_forged_state_is_refused_or_run_and_never_worse() {
    let recording = recorded(&plan(9, 6));
    std::panic::set_hook(Box::new(|_| {}));
    let (mut refused, mut run) = (0, 0);
    let size = recording.checkpoint.state.len();
    for n in 0..150 {
        let mut forged = recording.clone();
        forged.entries.truncate(150);
        let at = n * 7919 % size;
        forged.checkpoint.state[at] = forged.checkpoint.state[at].wrapping_add(1 + (n % 200) as u8);
        match Replayer::new(&forged, &[]) {
            Err(_) => refused += 1,
            Ok(mut replayer) => {
                let _ = replayer.run();
                let _ = std::panic::catch_unwind(|| replayer.machine().view());
                run += 1;
            }
        }
    }
    let _ = std::panic::take_hook();
    assert!(refused > 0 && run > 0, "{refused} refused, {run} run");
}

/// One stream waits with an octet that stands everywhere, another with half of a secret.
#[test]
fn what_waits_in_streams_is_replaced_with_what_follows_it() {
    let local: SocketAddr = "192.0.2.1:5060".parse().unwrap();
    let listener = Listener { id: ListenerId(0), transport: Transport::Tcp, local };
    let boot = Boot { listeners: vec![listener], ..Boot::default() };
    let mut machine = Signalling::new(Arc::new(Config::default()), Seed::from_number(1), boot);
    let mut recorder = Recorder::new(1 << 20);
    let mut actions = Vec::new();
    let now = Instant::from_millis(1);
    let tell = |recorder: Option<&mut Recorder>, machine: &mut Signalling, actions: &mut Vec<_>, input| {
        let Some(recorder) = recorder else { return machine.handle(now, input, actions) };
        recorder.before(machine, now, &input);
        actions.clear();
        machine.handle(now, input, actions);
        recorder.after(actions, machine.deadline().map(|deadline| deadline.at));
    };
    let stream = |id, event| Input::Stream { stream: StreamId(id), event };
    let bytes = |id, text: &'static str| stream(id, StreamEvent::Bytes(Bytes::from_static(text.as_bytes())));
    let (head, tail) = ("0123456789abcdef", "fedcba9876543210");
    for id in [1, 3] {
        let remote = SocketAddr::new([192, 0, 2, 7].into(), 4000 + id as u16);
        let opened = StreamEvent::Opened { listener: Some(ListenerId(0)), local, remote };
        tell(None, &mut machine, &mut actions, stream(id, opened));
    }
    tell(None, &mut machine, &mut actions, bytes(1, "s"));
    let half = "REGISTER sip:telex SIP/2.0\r\nAuthorization: Digest username=\"100\",\r\n response=\"0123456789abcdef";
    tell(None, &mut machine, &mut actions, bytes(3, half));
    tell(Some(&mut recorder), &mut machine, &mut actions, bytes(3, "fedcba9876543210\"\r\nX: y"));
    assert_eq!(machine.unfinished().count(), 2);

    let order = Order { wanted: Wanted::All, before: Duration::ZERO };
    let recording = recorder.kept(now).cut(&order, SecretKey::from_bytes([1; 32])).unwrap();
    identical(&recording);
    let octets = recording.write(Vec::new()).unwrap();
    let has = |text: &str| octets.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!has(head) && !has(tail) && has("username=\"100\""));
    let replaced = recording.checkpoint.machine().unwrap();
    let lengths: Vec<_> = replaced.unfinished().map(|(id, waiting)| (id.0, waiting.len())).collect();
    assert_eq!(lengths, [(1, 1), (3, half.len())]);
}
