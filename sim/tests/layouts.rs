//! Phones behind boxes: what has to work in which layout, each run without loss. "Nobody hears anything" is the
//! commonest complaint about telephone exchanges, and this is where it comes from.

use telex_sim::{Outcome, Plan, run};

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// Answered, and both sides heard each other.
    Heard,
    /// Answered, and somebody heard nothing.
    Silent,
    /// Not answered; nothing was left behind.
    No,
}
use Call::{Heard, No};

/// One layout. Phone 100 is the one in question, phone 101 calls it and is called.
struct Layout {
    name: &'static str,
    /// What phone 100 and phone 101 are beside their extensions.
    phones: [&'static str; 2],
    /// The boxes.
    nats: &'static str,
    /// Whether phone 100 knows that it is registered.
    registers: bool,
    /// It calls at 10 s; it is called at 10 s; it is called at 95 s, after nothing had happened.
    calls: [Call; 3],
    /// Calls go on until everybody hangs up, and have to be heard to the end.
    long: bool,
}

const fn layout(
    name: &'static str,
    phones: [&'static str; 2],
    nats: &'static str,
    calls: [Call; 3],
) -> Layout {
    Layout { name, phones, nats, registers: true, calls, long: false }
}

const ALL: [Call; 3] = [Heard; 3];
/// Nothing keeps the way in open.
const FADES: [Call; 3] = [Heard, Heard, No];
const FULL_CONE: &str = "{}";
const RESTRICTED: &str = "{ filtering = 'address' }";
const PORT_RESTRICTED: &str = "{ filtering = 'address-and-port' }";
const SYMMETRIC: &str = "{ mapping = 'address-and-port', filtering = 'address-and-port' }";
const KEEPS: &str = "nat = 0, keep_alive = '20s'";

fn layouts() -> Vec<Layout> {
    vec![
        layout("open network", ["", ""], "", ALL),
        layout("full cone", [KEEPS, ""], FULL_CONE, ALL),
        layout("restricted", [KEEPS, ""], RESTRICTED, ALL),
        layout("port-restricted", [KEEPS, ""], PORT_RESTRICTED, ALL),
        layout("symmetric", [KEEPS, ""], SYMMETRIC, ALL),
        layout("symmetric, registers often", ["nat = 0, refresh = '20s'", ""], SYMMETRIC, ALL),
        layout("full cone, nothing kept open", ["nat = 0", ""], FULL_CONE, FADES),
        layout("symmetric, nothing kept open", ["nat = 0", ""], SYMMETRIC, FADES),
        layout("nothing kept open for three minutes", ["nat = 0", ""], "{ timeout = '180s' }", ALL),
        layout(
            "symmetric on both sides, one private address",
            [KEEPS, "nat = 2"],
            "{ mapping = 'address-and-port' }, {}, { mapping = 'address-and-port', filtering = 'address-and-port' }",
            ALL,
        ),
        layout("neighbours, no hairpin", [KEEPS, "nat = 0"], PORT_RESTRICTED, ALL),
        layout("neighbours, hairpin", [KEEPS, "nat = 0"], "{ hairpin = true, keeps_ports = true }", ALL),
        layout(
            "rebooted at 80 s, kept open, registered for an hour",
            [KEEPS, ""],
            "{ reboots = ['80s'] }",
            FADES,
        ),
        layout(
            "rebooted at 60 s, registers often",
            ["nat = 0, refresh = '20s'", ""],
            "{ reboots = ['60s'] }",
            ALL,
        ),
        Layout {
            long: true,
            ..layout(
                "rebooted in mid-call",
                [KEEPS, ""],
                "{ mapping = 'address-and-port', reboots = ['14s'] }",
                [Heard, Heard, No],
            )
        },
        layout("streams", ["nat = 0, transport = 'tcp'", ""], SYMMETRIC, ALL),
        layout(
            "streams, rebooted at 60 s",
            ["nat = 0, transport = 'tcp', keep_alive = '20s'", ""],
            "{ filtering = 'address', reboots = ['60s'] }",
            ALL,
        ),
        layout("gateway that is right", [KEEPS, ""], "{ alg = 'good' }", ALL),
        layout(
            "gateway that rewrites only the Contact",
            [KEEPS, ""],
            "{ alg = 'contact-only', filtering = 'address-and-port' }",
            ALL,
        ),
        // The address inside is longer than the one outside: the message is shorter than it says.
        layout(
            "gateway that forgets Content-Length, longer",
            [KEEPS, ""],
            "{ alg = 'forgets-length' }",
            [No, No, No],
        ),
        // It is the shorter one: what the session description lacks is its last line end.
        layout(
            "gateway that forgets Content-Length, shorter",
            ["nat = 1, keep_alive = '20s'", ""],
            "{}, { alg = 'forgets-length' }",
            ALL,
        ),
        layout(
            "gateway that writes private ports, and they are kept",
            [KEEPS, ""],
            "{ alg = 'breaks-port', keeps_ports = true }",
            ALL,
        ),
        layout("gateway that writes private ports", [KEEPS, ""], "{ alg = 'breaks-port' }", [Heard, No, No]),
        layout(
            "gateway that takes rport away, and ports are kept",
            [KEEPS, ""],
            "{ alg = 'strips-rport', keeps_ports = true }",
            ALL,
        ),
        // RFC 3261 §18.2.2 sends the responses to a port that is not open.
        Layout {
            registers: false,
            ..layout("gateway that takes rport away", [KEEPS, ""], "{ alg = 'strips-rport' }", [No, No, No])
        },
    ]
}

/// A run of one call.
fn one_call(layout: &Layout, caller: usize, at: u64) -> Outcome {
    let [inside, outside] = layout.phones;
    let dial = [101, 100][caller];
    let comma = |text: &str| if text.is_empty() { String::new() } else { format!(", {text}") };
    let text = format!(
        "seed = 1\ncalm = '130s'\nempty = '260s'\nend = '400s'\nnats = [{}]\nphones = [{{ extension = '100'{} }}, \
         {{ extension = '101'{} }}]\ncalls = [{{ at = '{at}s', caller = {caller}, dial = '{dial}', \
         reactions = ['answers 1s'], talk = '{}s' }}]\n",
        layout.nats,
        comma(inside),
        comma(outside),
        if layout.long { 1000 } else { 20 },
    );
    let plan = Plan::parse(&text).unwrap_or_else(|e| panic!("{}: {e}\n{text}", layout.name));
    let outcome = run(&plan);
    if let Some(failure) = &outcome.broken {
        panic!("{}: {}\n{plan}\n{}", layout.name, failure.broken, failure.ladder);
    }
    outcome
}

fn verdict(outcome: &Outcome) -> Call {
    match (outcome.answered, outcome.two_way) {
        (1, 1) => Heard,
        (1, 0) => Call::Silent,
        (0, 0) => No,
        other => panic!("{other:?} of one call"),
    }
}

#[test]
fn every_layout_does_what_it_can() {
    let mut wrong = String::new();
    for layout in layouts() {
        let runs = [(0, 10), (1, 10), (1, 95)].map(|(caller, at)| one_call(&layout, caller, at));
        let calls = runs.each_ref().map(verdict);
        // Phone 101 registers once and leaves once; phone 100 does that at least.
        let registers = runs.iter().all(|outcome| outcome.registrations >= 4);
        if (calls, registers) != (layout.calls, layout.registers) {
            wrong +=
                &format!("{}: registers {registers}, calls {calls:?}, not {:?}\n", layout.name, layout.calls);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
