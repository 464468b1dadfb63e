//! Makes the captures of `conformance/captures/`: real clients and the real program, recorded by tcpdump on loopback.
//!
//! They are committed, so this is run only to make them anew, by root in a network of its own:
//! `unshare -n sh -c 'ip link set lo up; cargo test -p telex-conformance --test make_captures -- --ignored --test-threads 1'`

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use telex_conformance::baresip::{Baresip, Plan as Phone};
use telex_conformance::exchange::{Exchange, Plan};
use telex_conformance::ground::Ground;
use telex_conformance::linphone::Linphone;
use telex_conformance::program::Program;
use telex_conformance::sipp::{Sipp, on};
use telex_engine::border::Transport::{Tcp, Udp};

const PATIENCE: Duration = Duration::from_secs(20);
/// All that is SIP or media here; phones are steered over other TCP ports.
const FILTER: &str = "udp or tcp port 5060 or tcp port 5070 or icmp";
/// Nothing here needs a longer capture.
const MOST: u64 = 200_000;

/// A running tcpdump.
struct Recording {
    program: Program,
    file: std::path::PathBuf,
}

impl Recording {
    fn start(ground: &Ground, name: &str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(format!("{name}.pcap"));
        let mut command = Command::new("tcpdump");
        command
            .args(["-i", "lo", "--immediate-mode", "-U", "-n", "-Z", "root", "-s", "0", "-w"])
            .arg(&file)
            .arg(FILTER);
        let mut program = Program::start("tcpdump", &mut command, &ground.path("tcpdump.log"));
        program.expect_from(0, "that it listens", PATIENCE, |output| output.contains("listening on"));
        Self { program, file }
    }

    /// Waits for what is under way, and ends.
    fn stop(mut self) {
        thread::sleep(Duration::from_millis(700));
        self.program.stop(PATIENCE);
        let octets = std::fs::metadata(&self.file).map_or(0, |m| m.len());
        assert!((100..MOST).contains(&octets), "{} has {octets} octets", self.file.display());
    }
}

fn seconds(count: f64) {
    thread::sleep(Duration::from_secs_f64(count));
}

fn exchange(ground: &Ground) -> Exchange {
    Plan::new(ground).phone("alice").phone("bob").start(ground)
}

fn pair(ground: &Ground, exchange: &Exchange) -> (Baresip, Baresip) {
    let server = exchange.server();
    let bob = Phone::new("bob", server, Udp, 880).start(ground);
    (Phone::new("alice", server, Udp, 440).start(ground), bob)
}

#[test]
#[ignore = "writes conformance/captures/call.pcap"]
fn a_call_with_digits() {
    let ground = Ground::new("capture-call");
    let exchange = exchange(&ground);
    let (mut alice, mut bob) = pair(&ground, &exchange);
    let recording = Recording::start(&ground, "call");
    alice.command("dial sip:bob@telex.test");
    alice.expect("CALL_ESTABLISHED");
    bob.expect("CALL_ESTABLISHED");
    seconds(0.6);
    for key in ["1", "9", "#"] {
        alice.command(&format!("sndcode {key}"));
        seconds(0.6);
    }
    alice.command("hangup");
    bob.expect("CALL_CLOSED");
    recording.stop();
    exchange.finish();
}

#[test]
#[ignore = "writes conformance/captures/hold.pcap"]
fn a_call_that_is_held() {
    let ground = Ground::new("capture-hold");
    let exchange = exchange(&ground);
    let (mut alice, mut bob) = pair(&ground, &exchange);
    let recording = Recording::start(&ground, "hold");
    alice.command("dial sip:bob@telex.test");
    alice.expect("CALL_ESTABLISHED");
    bob.expect("CALL_ESTABLISHED");
    seconds(0.8);
    alice.command("hold");
    seconds(1.2);
    alice.command("resume");
    seconds(0.8);
    bob.command("hangup");
    alice.expect("CALL_CLOSED");
    recording.stop();
    exchange.finish();
}

#[test]
#[ignore = "writes conformance/captures/register-tcp.pcap"]
fn a_registration_over_tcp() {
    let ground = Ground::new("capture-register");
    let exchange = exchange(&ground);
    let recording = Recording::start(&ground, "register-tcp");
    let alice = Phone::new("alice", exchange.server(), Tcp, 440).start(&ground);
    let lin = Linphone::start(&ground, "bob", exchange.server(), Tcp, (440.0, -10.0));
    alice.stop();
    drop(lin);
    recording.stop();
    exchange.finish();
}

/// A call that bob lets ring; `act` does the rest.
fn ringing(name: &str, act: impl FnOnce(&mut Baresip, &mut Baresip)) {
    let ground = Ground::new(name);
    let exchange = exchange(&ground);
    let server = exchange.server();
    let mut bob = Phone::new("bob", server, Udp, 880).rings().start(&ground);
    let mut alice = Phone::new("alice", server, Udp, 440).start(&ground);
    let recording = Recording::start(&ground, name);
    alice.command("dial sip:bob@telex.test");
    alice.expect("CALL_RINGING");
    bob.expect("CALL_INCOMING");
    seconds(0.4);
    act(&mut alice, &mut bob);
    recording.stop();
    exchange.finish();
}

#[test]
#[ignore = "writes conformance/captures/cancelled.pcap"]
fn a_call_that_is_cancelled() {
    ringing("cancelled", |alice, bob| {
        alice.command("hangup");
        bob.expect("CALL_CLOSED");
    });
}

#[test]
#[ignore = "writes conformance/captures/declined.pcap"]
fn a_call_that_is_declined() {
    ringing("declined", |alice, bob| {
        bob.command("hangup");
        alice.expect("CALL_CLOSED");
    });
}

#[test]
#[ignore = "writes conformance/captures/absent.pcap"]
fn calls_to_who_is_not_there() {
    let ground = Ground::new("capture-absent");
    let exchange = exchange(&ground);
    let mut alice = Phone::new("alice", exchange.server(), Udp, 440).start(&ground);
    let recording = Recording::start(&ground, "absent");
    for callee in ["bob", "nobody"] {
        alice.command(&format!("dial sip:{callee}@telex.test"));
        alice.expect("CALL_CLOSED");
    }
    recording.stop();
    exchange.finish();
}

#[test]
#[ignore = "writes conformance/captures/tone.pcap"]
fn a_call_to_the_tone() {
    let ground = Ground::new("capture-tone");
    let exchange = exchange(&ground);
    let mut alice = Phone::new("alice", exchange.server(), Tcp, 440).start(&ground);
    let recording = Recording::start(&ground, "tone");
    alice.command("dial sip:*60@telex.test");
    alice.expect("CALL_ESTABLISHED");
    seconds(2.5);
    alice.command("hangup");
    alice.expect("CALL_CLOSED");
    recording.stop();
    exchange.finish();
}

#[test]
#[ignore = "writes conformance/captures/echo.pcap"]
fn linphone_calls_the_echo() {
    let ground = Ground::new("capture-echo");
    let exchange = exchange(&ground);
    let mut lin = Linphone::start(&ground, "alice", exchange.server(), Udp, (440.0, -10.0));
    let recording = Recording::start(&ground, "echo");
    lin.command("call sip:*43@telex.test");
    seconds(2.5);
    lin.command("terminate");
    seconds(0.5);
    recording.stop();
    drop(lin);
    exchange.finish();
}

/// SIPp calls SIPp.
fn sipp(name: &str, (caller, callee): (&str, &str), transport: telex_engine::border::Transport, rings: f64) {
    let ground = Ground::new(name);
    let (alice, bob) = (on(ground.address()), on(ground.address()));
    let contact = format!("sip:bob@{bob};transport={}", transport.as_str().to_lowercase());
    let exchange = Plan::new(&ground).phone("alice").fixed("bob", &contact).start(&ground);
    let recording = Recording::start(&ground, name);
    let callee = Sipp::new(&ground, "bob", callee, bob, transport).options(&["-rtp_echo", "-nr", "-m", "1"]);
    let callee = callee.hold(Duration::from_secs_f64(rings)).listen();
    let caller = Sipp::new(&ground, "alice", caller, alice, transport).server(exchange.server());
    let caller = caller.users(["alice".to_owned()]).options(&["-s", "bob", "-nr"]).tone(440.0);
    let caller = caller.calls(1, 1, 1).hold(Duration::from_secs(1)).start();
    assert_eq!(caller.finish(PATIENCE * 6).successful, 1);
    assert_eq!(callee.finish(PATIENCE * 6).successful, 1);
    recording.stop();
    exchange.finish();
}

#[test]
#[ignore = "writes conformance/captures/sipp-tcp.pcap"]
fn a_call_over_tcp() {
    sipp("sipp-tcp", ("call_media", "answer"), Tcp, 0.2);
}

#[test]
#[ignore = "writes conformance/captures/late-ack.pcap"]
fn a_caller_that_repeats_itself_and_is_late_with_its_ack() {
    sipp("late-ack", ("late_call", "answer"), Udp, 1.0);
}

#[test]
#[ignore = "writes conformance/captures/late-answer.pcap"]
fn a_callee_that_is_late_with_everything() {
    sipp("late-answer", ("call", "late_answer"), Udp, 0.0);
}

#[test]
#[ignore = "writes conformance/captures/fork.pcap"]
fn two_phones_ring_and_one_answers() {
    let ground = Ground::new("capture-fork");
    let exchange = exchange(&ground);
    let server = exchange.server();
    let mut desk = Phone::new("bob", server, Udp, 880).rings().start(&ground);
    let mut mobile = Phone::new("bob", server, Tcp, 880).rings().start(&ground);
    let mut alice = Phone::new("alice", server, Udp, 440).start(&ground);
    let recording = Recording::start(&ground, "fork");
    alice.command("dial sip:bob@telex.test");
    desk.expect("CALL_INCOMING");
    mobile.expect("CALL_INCOMING");
    mobile.command("accept");
    alice.expect("CALL_ESTABLISHED");
    desk.expect("CALL_CLOSED");
    seconds(1.0);
    mobile.command("hangup");
    alice.expect("CALL_CLOSED");
    recording.stop();
    exchange.finish();
}
