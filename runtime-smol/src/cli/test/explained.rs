//! What `telex explain` prints about the example of an office.

use std::path::Path;

use insta::assert_snapshot;
use telex_dialplan::explain::{Does, Supposition};
use telex_dialplan::task::DialStatus;

use super::world::{Site, World};
use crate::config;
use crate::control::{Reply, table};

/// `telex explain --from 105 --to NUMBER --at TIME`, asked of the exchange.
fn explained(to: &str, at: &str, phones: &[(&str, Does)], keys: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/office/telex.toml");
    let settings = config::load(&path).unwrap_or_else(|refused| panic!("{}", refused.render(false)));
    let site = Site::of("office", &settings);
    let mut world = World::new(&site, Some(at));
    let mut wanted = Supposition::call("105", to);
    wanted.phones = phones.iter().map(|(phone, does)| ((*phone).into(), does.clone())).collect();
    wanted.keys = keys.iter().map(|keys| (*keys).into()).collect();
    table::render(&Reply::from(world.foretold(wanted)))
}

#[test]
fn on_a_sunday_the_office_is_closed() {
    assert_snapshot!(explained("200", "Sun 11:02", &[], &[]), @"");
}

#[test]
fn a_menu_leads_to_a_group_where_one_is_busy_and_one_sends_its_calls_on() {
    let phones = [("102", Does::Ends(DialStatus::Busy)), ("103", Does::Moves("104".into()))];
    assert_snapshot!(explained("500", "Mon 11:02", &phones, &["1"]), @"");
}

#[test]
fn a_phone_that_does_not_answer_is_forwarded() {
    assert_snapshot!(explained("101", "Mon 11:02", &[("102", Does::Ends(DialStatus::Answer))], &[]), @"");
}

#[test]
fn who_is_parked_goes_back() {
    assert_snapshot!(explained("700", "Mon 11:02", &[], &[]), @"");
}

#[test]
fn nothing_is_picked_up_and_nobody_has_a_number() {
    assert_snapshot!(explained("*8", "Mon 11:02", &[], &[]), @"");
    assert_snapshot!(explained("1234", "Mon 11:02", &[], &[]), @"");
}
