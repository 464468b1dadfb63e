//! What a site writes down, as its phones find it: menus by keys, codes, messages that wait.

use std::time::Duration;

use telex_conformance::baresip::{Baresip, Plan as Phone};
use telex_conformance::exchange::{Exchange, Plan};
use telex_conformance::ground::Ground;
use telex_conformance::phone::Phone as Watcher;
use telex_conformance::program::poll;
use telex_conformance::{peers, tone};
use telex_engine::border::Transport::Udp;

/// What the phones play, in hertz.
const CALLER: u32 = 440;
const SALES: u32 = 880;
const QUIET: u32 = 1320;

/// Two levels: 2 leads on to the second, and 1 there to the phone 102.
const MENUS: &str = "
[internal]
exten => 600,1,Answer()
 same => n(top),Background(vm-options)
 same => n,WaitExten(10)
exten => 1,1,Goto(internal,101,1)
exten => 2,1,Goto(sales,s,1)
exten => i,1,Playback(pbx-invalid)
 same => n,Goto(600,top)
exten => _10X,1,Dial(PJSIP/${EXTEN},20)

[sales]
exten => s,1,Background(vm-options)
 same => n,WaitExten(10)
exten => 1,1,Goto(internal,102,1)
exten => #,1,Goto(internal,600,top)
";

/// An exchange of the phones 100 to 102 and this `telex.toml`.
fn exchange(ground: &Ground, lines: &str) -> Exchange {
    Plan::new(ground).with(lines).phone("100").phone("101").phone("102").start(ground)
}

fn phone(exchange: &Exchange, ground: &Ground, user: &str, hertz: u32) -> Baresip {
    Phone::new(user, exchange.server(), Udp, hertz).start(ground)
}

/// Waits until `phone` has heard two seconds of a tone.
fn hears(phone: &Baresip, hertz: u32) {
    let longest = || Some(tone::find(&phone.heard().pop()?, f64::from(hertz)).longest);
    let found = poll(Duration::from_secs(30), || longest().filter(|&seconds| seconds >= 2.0));
    assert!(found.is_some(), "wanted 2 s of {hertz} Hz, heard {:?}", longest());
}

#[test]
fn a_caller_walks_two_menus_by_keys_and_talks_with_another_phone() {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new("menus");
    ground.write("extensions.conf", MENUS);
    let mut exchange = exchange(&ground, "[dialplan]\nfile = \"extensions.conf\"");
    let mut sales = phone(&exchange, &ground, "102", SALES);
    let mut caller = phone(&exchange, &ground, "100", CALLER);
    caller.command("dial sip:600@telex.test");
    caller.expect("CALL_ESTABLISHED");
    // Pressed before anything was listened to, one that leads nowhere first.
    for key in ["9", "2", "1"] {
        caller.command(&format!("sndcode {key}"));
        std::thread::sleep(Duration::from_millis(1500));
    }
    sales.expect("CALL_ESTABLISHED");
    hears(&sales, CALLER);
    hears(&caller, SALES);
    exchange.expect_log("Matched: 600 in context [internal]");
    let told = exchange.command(&["explain", "1"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("PJSIP/102"), "{told}");
    caller.command("hangup");
    sales.expect("CALL_CLOSED");
    exchange.finish();
}

/// What `caller` is told when it dials a number that does not answer: the status of the refusal.
fn refused(caller: &mut Baresip, number: &str) -> String {
    caller.command(&format!("dial sip:{number}@telex.test"));
    let closed = caller.expect("CALL_CLOSED");
    closed["param"].as_str().unwrap_or_default().chars().take(3).collect()
}

/// Dials a code, which answers, says what it did and hangs up.
fn code(caller: &mut Baresip, number: &str) {
    caller.command(&format!("dial sip:{number}@telex.test"));
    caller.expect("CALL_ESTABLISHED");
    caller.expect("CALL_CLOSED");
}

#[test]
fn codes_forward_a_phone_and_keep_it_quiet() {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new("codes");
    let exchange = exchange(&ground, "[codes]");
    let mut quiet = phone(&exchange, &ground, "101", QUIET);
    let mut sales = phone(&exchange, &ground, "102", SALES);
    let mut caller = phone(&exchange, &ground, "100", CALLER);
    code(&mut quiet, "*78");
    assert_eq!(refused(&mut caller, "101"), "486", "101 does not want to be disturbed");
    code(&mut quiet, "*79");
    code(&mut quiet, "*72102");
    caller.command("dial sip:101@telex.test");
    sales.expect("CALL_ESTABLISHED");
    hears(&caller, SALES);
    caller.command("hangup");
    sales.expect("CALL_CLOSED");
    code(&mut quiet, "*73");
    caller.command("dial sip:101@telex.test");
    quiet.expect("CALL_ESTABLISHED");
    caller.command("hangup");
    quiet.expect("CALL_CLOSED");
    exchange.finish();
}

#[test]
fn who_asks_is_told_of_messages_that_wait() {
    let ground = Ground::new("messages");
    let exchange = exchange(&ground, "");
    let mut phone = Watcher::new("100", exchange.server(), ground.address());
    assert_eq!(phone.subscribe("101", "message-summary"), Some(403), "a mailbox is its owner's");
    assert_eq!(phone.subscribe("100", "message-summary"), Some(200));
    let told = phone.notified(Duration::from_secs(30)).unwrap_or_default();
    assert!(told.starts_with("Messages-Waiting: no\r\n"), "{told}");
    exchange.finish();
}
