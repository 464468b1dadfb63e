//! Linphone and baresip through the exchange, each calling the other.

use std::ops::RangeInclusive;
use std::time::Duration;

use telex_conformance::baresip::{Baresip, Plan as Phone};
use telex_conformance::exchange::Plan;
use telex_conformance::ground::Ground;
use telex_conformance::linphone::Linphone;
use telex_conformance::program::poll;
use telex_conformance::{peers, tone};
use telex_engine::border::Transport::{self, Tcp, Udp};

/// What linphone plays: hertz and decibels.
const LIN: (f64, f64) = (440.0, -10.0);
/// What baresip plays, in hertz.
const BARE: u32 = 880;
/// How loud baresip hears linphone.
const LIN_LEVEL: RangeInclusive<f64> = -12.0..=-8.0;
/// How loud linphone hears baresip.
const BARE_LEVEL: RangeInclusive<f64> = -8.0..=-4.0;

#[derive(Clone, Copy, PartialEq)]
enum Caller {
    Linphone,
    Baresip,
}

fn tones_both_ways(caller: Caller, transport: Transport) {
    if !peers::installed(&["linphonec", "stdbuf", "baresip"]) {
        return;
    }
    let ground = Ground::new("linphone");
    let exchange = Plan::new(&ground).phone("lin").phone("bare").start(&ground);
    let server = exchange.server();
    let mut bare = Phone::new("bare", server, transport, BARE).start(&ground);
    let mut lin = Linphone::start(&ground, "lin", server, transport, LIN);
    if caller == Caller::Linphone {
        lin.command("call sip:bare@telex.test");
    } else {
        bare.command("dial sip:lin@telex.test");
    }
    bare.expect("CALL_ESTABLISHED");
    both_hear(&lin, &bare);
    if caller == Caller::Linphone {
        lin.command("terminate");
    } else {
        bare.command("hangup");
    }
    bare.expect("CALL_CLOSED");
    let sound = bare.heard().pop().expect("baresip records its calls");
    tone::assert_heard(&sound, LIN.0, LIN_LEVEL, 1.0);
    tone::assert_heard(&lin.stop(), f64::from(BARE), BARE_LEVEL, 1.0);
    exchange.finish();
}

/// Waits until each has recorded enough.
fn both_hear(lin: &Linphone, bare: &Baresip) {
    let start = lin.recorded();
    let found = poll(Duration::from_secs(40), || {
        let in_bare = tone::find(&bare.heard().pop()?, LIN.0).longest;
        (in_bare >= 2.0 && lin.recorded() >= start + 3.0).then_some(())
    });
    let last = bare.heard().pop().map(|s| tone::find(&s, LIN.0).to_string());
    assert!(found.is_some(), "baresip heard {last:?}, linphone recorded {} s", lin.recorded());
}

#[test]
fn linphone_calls_baresip_over_udp() {
    tones_both_ways(Caller::Linphone, Udp);
}

#[test]
fn baresip_calls_linphone_over_udp() {
    tones_both_ways(Caller::Baresip, Udp);
}

#[test]
fn linphone_calls_baresip_over_tcp() {
    tones_both_ways(Caller::Linphone, Tcp);
}

#[test]
fn baresip_calls_linphone_over_tcp() {
    tones_both_ways(Caller::Baresip, Tcp);
}
