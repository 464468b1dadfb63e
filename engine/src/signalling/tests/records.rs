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
