//! Clauses of RFC 6665 and of its packages (RFC 4235, RFC 3842, RFC 3856), message by message.

use super::clauses::head;
use super::watching::{lamp, notified, ok, subscribe, watch};
use super::*;
use crate::limits;
use crate::sip::HeaderName;

/// Sends this for alice: all that she is sent then. A NOTIFY among it is answered.
fn ask(world: &mut World, text: &str) -> Vec<Message> {
    world.sent();
    world.send(ALICE, text);
    let sent: Vec<Message> = world.sent().into_iter().map(|(_, message)| message).collect();
    for notify in sent.iter().filter(|message| message.is_request()) {
        world.send(ALICE, &ok(notify));
    }
    world.sent();
    sent
}

/// The start line of the only answer.
fn refusal(world: &mut World, text: &str) -> String {
    let sent = ask(world, text);
    assert_eq!(sent.len(), 1, "{text}");
    head(&sent[0], &[])
}

fn seconds(message: &Message, name: HeaderName) -> Option<&str> {
    message.header(name)
}

#[test]
fn a_subscription_is_a_dialog_and_its_first_notify_follows_at_once() {
    let mut world = World::new();
    let fields = "Record-Route: <sip:10.0.0.1:5070;lr>\nContact: <sip:alice@10.0.3.1>";
    let text = subscribe("bob", "dialog;id=9", 1, 300, "");
    let sent = ask(&mut world, &text.replace("Contact: <sip:alice@10.0.0.1>", fields));
    let [granted, notify] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(
        head(granted, &["Record-Route", "Contact", "Expires", "Allow-Events"]),
        "SIP/2.0 200 OK\nRecord-Route: <sip:10.0.0.1:5070;lr>\nExpires: 300\nContact: <sip:bob@10.0.0.9:5060>\n\
Allow-Events: dialog, presence, message-summary, refer"
    );
    let ours = granted.to().unwrap().tag().unwrap();
    let names =
        ["Route", "From", "To", "Call-ID", "CSeq", "Contact", "Event", "Subscription-State", "Content-Type"];
    assert_eq!(
        head(notify, &names),
        format!(
            "NOTIFY sip:alice@10.0.3.1 SIP/2.0\nRoute: <sip:10.0.0.1:5070;lr>\nFrom: <sip:bob@telex>;tag={ours}\n\
To: <sip:alice@telex>;tag=fs\nCall-ID: s-bob\nCSeq: 1 NOTIFY\nContact: <sip:bob@10.0.0.9:5060>\n\
Event: dialog;id=9\nSubscription-State: active;expires=300\nContent-Type: application/dialog-info+xml"
        )
    );
}

#[test]
fn the_time_that_is_left_is_told_and_is_never_more_than_was_asked_for() {
    let mut world = World::new();
    let sent = ask(&mut world, &subscribe("bob", "dialog", 1, 3600, ""));
    assert_eq!(seconds(&sent[0], HeaderName::Expires), Some("600"), "less than was asked for");
    assert_eq!(seconds(&sent[1], HeaderName::SubscriptionState), Some("active;expires=600"));
    let tag = format!(";tag={}", sent[0].to().unwrap().tag().unwrap());
    world.pass(Duration::from_secs(200));
    world.send(ALICE, &invite("bob", "", OFFER));
    assert_eq!(notified(&mut world)[0].0, "active;expires=400");
    world.pass(Duration::from_secs(5));
    let sent = ask(&mut world, &subscribe("bob", "dialog", 2, 100, &tag));
    assert_eq!(seconds(&sent[0], HeaderName::Expires), Some("100"));
    assert_eq!(seconds(&sent[1], HeaderName::SubscriptionState), Some("active;expires=100"));
    assert_eq!(lamp(&String::from_utf8_lossy(sent[1].body())), "early", "the state is told again in full");
    for (text, cseq) in [(&tag, 3), (&String::new(), 4)] {
        let sent = ask(&mut world, &subscribe("bob", "dialog", cseq, 29, text));
        let [brief] = &sent[..] else { panic!("{sent:?}") };
        let names = ["Min-Expires", "Expires"];
        assert_eq!(head(brief, &names), "SIP/2.0 423 Interval Too Brief\nMin-Expires: 30");
    }
    let unsaid =
        subscribe("bob", "presence", 5, 300, "").replace("Expires: 300\n", "").replace("s-bob", "s-5");
    assert_eq!(
        seconds(&ask(&mut world, &unsaid)[0], HeaderName::Expires),
        Some("600"),
        "of an hour by default"
    );
}

#[test]
fn who_does_not_know_a_notify_any_more_is_told_nothing_more_and_who_is_only_troubled_is() {
    let end = [404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604];
    for code in end.into_iter().chain([400, 403, 486, 500, 503, 603]) {
        let mut world = World::new();
        watch(&mut world, "bob", "dialog");
        let notify = world.only("NOTIFY");
        world.send(ALICE, &ok(&notify).replace("200 OK", &format!("{code} No")));
        let left = usize::from(!end.contains(&code));
        assert_eq!(world.telex.stats().subscriptions, left, "{code}");
        assert_eq!(world.lines(), "", "{code}");
    }
}

#[test]
fn what_is_wrong_with_a_subscribe_is_said() {
    let mut world = World::new();
    let none = subscribe("bob", "dialog", 1, 300, "").replace("Event: dialog\n", "");
    assert_eq!(refusal(&mut world, &none), "SIP/2.0 489 Bad Event");
    let two = subscribe("bob", "dialog", 2, 300, "").replace("Expires", "Event: presence\nExpires");
    assert!(refusal(&mut world, &two).starts_with("SIP/2.0 400 "));
    let tag = watch(&mut world, "bob", "dialog;id=1");
    notified(&mut world);
    let shared = "SIP/2.0 403 Dialog sharing is not supported";
    assert_eq!(refusal(&mut world, &subscribe("bob", "presence;id=1", 2, 300, &tag)), shared);
    assert_eq!(refusal(&mut world, &subscribe("bob", "dialog;id=2", 3, 300, &tag)), shared);
    assert_eq!(
        refusal(&mut world, &subscribe("bob", "dialog;id=1", 3, 300, &tag)),
        "SIP/2.0 500 Server Internal Error"
    );
    assert_eq!(world.telex.stats().subscriptions, 1);
    let sent = ask(&mut world, &subscribe("bob", "dialog;id=1", 4, 300, &tag));
    assert_eq!(sent.len(), 2, "the subscription is as it was");
}

#[test]
fn in_the_dialog_of_a_call_nothing_is_watched_and_nothing_told() {
    let mut world = World::new();
    let (answered, _) = talking(&mut world);
    let mut ask = |method: &str, cseq, event: &str| {
        let text = inside(&answered, method, cseq, "");
        refusal(&mut world, &text.replacen("Contact:", &format!("{event}Contact:"), 1))
    };
    let shared = "SIP/2.0 403 Dialog sharing is not supported";
    assert_eq!(ask("SUBSCRIBE", 2, "Event: dialog\n"), shared);
    assert_eq!(ask("SUBSCRIBE", 3, ""), "SIP/2.0 489 Bad Event");
    assert_eq!(ask("SUBSCRIBE", 4, "Event: refer;id=3\nExpires: 0\n"), "SIP/2.0 403 Only REFER begins this");
    let none = "SIP/2.0 481 Call/Transaction Does Not Exist";
    assert_eq!(ask("NOTIFY", 5, "Event: refer\nSubscription-State: active;expires=60\n"), none);
    world.send(ALICE, &inside(&answered, "BYE", 6, ""));
    assert!(world.lines().starts_with("alice: SIP/2.0 200 OK"));
    let stray = invite("bob", "Event: dialog\nSubscription-State: active;expires=9\n", "")
        .replace("INVITE", "NOTIFY");
    assert_eq!(refusal(&mut world, &stray.replace("bKa1", "bKn")), none);
}

#[test]
fn a_subscribe_cannot_be_cancelled() {
    let mut world = World::new();
    let text = subscribe("bob", "dialog", 1, 300, "");
    ask(&mut world, &text);
    let cancel = text.replace("SUBSCRIBE", "CANCEL").replace("Event: dialog\n", "");
    assert_eq!(refusal(&mut world, &cancel), "SIP/2.0 200 OK");
    assert_eq!(world.telex.stats().subscriptions, 1, "it is as it was");
}

#[test]
fn options_tell_which_events_there_are() {
    let mut world = World::new();
    let events = Some("dialog, presence, message-summary, refer");
    let outside = invite("bob", "", "").replace("INVITE", "OPTIONS").replace("bKa1", "bKo");
    assert_eq!(ask(&mut world, &outside)[0].header(HeaderName::AllowEvents), events);
    let (answered, _) = talking(&mut world);
    let inside = inside(&answered, "OPTIONS", 2, "");
    assert_eq!(ask(&mut world, &inside)[0].header(HeaderName::AllowEvents), events);
}

#[test]
fn documents_are_numbered_from_none_in_each_subscription() {
    let number = |body: &str| body.split("version=\"").nth(2).unwrap().split('"').next().unwrap().to_owned();
    let mut world = World::new();
    let tag = watch(&mut world, "bob", "dialog");
    let mut numbers: Vec<String> = notified(&mut world).iter().map(|(_, body)| number(body)).collect();
    for cseq in 2..5 {
        world.pass(limits::NOTIFY_GAP);
        let sent = ask(&mut world, &subscribe("bob", "dialog", cseq, 300, &tag));
        numbers.push(number(&String::from_utf8_lossy(sent[1].body())));
    }
    assert_eq!(numbers, ["0", "1", "2", "3"]);
    let other = subscribe("bob", "dialog", 9, 300, "").replace("s-bob", "s-other");
    let sent = ask(&mut world, &other);
    assert_eq!(number(&String::from_utf8_lossy(sent[1].body())), "0");
}

#[test]
fn every_call_has_an_id_of_its_own_and_is_told_until_it_is_over() {
    let mut world = World::new();
    watch(&mut world, "bob", "dialog");
    notified(&mut world);
    world.pass(limits::NOTIFY_GAP);
    let second = |text: String| text.replace("c1", "c2").replace("bKa1", "bKa2");
    world.send(ALICE, &invite("bob", "", OFFER));
    let mut told = notified(&mut world);
    world.pass(limits::NOTIFY_GAP);
    world.send(ALICE, &second(invite("bob", "", OFFER)));
    told.extend(notified(&mut world));
    world.pass(limits::NOTIFY_GAP);
    world.send(ALICE, &second(invite("bob", "", "").replace("INVITE", "CANCEL")));
    world.pass(limits::NOTIFY_GAP);
    told.extend(notified(&mut world));
    let dialogs = |body: &str| -> Vec<String> {
        let each = body.split("<dialog id=\"").skip(1);
        each.map(|one| format!("{} {}", one.split('"').next().unwrap(), lamp(one))).collect()
    };
    let told: Vec<Vec<String>> = told.iter().map(|(_, body)| dialogs(body)).collect();
    assert_eq!(told[0], ["b1 early"]);
    assert_eq!(told[1], ["b1 early", "b2 early"]);
    assert_eq!(told[2], ["b1 early", "b2 terminated"]);
}

#[test]
fn what_is_sent_is_of_a_kind_that_the_watcher_takes() {
    let kinds = [
        ("bob", "dialog", "application/dialog-info+xml"),
        ("bob", "presence", "application/pidf+xml"),
        ("alice", "message-summary", "application/simple-message-summary"),
    ];
    for (whom, package, kind) in kinds {
        let accepts = |accept: &str| {
            let mut world = World::new();
            let text = subscribe(whom, package, 1, 300, "");
            let sent = ask(&mut world, &text.replace("Expires", &format!("{accept}Expires")));
            let notify = sent.iter().find(|message| message.is_request());
            (
                head(&sent[0], &[]),
                notify.and_then(|notify| notify.header(HeaderName::ContentType)).map(str::to_owned),
            )
        };
        let granted = ("SIP/2.0 200 OK".to_owned(), Some(kind.to_owned()));
        let chosen = format!("Accept: text/plain, {kind};q=0.5\n");
        for accept in ["", &chosen, "Accept: application/*\n", "Accept: */*\n"] {
            assert_eq!(accepts(accept), granted, "{accept}");
        }
        assert_eq!(accepts("Accept: text/plain\n"), ("SIP/2.0 406 Not Acceptable".to_owned(), None));
    }
}

#[test]
fn who_is_gone_from_the_site_watches_no_more_and_is_watched_no_more() {
    for (gone, reason) in [("bob", "noresource"), ("alice", "rejected")] {
        let mut world = World::new();
        watch(&mut world, "bob", "dialog");
        notified(&mut world);
        let mut config = (**world.telex.config_in_force()).clone();
        config.phones.remove(gone);
        world.input(Input::Config { config: Arc::new(config), listeners: listeners() });
        let told = notified(&mut world);
        assert_eq!(told.len(), 1, "{gone}");
        assert_eq!(told[0].0, format!("terminated;reason={reason}"));
        assert_eq!(world.telex.stats().subscriptions, 0);
    }
}
