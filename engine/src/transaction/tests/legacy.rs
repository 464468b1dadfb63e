//! Clients of RFC 2543, whose branch is missing or has no cookie (RFC 3261 §17.2.3).

use super::*;

fn request(method: &str) -> String {
    phone_request(method, "1").replace(";branch=1", "")
}

fn with_tag(text: &str, tag: &str) -> String {
    text.replace("To: <sip:101@192.0.2.1>", &format!("To: <sip:101@192.0.2.1>;tag={tag}"))
}

/// What differs in each of these makes another transaction.
fn variations(text: &str) -> Vec<String> {
    vec![
        text.replace("sip:101@192.0.2.1 SIP/2.0", "sip:102@192.0.2.1 SIP/2.0"),
        with_tag(text, "other"),
        text.replace("tag=a", "tag=other"),
        text.replace("1@192.0.2.7", "2@192.0.2.7"),
        text.replace("CSeq: 1 ", "CSeq: 2 "),
        text.replace("192.0.2.7:5060", "192.0.2.7:5061"),
        text.replace("192.0.2.7:5060", "192.0.2.7:5060;hidden"),
    ]
}

#[test]
fn all_that_the_rfc_names_makes_a_transaction() {
    for branch in ["", ";branch=1", ";branch=Z9HG4BK1", ";branch=z9hG4bK"] {
        for method in ["INVITE", "OPTIONS"] {
            let text = request(method).replace("192.0.2.7:5060", &format!("192.0.2.7:5060{branch}"));
            for other in variations(&text) {
                let mut world = World::new();
                txn_of(world.hear(&text));
                assert!(world.hear(&text).is_none(), "repeated: {text}");
                assert!(world.hear(&text.replace("Max-Forwards: 70", "Max-Forwards: 69")).is_none());
                txn_of(world.hear(&other));
                assert_eq!(world.txns.len(), 2, "{other}");
            }
        }
    }
}

#[test]
fn an_ack_is_found_by_the_tag_of_the_response() {
    let mut world = World::new();
    let txn = txn_of(world.hear(&request("INVITE")));
    world.respond(txn, &Reply::new(Status::BUSY_HERE).tagged("b"));
    let ack = with_tag(&request("ACK"), "b");
    for stray in variations(&request("ACK")) {
        assert!(matches!(world.hear(&stray), Some(Up::Ack { .. })), "{stray}");
    }
    assert!(matches!(world.hear(&request("ACK")), Some(Up::Ack { .. })), "without our tag");
    assert!(world.hear(&ack).is_none());
    world.bench.out.clear();
    assert_eq!(world.times(4999, "").1, [], "acknowledged");
    world.run(1);
    world.assert_empty();
}

#[test]
fn an_ack_inside_a_dialog_has_the_tag_of_the_request() {
    let mut world = World::new();
    let txn = txn_of(world.hear(&with_tag(&request("INVITE"), "d")));
    world.respond(txn, &Reply::new(Status::BUSY_HERE).tagged("ignored"));
    assert!(world.hear(&with_tag(&request("ACK"), "d")).is_none());
    world.run(5000);
    world.assert_empty();
}

#[test]
fn the_ack_of_a_2xx_matches_and_goes_up() {
    let mut world = World::new();
    let txn = txn_of(world.hear(&request("INVITE")));
    world.respond(txn, &Reply::new(Status::OK).tagged("b"));
    assert!(matches!(world.hear(&with_tag(&request("ACK"), "b")), Some(Up::Ack { .. })));
}

#[test]
fn cancel_finds_its_invite_by_the_same_fields() {
    let mut world = World::new();
    let txn = txn_of(world.hear(&request("INVITE")));
    for stray in variations(&request("CANCEL")) {
        assert!(world.hear(&stray).is_none());
        assert_eq!(world.first_lines(), [(0, "481".into())], "{stray}");
    }
    let up = world.hear(&request("CANCEL"));
    assert!(matches!(up, Some(Up::Cancel { invite, .. }) if invite == txn), "{up:?}");
    assert_eq!(world.first_lines(), [(0, "200".into())]);
}
