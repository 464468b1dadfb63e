//! What `telex explain` prints about the example of an office.

use std::path::Path;

use insta::assert_snapshot;
use telex_dialplan::explain::{Does, Supposition};
use telex_dialplan::task::DialStatus;

use super::site::Site;
use super::world::World;
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
    table::render(&Reply::new(world.foretold(wanted), 0))
}

#[test]
fn on_a_sunday_the_office_is_closed() {
    assert_snapshot!(explained("200", "Sun 11:02", &[], &[]), @r#"
    On Sun 2026-01-11 11:02 Europe/Berlin, looked for in context [internal]:
      200     [telex]  telex.toml:63 (hours 200)  fits and comes first
      _**X!   [telex]  telex.toml:42 (codes)      does not fit: character 1 is 2, not *
      _*52X!  [telex]  telex.toml:42 (codes)      does not fit: character 1 is 2, not *
      _*62X!  [telex]  telex.toml:42 (codes)      does not fit: character 1 is 2, not *
      _*67X!  [telex]  telex.toml:42 (codes)      does not fit: character 1 is 2, not *
      _*72X!  [telex]  telex.toml:42 (codes)      does not fit: character 1 is 2, not *
      _*80X!  [telex]  telex.toml:42 (codes)      does not fit: character 1 is 2, not *
      _*90X!  [telex]  telex.toml:42 (codes)      does not fit: character 1 is 2, not *
      and 51 other numbers of [telex]
    200 matched 200 in context [telex]
      telex.toml:63 (hours 200)    1. GotoIf($["" = "yes"]?telex-menu-night,s,1)  -> false, goes on
                                   2. GotoIf($["2026-01-11" = "2026-04-03"]?telex-menu-night,s,1)  -> false, goes on
                                   3. GotoIf($["2026-01-11" = "2026-04-06"]?telex-menu-night,s,1)  -> false, goes on
                                   4. GotoIfTime(*,*,1,jan?telex-menu-night,s,1)  -> false, Sun 2026-01-11 11:02 Europe/Berlin is another day of the month, goes on
                                   5. GotoIfTime(*,*,1,may?telex-menu-night,s,1)  -> false, Sun 2026-01-11 11:02 Europe/Berlin is another month, goes on
                                   6. GotoIfTime(*,*,3,oct?telex-menu-night,s,1)  -> false, Sun 2026-01-11 11:02 Europe/Berlin is another month, goes on
                                   7. GotoIfTime(*,*,24-26,dec?telex-menu-night,s,1)  -> false, Sun 2026-01-11 11:02 Europe/Berlin is another month, goes on
                                   8. GotoIfTime(8:00-11:59&13:00-16:59,mon-thu,*,*?telex-menu-main,s,1)  -> false, Sun 2026-01-11 11:02 Europe/Berlin is another day of the week, goes on
                                   9. GotoIfTime(8:00-13:59,fri,*,*?telex-menu-main,s,1)  -> false, Sun 2026-01-11 11:02 Europe/Berlin is another day of the week, goes on
                                  10. Goto(telex-menu-night,s,1)
    s matched s in context [telex-menu-night]
      telex.toml:88 (menu night)   1. Answer()
                                   2. Playback(office-closed&pls-try-call-later)
                                   3. Playback(goodbye)
                                   4. Hangup()
    It rings nobody; the exchange hangs up, cause 16.
    "#);
}

#[test]
fn a_menu_leads_to_a_group_where_one_is_busy_and_one_sends_its_calls_on() {
    let phones = [("102", Does::Ends(DialStatus::Busy)), ("103", Does::Moves("104".into()))];
    assert_snapshot!(explained("500", "Mon 11:02", &phones, &["1"]), @r#"
    On Mon 2026-01-05 11:02 Europe/Berlin, looked for in context [internal]:
      500     [telex]  telex.toml:73 (menu main)  fits and comes first
      _**X!   [telex]  telex.toml:42 (codes)      does not fit: character 1 is 5, not *
      _*52X!  [telex]  telex.toml:42 (codes)      does not fit: character 1 is 5, not *
      _*62X!  [telex]  telex.toml:42 (codes)      does not fit: character 1 is 5, not *
      _*67X!  [telex]  telex.toml:42 (codes)      does not fit: character 1 is 5, not *
      _*72X!  [telex]  telex.toml:42 (codes)      does not fit: character 1 is 5, not *
      _*80X!  [telex]  telex.toml:42 (codes)      does not fit: character 1 is 5, not *
      _*90X!  [telex]  telex.toml:42 (codes)      does not fit: character 1 is 5, not *
      and 51 other numbers of [telex]
    500 matched 500 in context [telex]
      telex.toml:73 (menu main)   1. Goto(telex-menu-main,s,1)
    s matched s in context [telex-menu-main]
      telex.toml:73 (menu main)   1. Answer()
                                  2. Set(TIMEOUT(digit)=2)
                                  3. Set(MENU_TRIES=0)
                                  4. Background(welcome&please-enter-the&extension)  -> keys 1, then nothing
    1 matched 1 in context [telex-menu-main]
      telex.toml:73 (menu main)   1. Goto(internal,600,1)
    600 matched 600 in context [telex]
      telex.toml:44 (group 600)   1. Set(DB(last-number/105)=500)
                                  2. Set(CALLERID(name)=Sales: Workshop)
                                  3. Set(MEMBERS=102&103)
                                  4. Set(TURN=1)
                                  5. Set(DB(group-turn/600)=1)
                                  6. Set(LEFT=2)
                                  7. Set(MEMBER=102)
                                  8. ExecIf($["" != "on" & "NOT_INUSE" = "NOT_INUSE" & "105" != "102"]?Set(DB(last-caller/102)=105))  -> true
                                  9. ExecIf($["" != "on" & "NOT_INUSE" = "NOT_INUSE"]?Dial(PJSIP/102,15))  -> true; BUSY, cause 17
                                 10. Set(TURN=2)
                                 11. Set(LEFT=1)
                                 12. GotoIf($[1 > 0]?next)  -> true, to internal,600,next
                                  7. Set(MEMBER=103)
                                  8. ExecIf($["" != "on" & "NOT_INUSE" = "NOT_INUSE" & "105" != "103"]?Set(DB(last-caller/103)=105))  -> true
                                  9. ExecIf($["" != "on" & "NOT_INUSE" = "NOT_INUSE"]?Dial(PJSIP/103,15))  -> true; 103 sends its calls on: PJSIP/104; NOANSWER, cause 19
    for calls that 103 sends on: 104 matched 104 in context [telex]
      telex.toml:31 (phone 104)   1. Set(DB(last-caller/104)=105)
                                  2. Set(DB(last-number/105)=500)
                                  3. Gosub(telex-forward,chosen,1(104,internal,forward,off))
    for calls that 103 sends on: chosen matched chosen in context [telex-forward]
      telex.toml (built in)       1. Set(FORWARD_TO=)
                                  2. ExecIf($["" = ""]?Set(FORWARD_TO=off))  -> true
                                  3. GosubIf($["off" != "off"]?s,1(…))  -> false, goes on
                                  4. Return()
    for calls that 103 sends on: 104 matched 104 in context [telex]
      telex.toml:31 (phone 104)   4. GotoIf($["" = "on"]?busy)  -> false, goes on
                                  5. Dial(PJSIP/104)
    600 matched 600 in context [telex]
      telex.toml:44 (group 600)  10. Set(TURN=1)
                                 11. Set(LEFT=0)
                                 12. GotoIf($[0 > 0]?next)  -> false, goes on
                                 13. Goto(internal,101,1)
    101 matched 101 in context [telex]
      telex.toml:13 (phone 101)   1. Set(DB(last-caller/101)=105)
                                  2. Set(DB(last-number/105)=500)
                                  3. Gosub(telex-forward,chosen,1(101,internal,forward,off))
    chosen matched chosen in context [telex-forward]
      telex.toml (built in)       1. Set(FORWARD_TO=)
                                  2. ExecIf($["" = ""]?Set(FORWARD_TO=off))  -> true
                                  3. GosubIf($["off" != "off"]?s,1(…))  -> false, goes on
                                  4. Return()
    101 matched 101 in context [telex]
      telex.toml:13 (phone 101)   4. GotoIf($["" = "on"]?busy)  -> false, goes on
                                  5. Dial(PJSIP/101,20)  -> NOANSWER, cause 19
                                  6. GotoIf($["NOANSWER" = "BUSY"]?busy)  -> false, goes on
                                  7. GotoIf($["NOANSWER" = "NOANSWER"]?late)  -> true, to internal,101,late
                                 10. Gosub(telex-forward,chosen,1(101,internal,forward-no-answer,102))
    chosen matched chosen in context [telex-forward]
      telex.toml (built in)       1. Set(FORWARD_TO=)
                                  2. ExecIf($["" = ""]?Set(FORWARD_TO=102))  -> true
                                  3. GosubIf($["102" != "off"]?s,1(…))  -> true, to telex-forward,s,1
    s matched s in context [telex-forward]
      telex.toml (built in)       1. Set(FORWARDS=1)
                                  2. GotoIf($[1 > 10]?round)  -> false, goes on
                                  3. Set(CALLERID(rdnis)=101)
                                  4. Set(REDIRECTING(reason)=cfu)
                                  5. ExecIf($["NOANSWER" = "BUSY"]?Set(…))  -> false, goes on
                                  6. ExecIf($["NOANSWER" = "NOANSWER"]?Set(REDIRECTING(reason)=cfnr))  -> true
                                  7. ExecIf($["NOANSWER" = "CHANUNAVAIL"]?Set(…))  -> false, goes on
                                  8. Set(DIALSTATUS=)
                                  9. Goto(internal,102,1)
    102 matched 102 in context [telex]
      telex.toml:19 (phone 102)   1. Set(DB(last-caller/102)=105)
                                  2. Set(DB(last-number/105)=500)
                                  3. Gosub(telex-forward,chosen,1(102,internal,forward,off))
    chosen matched chosen in context [telex-forward]
      telex.toml (built in)       1. Set(FORWARD_TO=)
                                  2. ExecIf($["" = ""]?Set(FORWARD_TO=off))  -> true
                                  3. GosubIf($["off" != "off"]?s,1(…))  -> false, goes on
                                  4. Return()
    102 matched 102 in context [telex]
      telex.toml:19 (phone 102)   4. GotoIf($["" = "on"]?busy)  -> false, goes on
                                  5. Dial(PJSIP/102)  -> BUSY, cause 17
                                  6. GotoIf($["BUSY" = "BUSY"]?busy)  -> true, to internal,102,busy
                                 14. Gosub(telex-forward,chosen,1(102,internal,forward-busy,off))
    chosen matched chosen in context [telex-forward]
      telex.toml (built in)       1. Set(FORWARD_TO=)
                                  2. ExecIf($["" = ""]?Set(FORWARD_TO=off))  -> true
                                  3. GosubIf($["off" != "off"]?s,1(…))  -> false, goes on
                                  4. Return()
    102 matched 102 in context [telex]
      telex.toml:19 (phone 102)  15. ExecIf($["17" = "21"]?Hangup(…))  -> false, goes on
                                 16. Busy(20)
    It rings 102, then 103, then 104, then 101, then 102; the exchange hangs up, cause 17.
    Supposed: 104 rings and nobody answers; 101 rings and nobody answers (--phone, --dial and --keys say otherwise).
    "#);
}

#[test]
fn a_phone_that_does_not_answer_is_forwarded() {
    assert_snapshot!(explained("101", "Mon 11:02", &[("102", Does::Ends(DialStatus::Answer))], &[]), @r#"
    On Mon 2026-01-05 11:02 Europe/Berlin, looked for in context [internal]:
      101     [telex]  telex.toml:13 (phone 101)  fits and comes first
      _**X!   [telex]  telex.toml:42 (codes)      does not fit: character 1 is 1, not *
      _*52X!  [telex]  telex.toml:42 (codes)      does not fit: character 1 is 1, not *
      _*62X!  [telex]  telex.toml:42 (codes)      does not fit: character 1 is 1, not *
      _*67X!  [telex]  telex.toml:42 (codes)      does not fit: character 1 is 1, not *
      _*72X!  [telex]  telex.toml:42 (codes)      does not fit: character 1 is 1, not *
      _*80X!  [telex]  telex.toml:42 (codes)      does not fit: character 1 is 1, not *
      _*90X!  [telex]  telex.toml:42 (codes)      does not fit: character 1 is 1, not *
      and 51 other numbers of [telex]
    101 matched 101 in context [telex]
      telex.toml:13 (phone 101)   1. Set(DB(last-caller/101)=105)
                                  2. Set(DB(last-number/105)=101)
                                  3. Gosub(telex-forward,chosen,1(101,internal,forward,off))
    chosen matched chosen in context [telex-forward]
      telex.toml (built in)       1. Set(FORWARD_TO=)
                                  2. ExecIf($["" = ""]?Set(FORWARD_TO=off))  -> true
                                  3. GosubIf($["off" != "off"]?s,1(…))  -> false, goes on
                                  4. Return()
    101 matched 101 in context [telex]
      telex.toml:13 (phone 101)   4. GotoIf($["" = "on"]?busy)  -> false, goes on
                                  5. Dial(PJSIP/101,20)  -> NOANSWER, cause 19
                                  6. GotoIf($["NOANSWER" = "BUSY"]?busy)  -> false, goes on
                                  7. GotoIf($["NOANSWER" = "NOANSWER"]?late)  -> true, to internal,101,late
                                 10. Gosub(telex-forward,chosen,1(101,internal,forward-no-answer,102))
    chosen matched chosen in context [telex-forward]
      telex.toml (built in)       1. Set(FORWARD_TO=)
                                  2. ExecIf($["" = ""]?Set(FORWARD_TO=102))  -> true
                                  3. GosubIf($["102" != "off"]?s,1(…))  -> true, to telex-forward,s,1
    s matched s in context [telex-forward]
      telex.toml (built in)       1. Set(FORWARDS=1)
                                  2. GotoIf($[1 > 10]?round)  -> false, goes on
                                  3. Set(CALLERID(rdnis)=101)
                                  4. Set(REDIRECTING(reason)=cfu)
                                  5. ExecIf($["NOANSWER" = "BUSY"]?Set(…))  -> false, goes on
                                  6. ExecIf($["NOANSWER" = "NOANSWER"]?Set(REDIRECTING(reason)=cfnr))  -> true
                                  7. ExecIf($["NOANSWER" = "CHANUNAVAIL"]?Set(…))  -> false, goes on
                                  8. Set(DIALSTATUS=)
                                  9. Goto(internal,102,1)
    102 matched 102 in context [telex]
      telex.toml:19 (phone 102)   1. Set(DB(last-caller/102)=105)
                                  2. Set(DB(last-number/105)=101)
                                  3. Gosub(telex-forward,chosen,1(102,internal,forward,off))
    chosen matched chosen in context [telex-forward]
      telex.toml (built in)       1. Set(FORWARD_TO=)
                                  2. ExecIf($["" = ""]?Set(FORWARD_TO=off))  -> true
                                  3. GosubIf($["off" != "off"]?s,1(…))  -> false, goes on
                                  4. Return()
    102 matched 102 in context [telex]
      telex.toml:19 (phone 102)   4. GotoIf($["" = "on"]?busy)  -> false, goes on
                                  5. Dial(PJSIP/102)  -> the callee hung up, cause 16
    It rings 101, then 102; somebody hangs up.
    Supposed: 101 rings and nobody answers (--phone, --dial and --keys say otherwise).
    "#);
}

#[test]
fn who_is_parked_goes_back() {
    assert_snapshot!(explained("700", "Mon 11:02", &[], &[]), @r"
    On Mon 2026-01-05 11:02 Europe/Berlin, looked for in context [internal]:
      700     [telex]  telex.toml:98 (parking default)  fits and comes first
      _**X!   [telex]  telex.toml:42 (codes)            does not fit: character 1 is 7, not *
      _*52X!  [telex]  telex.toml:42 (codes)            does not fit: character 1 is 7, not *
      _*62X!  [telex]  telex.toml:42 (codes)            does not fit: character 1 is 7, not *
      _*67X!  [telex]  telex.toml:42 (codes)            does not fit: character 1 is 7, not *
      _*72X!  [telex]  telex.toml:42 (codes)            does not fit: character 1 is 7, not *
      _*80X!  [telex]  telex.toml:42 (codes)            does not fit: character 1 is 7, not *
      _*90X!  [telex]  telex.toml:42 (codes)            does not fit: character 1 is 7, not *
      and 51 other numbers of [telex]
    700 matched 700 in context [telex]
      telex.toml:98 (parking default)  1. Park()  -> in slot 701; slot 701, its time is up: back to 101; NOANSWER, cause 19
    It rings 101; the exchange hangs up, cause 16.
    Supposed: nobody takes the caller up from slot 701; 101 rings and nobody answers (--phone, --dial and --keys say otherwise).
    ");
}

#[test]
fn nothing_is_picked_up_and_nobody_has_a_number() {
    assert_snapshot!(explained("*8", "Mon 11:02", &[], &[]), @r"
    On Mon 2026-01-05 11:02 Europe/Berlin, looked for in context [internal]:
      *8      [telex]  telex.toml:42 (codes)  fits and comes first
      _**X!   [telex]  telex.toml:42 (codes)  does not fit: character 2 is 8, not *
      _*52X!  [telex]  telex.toml:42 (codes)  does not fit: character 2 is 8, not 5
      _*62X!  [telex]  telex.toml:42 (codes)  does not fit: character 2 is 8, not 6
      _*67X!  [telex]  telex.toml:42 (codes)  does not fit: character 2 is 8, not 6
      _*72X!  [telex]  telex.toml:42 (codes)  does not fit: character 2 is 8, not 7
      _*80X!  [telex]  telex.toml:42 (codes)  does not fit: 0 should follow
      _*90X!  [telex]  telex.toml:42 (codes)  does not fit: character 2 is 8, not 9
      and 51 other numbers of [telex]
    *8 matched *8 in context [telex]
      telex.toml:42 (codes)  1. Pickup()
        warning: 105 is in no pick-up group: say whose call it is to take
    It rings nobody; refused with 480, cause 16.
    ");
    assert_snapshot!(explained("1234", "Mon 11:02", &[], &[]), @r"
    On Mon 2026-01-05 11:02 Europe/Berlin, looked for in context [internal]:
      _**X!   [telex]  telex.toml:42 (codes)  does not fit: character 1 is 1, not *
      _*52X!  [telex]  telex.toml:42 (codes)  does not fit: character 1 is 1, not *
      _*62X!  [telex]  telex.toml:42 (codes)  does not fit: character 1 is 1, not *
      _*67X!  [telex]  telex.toml:42 (codes)  does not fit: character 1 is 1, not *
      _*72X!  [telex]  telex.toml:42 (codes)  does not fit: character 1 is 1, not *
      _*80X!  [telex]  telex.toml:42 (codes)  does not fit: character 1 is 1, not *
      _*90X!  [telex]  telex.toml:42 (codes)  does not fit: character 1 is 1, not *
      and 52 other numbers of [telex]
    no extension of context [internal] matches 1234
    It rings nobody; refused with 404, cause 1.
    ");
}
