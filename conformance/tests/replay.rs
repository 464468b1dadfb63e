//! The flight recorder of the real program under real clients: what is cut replays to the last octet.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use telex_conformance::exchange::{Exchange, PASSWORD, Plan, binary};
use telex_conformance::ground::Ground;
use telex_conformance::peers;
use telex_conformance::sipp::{Sipp, on};
use telex_engine::border::Transport::{self, Tcp, Udp};
use telex_engine::config::Credentials;
use telex_engine::rtp::{Kind, Packet, classify};
use telex_replay::{Recording, Told, Track};

const LIMIT: Duration = Duration::from_secs(180);

/// Calls in number want the machine for themselves.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls from `alice` to `bob` at a SIPp, over one transport, with digest.
fn calls(
    ground: &Ground,
    exchange: &Exchange,
    [alice, bob]: [SocketAddr; 2],
    transport: Transport,
    count: u32,
) {
    let name = |who: &str| format!("{who}-{}", transport.as_str());
    let callee = Sipp::new(ground, &name("bob"), "answer", bob, transport)
        .options(&["-m", &count.to_string()])
        .hold(Duration::ZERO)
        .listen();
    let caller = Sipp::new(ground, &name("alice"), "call", alice, transport)
        .server(exchange.server())
        .users(["alice".to_owned()])
        .options(&["-s", if transport == Udp { "bob" } else { "rob" }])
        .calls(count, 50, 50)
        .hold(Duration::from_millis(200))
        .start();
    assert_eq!(caller.finish(LIMIT).successful, u64::from(count));
    callee.finish(LIMIT);
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn replay(file: &Path, more: &[&str]) -> (i32, String) {
    let output =
        Command::new(binary()).arg("replay").arg(file).args(more).output().expect("the program can be run");
    (output.status.code().unwrap_or(-1), text(&output))
}

fn cut(exchange: &Exchange, ground: &Ground, what: &[&str], name: &str) -> PathBuf {
    let file = ground.path(name);
    let shown = file.display().to_string();
    let mut arguments = vec!["record", "cut", "-o", shown.as_str()];
    arguments.extend(what);
    let output = exchange.command(&arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    file
}

#[test]
fn what_sipp_did_is_cut_and_replays_identical() {
    if !peers::installed(&["sipp"]) {
        return;
    }
    let _alone = alone();
    let ground = Ground::new("replay-sipp");
    let [alice, bob, tcp_alice, rob] = std::array::from_fn(|_| on(ground.address()));
    let exchange = Plan::new(&ground)
        .with("[record]\nmemory = \"64 MiB\"\n")
        .phone("alice")
        .phone("secretive")
        .fixed("bob", &format!("sip:bob@{bob};transport=udp"))
        .fixed("rob", &format!("sip:rob@{rob};transport=tcp"))
        .start(&ground);
    calls(&ground, &exchange, [alice, bob], Udp, 200);
    calls(&ground, &exchange, [tcp_alice, rob], Tcp, 200);

    let all = cut(&exchange, &ground, &["--all"], "all.tlx");
    let (code, said) = replay(&all, &["--json"]);
    let document: Value = serde_json::from_str(said.trim()).unwrap_or_else(|e| panic!("{said}: {e}"));
    assert_eq!(code, 0, "{said}");
    assert_eq!(document["outputs"], document["identical"], "{said}");
    assert_eq!(document["first_difference"], Value::Null, "{said}");
    let count = |kind: &str| document["kinds"][kind].as_u64().unwrap_or(0);
    // One read of a stream may bring the messages of several calls.
    assert!(count("datagrams") > 1500 && count("stream") > 400 && count("media") > 400, "{said}");

    // For this user only, and without anything that a password could be tried against.
    assert_eq!(fs::metadata(&all).unwrap().permissions().mode() & 0o777, 0o600);
    let octets = fs::read(&all).unwrap();
    let has = |needle: &[u8]| octets.windows(needle.len()).any(|window| window == needle);
    assert!(has(b"Authorization: Digest"));
    for user in ["alice", "secretive"] {
        let secret = Credentials::from_password(user, "telex", PASSWORD);
        assert!(!has(&secret.ha1_md5) && !has(&secret.ha1_sha256.unwrap()) && !has(PASSWORD.as_bytes()));
    }

    // Whoever was registered goes on under the new randomness, and one call can be had with what it began upon.
    calls(&ground, &exchange, [on(ground.address()), bob], Udp, 20);
    let one = cut(&exchange, &ground, &["--call", "410", "--before", "0s"], "one.tlx");
    let (code, said) = replay(&one, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("first difference: none"), "{said}");

    // Another timer constant is found by the packet that it moves.
    let (code, said) = replay(&all, &["--set", "ring=1s", "--set", "t1=50ms"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("timers part after input #"), "{said}");

    // There and back.
    let (_, there) = replay(&all, &["--at", "#100"]);
    let (_, back) = replay(&all, &["--at", "#150", "--back", "50"]);
    assert!(there.contains("before input #100 of"), "{there}");
    assert_eq!(there.lines().last(), back.lines().last());

    let nothing = exchange.command(&["record", "cut", "--call", "nobody@nowhere", "-o", "none.tlx"]);
    assert!(
        !nothing.status.success() && text(&nothing).contains("there is nothing of call"),
        "{}",
        text(&nothing)
    );
    exchange.finish();
}

/// Calls with sound in both directions, `count` at once, over an exchange that keeps this of media.
fn calls_with_sound(ground: &Ground, record: &str, count: u32) -> Exchange {
    let [alice, bob] = std::array::from_fn(|_| on(ground.address()));
    let exchange = Plan::new(ground)
        .with(record)
        .phone("alice")
        .fixed("bob", &format!("sip:bob@{bob};transport=udp"))
        .start(ground);
    let callee = Sipp::new(ground, "bob", "answer", bob, Udp)
        .options(&["-rtp_echo", "-m", &count.to_string()])
        .hold(Duration::ZERO)
        .listen();
    let caller = Sipp::new(ground, "alice", "call_media", alice, Udp)
        .server(exchange.server())
        .users(["alice".to_owned()])
        .options(&["-s", "bob"])
        .tone(440.0)
        .calls(count, count, 10)
        .hold(Duration::from_secs(2))
        .start();
    assert_eq!(caller.finish(LIMIT).successful, u64::from(count));
    callee.finish(LIMIT);
    exchange
}

/// What `telex replay --json` says, and its media added up over shards: packets received and outputs.
fn replayed_media(file: &Path) -> (i32, Value, [u64; 2]) {
    let (code, said) = replay(file, &["--json"]);
    let document: Value = serde_json::from_str(said.trim()).unwrap_or_else(|e| panic!("{said}: {e}"));
    let mut sums = [0; 2];
    for shard in document["media"].as_array().expect("is a list") {
        assert_eq!(shard["outputs"], shard["identical"], "{said}");
        assert_eq!(shard["first_difference"], Value::Null, "{said}");
        let count = |kind: &str| shard["kinds"][kind].as_u64().unwrap_or(0);
        sums[0] += count("packets") + count("packets without payload");
        sums[1] += shard["outputs"].as_u64().unwrap_or(0);
    }
    (code, document, sums)
}

/// Whether sound stands in a file: octets of a payload that are not all alike, received or sent.
fn has_sound(file: &Path) -> bool {
    let recording = Recording::read(&mut fs::read(file).unwrap().as_slice()).unwrap();
    let is_sound = |bytes: &[u8]| {
        let packet = (classify(bytes) == Kind::Rtp).then(|| Packet::parse(bytes).ok()).flatten();
        packet.is_some_and(|packet| packet.payload.iter().collect::<BTreeSet<_>>().len() > 1)
    };
    recording.media.iter().flat_map(Track::entries).any(|entry| {
        matches!(entry.told, Told::Packet { bytes, .. } if is_sound(bytes))
            || entry.packets.iter().any(|packet| is_sound(packet.bytes))
    })
}

#[test]
fn the_media_of_a_real_call_is_cut_alone_and_replays_identical() {
    if !peers::installed(&["sipp"]) {
        return;
    }
    let _alone = alone();
    let ground = Ground::new("replay-media");
    let exchange = calls_with_sound(&ground, "[record]\nmedia = \"all\"\n", 4);
    let one = cut(&exchange, &ground, &["--call", "2", "--before", "0s"], "one.tlx");
    let (code, document, [packets, outputs]) = replayed_media(&one);
    assert_eq!(code, 0, "{document}");
    assert_eq!(document["notes"].as_array().map(Vec::len), Some(0), "{document}");
    // Two seconds of one call, 50 packets a second from each side, on a busy machine; not those of four calls.
    assert!((100..350).contains(&packets) && outputs >= 100, "{packets} packets, {outputs} outputs");
    assert!(has_sound(&one));
    let all = cut(&exchange, &ground, &["--all"], "all.tlx");
    let (code, document, [everything, _]) = replayed_media(&all);
    assert!(code == 0 && everything > 3 * packets, "{everything} packets of all calls, {document}");

    // The state of its legs while it was up.
    let last = document["inputs"].as_u64().unwrap();
    let shown = (0..last).map(|n| replay(&one, &["--at", &format!("#{n}"), "--show", "media"]).1);
    let shown: Vec<String> = shown.filter(|text| text.contains(" ago received RTP payload type 0")).collect();
    let text = shown.last().unwrap_or_else(|| panic!("no leg was ever heard"));
    for part in
        ["sends to 127.", "heard from 127.", "jitter", "lost 0", " ago sent RTP payload type 0", "(relay)"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("has no packets"), "{text}");

    // One octet of a packet changed.
    let mut octets = fs::read(&one).unwrap();
    let place = octets.len() - 400;
    octets[place] ^= 1;
    let wrong = ground.path("wrong.tlx");
    fs::write(&wrong, octets).unwrap();
    let (code, said) = replay(&wrong, &[]);
    assert!(code == 2 && said.contains("a block does not have its checksum"), "{said}");
    exchange.finish();
}

#[test]
fn without_sound_the_headers_replay_and_off_is_said() {
    if !peers::installed(&["sipp"]) {
        return;
    }
    let _alone = alone();
    let ground = Ground::new("replay-headers");
    // As it is when nobody says anything.
    let exchange = calls_with_sound(&ground, "", 2);
    let one = cut(&exchange, &ground, &["--call", "1", "--before", "0s"], "headers.tlx");
    let (code, document, [packets, outputs]) = replayed_media(&one);
    assert_eq!((code, document["notes"].as_array().map(Vec::len)), (0, Some(0)), "{document}");
    assert!(packets >= 100 && outputs >= 100, "{packets} packets, {outputs} outputs");
    assert!(!has_sound(&one));
    exchange.finish();

    let ground = Ground::new("replay-no-media");
    let exchange = calls_with_sound(&ground, "[record]\nmedia = \"off\"\n", 1);
    let one = cut(&exchange, &ground, &["--call", "1", "--before", "0s"], "off.tlx");
    let (code, said) = replay(&one, &[]);
    assert!(code == 0 && said.contains("media: this recording has no packets"), "{said}");
    let (_, said) = replay(&one, &["--at", "#10", "--show", "media"]);
    assert!(said.contains("this recording has no packets"), "{said}");
    exchange.finish();
}
