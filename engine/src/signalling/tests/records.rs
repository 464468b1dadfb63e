//! Call records.

use super::*;
use crate::border::Record;
use crate::cdr::{CallRecord, Disposition};

/// Call records kept since the last look.
pub(super) fn records(world: &mut World) -> Vec<CallRecord> {
    let (kept, rest) =
        std::mem::take(&mut world.out).into_iter().partition(|action| matches!(action, Action::Store { .. }));
    world.out = rest;
    let kept: Vec<Action> = kept;
    let call = |action| match action {
        Action::Store { record: Record::Call(record), .. } => Some(*record),
        _ => None,
    };
    kept.into_iter().filter_map(call).collect()
}

#[test]
fn a_call_is_kept_when_it_begins_when_it_is_answered_and_when_it_is_over() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let [begun]: [CallRecord; 1] = records(&mut world).try_into().unwrap();
    assert_eq!((begun.from.as_str(), begun.name.as_str(), begun.to.as_str()), ("alice", "Alice", "bob"));
    assert_eq!((begun.disposition(), begun.ended, begun.legs.len()), (Disposition::Open, None, 1));
    let asked = world.only("INVITE");
    world.pass(Duration::from_secs(4));
    world.out.clear();
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let [answered]: [CallRecord; 1] = records(&mut world).try_into().unwrap();
    assert_eq!(answered.answered, Some(WallTime::from_unix_millis(1_700_000_004_000)));
    assert_eq!((answered.ended, answered.unique()), (None, begun.unique()));
    let ok = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&ok, "ACK", 1, ""));
    world.pass(Duration::from_secs(60));
    world.send(ALICE, &inside(&ok, "BYE", 2, ""));
    let [over]: [CallRecord; 1] = records(&mut world).try_into().unwrap();
    assert_eq!(over.ended, Some(WallTime::from_unix_millis(1_700_000_064_000)));
    assert_eq!((over.duration, over.talked), (Duration::from_secs(64), Duration::from_secs(60)));
    assert_eq!((over.disposition(), over.cause.as_ref().unwrap().q850()), (Disposition::Answered, 16));
    let legs: Vec<_> = over.legs.iter().map(|leg| (leg.contact.as_str(), leg.codec.as_str())).collect();
    assert_eq!(legs, [("10.0.0.1:5060", "PCMU"), ("sip:bob@10.0.0.2", "PCMU")]);
    assert_eq!(over.legs[1].answered, answered.answered);
}

#[test]
fn a_refusal_is_kept_with_who_refused() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.out.clear();
    world.send(BOB, &respond(&asked, "486 Busy Here", "", ""));
    let [over]: [CallRecord; 1] = records(&mut world).try_into().unwrap();
    assert_eq!((over.disposition(), over.legs[1].refused), (Disposition::Busy, Some(486)));
    assert_eq!((over.answered, over.talked), (None, Duration::ZERO));
}

#[test]
fn a_call_to_nobody_is_kept_too() {
    let mut world = World::new();
    world.send(ALICE, &invite("999", "", OFFER));
    let [over]: [CallRecord; 1] = records(&mut world).try_into().unwrap();
    assert_eq!((over.to.as_str(), over.disposition()), ("999", Disposition::Failed));
    assert!(over.ended.is_some());
}

#[test]
fn one_phone_that_dials_nobody_over_and_over_does_not_fill_the_disk() {
    let mut world = World::new();
    let dial = |world: &mut World, n: usize| {
        let text = invite("999", "", OFFER).replace("bKa1", &format!("bKr{n}"));
        world.send(ALICE, &text.replace("Call-ID: c1", &format!("Call-ID: r{n}")));
    };
    (0..150).for_each(|n| dial(&mut world, n));
    assert_eq!(records(&mut world).len(), 100);
    let told = |event: &&Event| matches!(event, Event::Overload { what } if what.contains("calls of alice"));
    assert_eq!(world.events.iter().filter(told).count(), 1);
    // The next hour is another.
    world.pass(Duration::from_secs(3601));
    dial(&mut world, 200);
    assert_eq!(records(&mut world).len(), 1);
}

#[test]
fn a_dialplan_and_the_record_have_the_name_and_the_outcome_from_one_place() {
    let plan = "[internal]\nexten => 500,1,Set(DB(call/id)=${UNIQUEID})\n same => n,Set(DB(call/before)=${CDR(disposition)})\n\
 same => n,Dial(PJSIP/bob)\nexten => h,1,Set(DB(call/after)=${CDR(disposition)})\n";
    let mut config = Config::default();
    config.phones.insert("alice".into(), device("sip:alice@10.0.0.1", ALICE));
    config.phones.insert("bob".into(), device("sip:bob@10.0.0.2", BOB));
    config.dialplan = Some(telex_dialplan::Dialplan::parse("extensions.conf", plan).unwrap());
    let mut world = World::with(config);
    world.send(ALICE, &invite("500", "", OFFER));
    let stored = world.out.clone();
    let asked = world.only("INVITE");
    world.out.clear();
    world.send(BOB, &respond(&asked, "486 Busy Here", "", ""));
    let all: Vec<Action> = stored.into_iter().chain(world.out.clone()).collect();
    let kept = |name: &str| {
        let value = |action: &Action| match action {
            Action::Store { record: Record::Keep { key, value, .. }, .. } if key == name => {
                Some(value.clone())
            }
            _ => None,
        };
        all.iter().find_map(value).unwrap_or_default()
    };
    let [over]: [CallRecord; 1] = records(&mut world).try_into().unwrap();
    assert_eq!(kept("id"), over.unique());
    assert_eq!((kept("before").as_str(), kept("after").as_str()), ("NO ANSWER", over.disposition().as_str()));
    assert_eq!(over.disposition(), Disposition::Busy);
}
