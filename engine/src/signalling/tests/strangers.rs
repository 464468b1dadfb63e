//! What people learn who have no business here, and what they can take from those who have.

use super::*;
use crate::config::Credentials;
use crate::limits;

const STRANGER: &str = "203.0.113.66:5060";

/// 1001 and 1002 have passwords, door and bob are devices on the wire.
fn site() -> World {
    let mut config = Config::default();
    for extension in ["1001", "1002"] {
        let credentials = Some(Credentials::from_password(extension, "telex", "secret"));
        config.phones.insert(extension.into(), Phone { credentials, ..Phone::default() });
    }
    config.phones.insert("alice".into(), device("sip:alice@10.0.0.1", ALICE));
    config.phones.insert("bob".into(), device("sip:bob@10.0.0.2", BOB));
    World::with(config)
}

/// A request of a stranger who says to be `from` and wants `to`, with more header fields.
fn request(method: &str, from: &str, to: &str, n: usize, more: &str) -> String {
    let uri = if method == "REGISTER" { "sip:telex".to_owned() } else { format!("sip:{to}@telex") };
    format!(
        "{method} {uri} SIP/2.0\nVia: SIP/2.0/UDP 203.0.113.66:5060;branch=z9hG4bK{method}{n}\nMax-Forwards: 70\n\
From: <sip:{from}@telex>;tag=s\nTo: <sip:{to}@telex>\nCall-ID: s{n}\nCSeq: {n} {method}\n\
Contact: <sip:{from}@203.0.113.66>\nEvent: dialog\n{more}\n"
    )
}

/// Wrong credentials of `user` for a REGISTER, with a nonce of ours.
fn guess(world: &mut World, user: &str, n: usize) -> String {
    world.send(STRANGER, &request("REGISTER", user, user, 100_000 + n, ""));
    let challenge =
        world.only("SIP/2.0 401").header(crate::sip::HeaderName::WwwAuthenticate).unwrap().to_owned();
    let nonce = challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    format!(
        "Authorization: Digest username=\"{user}\", realm=\"telex\", nonce=\"{nonce}\", uri=\"sip:telex\", \
response=\"0123456789abcdef0123456789abcdef\", qop=auth, nc=00000001, cnonce=\"c\"\n"
    )
}

/// All answers to a text, without what is drawn anew or repeated from the request.
fn told(world: &mut World, text: &str, names: &[&str]) -> Vec<String> {
    world.send(STRANGER, text);
    let sent = world.sent().into_iter().map(|(to, message)| {
        assert_eq!(to.to_string(), STRANGER);
        let lines = std::str::from_utf8(message.raw()).unwrap().split("\r\n").map(|line| {
            // Our own tag and the nonce are drawn.
            let (mark, end) = if line.starts_with("To: ") { (";tag=", "\n") } else { ("nonce=\"", "\"") };
            let Some((before, after)) = line.split_once(mark) else { return line.to_owned() };
            let rest = after.split_once(end).map_or("", |(_, rest)| rest);
            format!("{before}{mark}...{rest}")
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        names.iter().fold(text, |text, name| text.replace(name, "NAME"))
    });
    sent.collect()
}

#[test]
fn who_exists_is_told_by_no_answer() {
    for method in
        ["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE", "PUBLISH", "REFER", "NOTIFY", "INFO", "BYE"]
    {
        let mut answers = Vec::new();
        for name in ["1001", "9999", "bob", "*43", "alice"] {
            let mut world = site();
            // As each other and as themselves, without a tag and with one.
            let plain = request(method, name, name, 1, "");
            let other = request(method, "eve", name, 2, "");
            let inside = plain.replace("@telex>\nCall", "@telex>;tag=x\nCall").replace("s1", "s3");
            let wrong = guess(&mut world, name, 4);
            let wrong = request(method, name, name, 4, &wrong);
            let told: Vec<_> =
                [plain, other, inside, wrong].iter().map(|text| told(&mut world, text, &[name])).collect();
            assert!(told.iter().all(|told| told.len() == 1), "{told:?}");
            assert_eq!(world.telex.stats().transactions, 0, "{method}: a stranger costs no memory");
            answers.push(told);
        }
        assert!(answers.iter().all(|told| *told == answers[0]), "{method}: {answers:#?}");
    }
}

#[test]
fn guesses_at_a_name_that_exists_and_one_that_does_not_end_alike() {
    let mut stories = Vec::new();
    for name in ["1001", "9999"] {
        let mut world = site();
        let mut story = Vec::new();
        for n in 1..20 {
            let wrong = guess(&mut world, name, n);
            let text = request("REGISTER", name, name, n, &wrong).replace(&format!("s{n}\n"), "s\n");
            story.push(told(&mut world, &text.replace(&format!("{n} REG"), "1 REG"), &[name]));
            world.pass(Duration::from_millis(500));
        }
        let slowed: Vec<_> =
            world.events.iter().filter(|e| matches!(e, Event::GuessingSlowed { .. })).cloned().collect();
        let event = Event::GuessingSlowed { user: name.into(), source: STRANGER.parse().unwrap() };
        assert_eq!(slowed[0], event);
        stories.push((world.telex.stats().slowed, slowed.len(), story));
    }
    let branch = |story: &Vec<Vec<String>>| story.concat().concat().replace("z9hG4bK", "");
    assert_eq!((stories[0].0, stories[0].1), (stories[1].0, stories[1].1));
    assert_eq!(branch(&stories[0].2), branch(&stories[1].2));
    assert_eq!(stories[0].0, 14, "five are looked at");
    assert!(
        stories[0].2[10][0].starts_with("SIP/2.0 503 ") && stories[0].2[10][0].contains("Retry-After: 20\n")
    );
}

#[test]
fn half_open_invites_of_strangers_leave_nothing() {
    let mut world = site();
    let (answered, _) = talking(&mut world);
    let before = world.telex.stats();
    for n in 0..10_000 {
        let source = format!("203.0.{}.{}:5060", n / 250 % 100, n % 250);
        world.telex_only(&source, &request("INVITE", "eve", "bob", n, ""));
    }
    assert_eq!(world.lines().matches("401").count(), 10_000);
    let after = world.telex.stats();
    assert_eq!(
        (after.transactions, after.timers, after.calls),
        (before.transactions, before.timers, before.calls)
    );
    assert_eq!(after.strangers, before.strangers + 10_000);
    world.send(ALICE, &inside(&answered, "BYE", 2, ""));
    assert!(world.lines().contains("alice: SIP/2.0 200 OK"));
}

/// A phone with a password that opens all the calls it can and never acknowledges one.
#[test]
fn one_caller_cannot_take_all_ports() {
    let mut world = World::new();
    let invite_of = |n: usize| {
        invite("*43", "", OFFER).replace("bKa1", &format!("bKa{n}")).replace(": c1", &format!(": c{n}"))
    };
    for n in 0..1000 {
        world.telex_only(ALICE, &invite_of(n));
    }
    let lines = world.lines();
    let taken = lines.matches("200 OK").count();
    assert_eq!((taken, lines.matches("503").count()), (64 - 15, 1000 - 49), "of 64 pairs");
    assert!(world.events.contains(&Event::Overload { what: "calls of one caller".into() }));
    assert_eq!(world.telex.stats().full, 1000 - 49);
    // Bob still calls the echo, and has it.
    let bobs =
        invite("*43", "", OFFER).replace("alice", "bob").replace("10.0.0.1", "10.0.0.2").replace("c1", "b1");
    world.send(BOB, &bobs);
    assert!(world.lines().contains("bob: SIP/2.0 200 OK"));
    world.pass(Duration::from_secs(64));
    assert_eq!(world.telex.stats().calls, 0, "what nobody acknowledged has ended");
    assert!(world.telex.stats().strangers <= limits::SOURCES);
}

/// The table of calls is full: what is new is refused, a call in progress goes on, changes and ends.
#[test]
fn when_all_calls_are_taken_a_new_one_is_refused_and_the_others_go_on() {
    let mut config = Config { max_calls: 4, ..Config::default() };
    config.phones.insert("alice".into(), device("sip:alice@10.0.0.1", ALICE));
    config.phones.insert("bob".into(), device("sip:bob@10.0.0.2", BOB));
    let mut world = World::with(config);
    let (answered, _) = talking(&mut world);
    let numbered = |who: &str, n: usize| {
        let text =
            invite("*43", "", OFFER).replace("bKa1", &format!("bKx{n}")).replace(": c1", &format!(": x{n}"));
        if who == "alice" { text } else { text.replace("alice", "bob").replace("10.0.0.1", "10.0.0.2") }
    };
    for (n, (who, from, status)) in [
        ("bob", BOB, "200"),
        ("bob", BOB, "200"),
        ("alice", ALICE, "200"),
        ("bob", BOB, "503"),
        ("alice", ALICE, "503"),
    ]
    .into_iter()
    .enumerate()
    {
        world.send(from, &numbered(who, n));
        assert_eq!(
            world.lines(),
            format!(
                "{who}: SIP/2.0 {status} {}\n",
                if status == "200" { "OK" } else { "Service Unavailable" }
            ),
            "{n}"
        );
    }
    assert!(world.events.contains(&Event::Overload { what: "calls".into() }));
    assert_eq!((world.telex.stats().calls, world.telex.stats().full), (4, 2));
    world.send(ALICE, &inside(&answered, "UPDATE", 2, ""));
    assert!(world.lines().contains("alice: SIP/2.0 200 OK"));
    world.send(ALICE, &inside(&answered, "BYE", 3, ""));
    let lines = world.lines();
    assert!(lines.contains("alice: SIP/2.0 200 OK") && lines.contains("bob: BYE"), "{lines}");
}
