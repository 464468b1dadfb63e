use std::path::Path;

use insta::assert_snapshot;
use telex_dialplan::explain::{Facts, Supposed, walk};
use telex_dialplan::scene::Caller;
use telex_dialplan::task::{DialStatus, Target, Task};
use telex_dialplan::world::DeviceState;
use telex_dialplan::{Dialplan, Thread, when};

use super::*;
use crate::config::{Settings, parse};

mod menus;
mod more;

const PHONES: &str = r#"
[[phone]]
extension = "100"
password = "x"
[[phone]]
extension = "101"
password = "x"
[[phone]]
extension = "102"
password = "x"
"#;

fn settings(text: &str) -> Settings {
    parse(Path::new("telex.toml"), text).unwrap_or_else(|e| panic!("{}", e.render(false)))
}

fn refused(text: &str) -> String {
    parse(Path::new("telex.toml"), text).expect_err("this text is wrong").lines().join("\n")
}

fn plan(text: &str) -> Dialplan {
    settings(text).engine.dialplan.clone().expect("there is something to do")
}

/// What a file says, as dialplan; without what is always there.
fn text(file: &str) -> String {
    let mut reader = Reader::default();
    let (root, _) = DeTable::parse_recoverable(file);
    let config = settings(file).engine;
    let read = office(&mut reader, root.get_ref(), &config, &Own::default());
    let all = read.office.dialplan(&config);
    let (_, own) = all.split_once("same => n,Goto(on)\n").expect("the tone comes first");
    own.to_owned()
}

/// What is done for a call, a line each, when the phones that are dialled do this.
fn done(plan: &Dialplan, facts: &mut Facts, from: &str, number: &str, dial: DialStatus) -> String {
    facts.facts.insert("context".into(), "internal".into());
    facts.facts.insert("cdr/src".into(), from.into());
    let caller = Caller { number: from.into(), name: "Ann".into(), dnid: number.into(), ..Caller::default() };
    let mut thread = Thread::new("internal", number, caller);
    let mut supposed = Supposed { dial, keys: ["102".into()].into() };
    let mut done = Vec::new();
    let over = walk(&mut thread, plan, facts, &mut |task| {
        done.push(told(task));
        supposed.outcome(task)
    });
    assert!(over, "{done:?}");
    assert!(!thread.trail().told(plan).to_string().contains("warning"));
    done.join(", ")
}

fn told(task: &Task) -> String {
    match task {
        Task::Dial(dial) => {
            let name = |target: &Target| match target {
                Target::Phone(phone) => phone.to_string(),
                other => format!("{other:?}"),
            };
            let phones: Vec<String> = dial.targets.iter().map(name).collect();
            format!("ring {} for {:?}", phones.join(" and "), dial.timeout.unwrap_or_default())
        }
        Task::Play { say, .. } => format!("say {say:?}"),
        other => format!("{other:?}"),
    }
}

/// That moment in Berlin.
fn at(day: &str) -> Facts {
    let zone = when::zone("Europe/Berlin").unwrap();
    let day: jiff::civil::DateTime = day.parse().unwrap();
    Facts::at(day.to_zoned(zone).unwrap().timestamp().as_millisecond(), "Europe/Berlin")
}

#[test]
fn without_any_of_it_nothing_changes() {
    let config = settings(PHONES).engine;
    assert_eq!(Office::default().dialplan(&config), config.own_dialplan());
    let text = |config: &Config| config.dialplan.as_ref().map(|plan| plan.written().to_string());
    let named = settings(&PHONES.replacen("password", "name = \"Front desk\"\npassword", 1)).engine;
    assert_eq!((text(&named), named.phones["100"].name.as_str()), (text(&config), "Front desk"));
    assert!(text(&config).is_some_and(|text| text.contains("Dial(PJSIP/100)")));
}

const FORWARDED: &str = r#"
[[phone]]
extension = "100"
password = "x"
forward = { busy = "101", no_answer = "102", unregistered = "101", after = "15s" }
[[phone]]
extension = "101"
password = "x"
forward = { always = "102" }
[[phone]]
extension = "102"
password = "x"
do_not_disturb = true
"#;

#[test]
fn forwarding_and_rest_become_steps() {
    assert_snapshot!(text(FORWARDED), @r#"
    exten => 100,1,Dial(PJSIP/100,15)
     same => n,GosubIf($["${DIALSTATUS}" = "NOANSWER"]?telex-forward,s,1(100,internal,102))
     same => n,GosubIf($["${DIALSTATUS}" = "CHANUNAVAIL"]?telex-forward,s,1(100,internal,101))
     same => n,GotoIf($["${DIALSTATUS}" = "BUSY"]?busy)
     same => n,Hangup()
     same => n(busy),Gosub(telex-forward,s,1(100,internal,101))
     same => n,Busy(20)
    exten => 101,1,Gosub(telex-forward,s,1(101,internal,102))
    exten => 102,1,Busy(20)

    [telex-forward]
    exten => s,1,Set(FORWARDS=$[0${FORWARDS} + 1])
     same => n,GotoIf($[${FORWARDS} > 10]?round)
     same => n,Set(CALLERID(rdnis)=${ARG1})
     same => n,Set(REDIRECTING(reason)=cfu)
     same => n,ExecIf($["${DIALSTATUS}" = "BUSY"]?Set(REDIRECTING(reason)=cfb))
     same => n,ExecIf($["${DIALSTATUS}" = "NOANSWER"]?Set(REDIRECTING(reason)=cfnr))
     same => n,ExecIf($["${DIALSTATUS}" = "CHANUNAVAIL"]?Set(REDIRECTING(reason)=unavailable))
     same => n,Set(DIALSTATUS=)
     same => n,Goto(${ARG2},${ARG3},1)
     same => n(round),Log(WARNING,forwarded in a circle: ${ARG1})
     same => n,Hangup(25)
    "#);
    let plan = plan(FORWARDED);
    let walk = |dial| done(&plan, &mut at("2026-11-23T10:00"), "103", "100", dial);
    assert_snapshot!(walk(DialStatus::NoAnswer), @"ring 100 for 15s, Busy(Some(20s)), Hangup { cause: Some(17) }");
    assert_snapshot!(walk(DialStatus::Busy), @"ring 100 for 15s, Busy(Some(20s)), Hangup { cause: Some(17) }");
    assert_snapshot!(walk(DialStatus::ChanUnavail), @"ring 100 for 15s, Busy(Some(20s)), Hangup { cause: Some(17) }");
    assert_snapshot!(walk(DialStatus::Congestion), @"ring 100 for 15s, Hangup { cause: None }");
    assert_snapshot!(walk(DialStatus::Answer), @"ring 100 for 15s, Hangup { cause: None }");
}

#[test]
fn a_circle_of_forwards_ends() {
    let circle = FORWARDED.replace("do_not_disturb = true", "forward = { busy = \"101\" }");
    let mut world = at("2026-11-23T10:00");
    assert_snapshot!(done(&plan(&circle), &mut world, "100", "101", DialStatus::Busy), @"ring 102 for 0ns, ring 102 for 0ns, ring 102 for 0ns, ring 102 for 0ns, ring 102 for 0ns, Hangup { cause: Some(25) }");
    assert_snapshot!(format!("{:?}", world.log), @r#"[(Warning, "forwarded in a circle: 101")]"#);
}

const GROUPS: &str = r#"
[[group]]
number = "600"
members = ["100", "101"]
ring = "25s"
prefix = "Sales:"
fallback = "601"
[[group]]
number = "601"
members = ["100", "101", "102"]
strategy = "order"
[[hours]]
number = "700"
times = ["mon-fri 9:00-17:00", "sat 10:00-12:00"]
holidays = ["dec 24-26", "2026-11-24"]
open = "600"
closed = "102"
"#;

#[test]
fn groups_ring_together_or_in_order() {
    let file = format!("{PHONES}{GROUPS}");
    assert_snapshot!(text(&file), @r#"
    exten => 100,1,Dial(PJSIP/100)
    exten => 101,1,Dial(PJSIP/101)
    exten => 102,1,Dial(PJSIP/102)
    exten => 600,1,Set(CALLERID(name)=Sales: ${CALLERID(name)})
     same => n,Dial(PJSIP/100&PJSIP/101,25)
     same => n,Goto(internal,601,1)
    exten => 601,1,Dial(PJSIP/100,20)
     same => n,Dial(PJSIP/101,20)
     same => n,Dial(PJSIP/102,20)
    exten => 700,1,GotoIf($["${STRFTIME(${EPOCH},,%Y-%m-%d)}" = "2026-11-24"]?internal,102,1)
     same => n,GotoIfTime(*,*,24-26,dec?internal,102,1)
     same => n,GotoIfTime(9:00-16:59,mon-fri,*,*?internal,600,1)
     same => n,GotoIfTime(10:00-11:59,sat,*,*?internal,600,1)
     same => n,Goto(internal,102,1)
    "#);
    let plan = plan(&file);
    let call = |number, when| done(&plan, &mut at(when), "103", number, DialStatus::NoAnswer);
    assert_snapshot!(call("600", "2026-11-23T10:00"), @"ring 100 and 101 for 25s, ring 100 for 20s, ring 101 for 20s, ring 102 for 20s, Hangup { cause: None }");
    let open = call("600", "2026-11-23T10:00");
    let closed = call("102", "2026-11-23T10:00");
    for (when, way) in [
        ("2026-11-23T08:59", &closed),
        ("2026-11-23T09:00", &open),
        ("2026-11-23T16:59", &open),
        ("2026-11-23T17:00", &closed),
        ("2026-11-24T10:00", &closed),
        ("2026-11-28T11:59", &open),
        ("2026-11-28T12:00", &closed),
        ("2026-11-29T11:00", &closed),
        ("2026-12-25T11:00", &closed),
    ] {
        assert_eq!(&call("700", when), way, "{when}");
    }
}

#[test]
fn codes_switch_forwarding_and_rest() {
    let file = format!("{PHONES}{GROUPS}[codes]\n");
    assert_snapshot!(text(&file), @r#"
    exten => 100,1,Set(DB(last-caller/100)=${IF($["${CALLERID(pres):0:6}" = "prohib"]?:${CALLERID(num)})})
     same => n,Set(DB(last-number/${CDR(src)})=${CALLERID(dnid)})
     same => n,Gosub(telex-forward,chosen,1(100,internal,forward,off))
     same => n,GotoIf($["${DB(do-not-disturb/100)}" = "on"]?busy)
     same => n,Dial(PJSIP/100,${IF($["${DB(forward-no-answer/100)}" = "" | "${DB(forward-no-answer/100)}" = "off"]?:20)})
     same => n,GotoIf($["${DIALSTATUS}" = "BUSY"]?busy)
     same => n,GotoIf($["${DIALSTATUS}" = "NOANSWER"]?late)
     same => n,GotoIf($["${DIALSTATUS}" = "CHANUNAVAIL"]?away)
     same => n,Hangup()
     same => n(late),Gosub(telex-forward,chosen,1(100,internal,forward-no-answer,off))
     same => n,Hangup()
     same => n(away),Gosub(telex-forward,chosen,1(100,internal,forward-unregistered,off))
     same => n,Hangup()
     same => n(busy),Gosub(telex-forward,chosen,1(100,internal,forward-busy,off))
     same => n,ExecIf($["${HANGUPCAUSE}" = "21"]?Hangup())
     same => n,Busy(20)
    exten => 101,1,Set(DB(last-caller/101)=${IF($["${CALLERID(pres):0:6}" = "prohib"]?:${CALLERID(num)})})
     same => n,Set(DB(last-number/${CDR(src)})=${CALLERID(dnid)})
     same => n,Gosub(telex-forward,chosen,1(101,internal,forward,off))
     same => n,GotoIf($["${DB(do-not-disturb/101)}" = "on"]?busy)
     same => n,Dial(PJSIP/101,${IF($["${DB(forward-no-answer/101)}" = "" | "${DB(forward-no-answer/101)}" = "off"]?:20)})
     same => n,GotoIf($["${DIALSTATUS}" = "BUSY"]?busy)
     same => n,GotoIf($["${DIALSTATUS}" = "NOANSWER"]?late)
     same => n,GotoIf($["${DIALSTATUS}" = "CHANUNAVAIL"]?away)
     same => n,Hangup()
     same => n(late),Gosub(telex-forward,chosen,1(101,internal,forward-no-answer,off))
     same => n,Hangup()
     same => n(away),Gosub(telex-forward,chosen,1(101,internal,forward-unregistered,off))
     same => n,Hangup()
     same => n(busy),Gosub(telex-forward,chosen,1(101,internal,forward-busy,off))
     same => n,ExecIf($["${HANGUPCAUSE}" = "21"]?Hangup())
     same => n,Busy(20)
    exten => 102,1,Set(DB(last-caller/102)=${IF($["${CALLERID(pres):0:6}" = "prohib"]?:${CALLERID(num)})})
     same => n,Set(DB(last-number/${CDR(src)})=${CALLERID(dnid)})
     same => n,Gosub(telex-forward,chosen,1(102,internal,forward,off))
     same => n,GotoIf($["${DB(do-not-disturb/102)}" = "on"]?busy)
     same => n,Dial(PJSIP/102,${IF($["${DB(forward-no-answer/102)}" = "" | "${DB(forward-no-answer/102)}" = "off"]?:20)})
     same => n,GotoIf($["${DIALSTATUS}" = "BUSY"]?busy)
     same => n,GotoIf($["${DIALSTATUS}" = "NOANSWER"]?late)
     same => n,GotoIf($["${DIALSTATUS}" = "CHANUNAVAIL"]?away)
     same => n,Hangup()
     same => n(late),Gosub(telex-forward,chosen,1(102,internal,forward-no-answer,off))
     same => n,Hangup()
     same => n(away),Gosub(telex-forward,chosen,1(102,internal,forward-unregistered,off))
     same => n,Hangup()
     same => n(busy),Gosub(telex-forward,chosen,1(102,internal,forward-busy,off))
     same => n,ExecIf($["${HANGUPCAUSE}" = "21"]?Hangup())
     same => n,Busy(20)
    exten => 600,1,Set(DB(last-number/${CDR(src)})=${CALLERID(dnid)})
     same => n,Set(CALLERID(name)=Sales: ${CALLERID(name)})
     same => n,Set(TARGETS=)
     same => n,ExecIf($["${DB(do-not-disturb/100)}" != "on" & "${CALLERID(num)}" != "100"]?Set(DB(last-caller/100)=${IF($["${CALLERID(pres):0:6}" = "prohib"]?:${CALLERID(num)})}))
     same => n,ExecIf($["${DB(do-not-disturb/100)}" != "on"]?Set(TARGETS=${TARGETS}&PJSIP/100))
     same => n,ExecIf($["${DB(do-not-disturb/101)}" != "on" & "${CALLERID(num)}" != "101"]?Set(DB(last-caller/101)=${IF($["${CALLERID(pres):0:6}" = "prohib"]?:${CALLERID(num)})}))
     same => n,ExecIf($["${DB(do-not-disturb/101)}" != "on"]?Set(TARGETS=${TARGETS}&PJSIP/101))
     same => n,Dial(${TARGETS},25)
     same => n,Goto(internal,601,1)
    exten => 601,1,Set(DB(last-number/${CDR(src)})=${CALLERID(dnid)})
     same => n,ExecIf($["${DB(do-not-disturb/100)}" != "on" & "${CALLERID(num)}" != "100"]?Set(DB(last-caller/100)=${IF($["${CALLERID(pres):0:6}" = "prohib"]?:${CALLERID(num)})}))
     same => n,ExecIf($["${DB(do-not-disturb/100)}" != "on"]?Dial(PJSIP/100,20))
     same => n,ExecIf($["${DB(do-not-disturb/101)}" != "on" & "${CALLERID(num)}" != "101"]?Set(DB(last-caller/101)=${IF($["${CALLERID(pres):0:6}" = "prohib"]?:${CALLERID(num)})}))
     same => n,ExecIf($["${DB(do-not-disturb/101)}" != "on"]?Dial(PJSIP/101,20))
     same => n,ExecIf($["${DB(do-not-disturb/102)}" != "on" & "${CALLERID(num)}" != "102"]?Set(DB(last-caller/102)=${IF($["${CALLERID(pres):0:6}" = "prohib"]?:${CALLERID(num)})}))
     same => n,ExecIf($["${DB(do-not-disturb/102)}" != "on"]?Dial(PJSIP/102,20))
    exten => 700,1,GotoIf($["${STRFTIME(${EPOCH},,%Y-%m-%d)}" = "2026-11-24"]?internal,102,1)
     same => n,GotoIfTime(*,*,24-26,dec?internal,102,1)
     same => n,GotoIfTime(9:00-16:59,mon-fri,*,*?internal,600,1)
     same => n,GotoIfTime(10:00-11:59,sat,*,*?internal,600,1)
     same => n,Goto(internal,102,1)
    exten => *72,1,Answer()
     same => n,Read(FORWARD_TO,call-fwd-unconditional,20)
     same => n(set),Set(REACHED=0)
     same => n,ExecIf($["${FORWARD_TO}" != "" & "${FORWARD_TO}" != "${CALLERID(num)}" & "${CALLERID(rdnis)}" = ""]?Set(REACHED=${DIALPLAN_EXISTS(${CHANNEL(context)},${FORWARD_TO},1)}))
     same => n,GotoIf($[${REACHED} = 0]?wrong)
     same => n,Set(DB(forward/${CALLERID(num)})=${FORWARD_TO})
     same => n,Playback(call-fwd-unconditional&activated)
     same => n,Hangup()
     same => n(wrong),Playback(pbx-invalid)
    exten => _*72X!,1,Set(FORWARD_TO=${EXTEN:3})
     same => n,Goto(*72,set)
    exten => *73,1,ExecIf($["${CALLERID(rdnis)}" != ""]?Hangup(21))
     same => n,Set(DB(forward/${CALLERID(num)})=off)
     same => n,Playback(call-fwd-unconditional&de-activated)
    exten => *90,1,Answer()
     same => n,Read(FORWARD_TO,call-fwd-on-busy,20)
     same => n(set),Set(REACHED=0)
     same => n,ExecIf($["${FORWARD_TO}" != "" & "${FORWARD_TO}" != "${CALLERID(num)}" & "${CALLERID(rdnis)}" = ""]?Set(REACHED=${DIALPLAN_EXISTS(${CHANNEL(context)},${FORWARD_TO},1)}))
     same => n,GotoIf($[${REACHED} = 0]?wrong)
     same => n,Set(DB(forward-busy/${CALLERID(num)})=${FORWARD_TO})
     same => n,Playback(call-fwd-on-busy&activated)
     same => n,Hangup()
     same => n(wrong),Playback(pbx-invalid)
    exten => _*90X!,1,Set(FORWARD_TO=${EXTEN:3})
     same => n,Goto(*90,set)
    exten => *91,1,ExecIf($["${CALLERID(rdnis)}" != ""]?Hangup(21))
     same => n,Set(DB(forward-busy/${CALLERID(num)})=off)
     same => n,Playback(call-fwd-on-busy&de-activated)
    exten => *52,1,Answer()
     same => n,Read(FORWARD_TO,call-fwd-no-ans,20)
     same => n(set),Set(REACHED=0)
     same => n,ExecIf($["${FORWARD_TO}" != "" & "${FORWARD_TO}" != "${CALLERID(num)}" & "${CALLERID(rdnis)}" = ""]?Set(REACHED=${DIALPLAN_EXISTS(${CHANNEL(context)},${FORWARD_TO},1)}))
     same => n,GotoIf($[${REACHED} = 0]?wrong)
     same => n,Set(DB(forward-no-answer/${CALLERID(num)})=${FORWARD_TO})
     same => n,Playback(call-fwd-no-ans&activated)
     same => n,Hangup()
     same => n(wrong),Playback(pbx-invalid)
    exten => _*52X!,1,Set(FORWARD_TO=${EXTEN:3})
     same => n,Goto(*52,set)
    exten => *53,1,ExecIf($["${CALLERID(rdnis)}" != ""]?Hangup(21))
     same => n,Set(DB(forward-no-answer/${CALLERID(num)})=off)
     same => n,Playback(call-fwd-no-ans&de-activated)
    exten => *62,1,Answer()
     same => n,Read(FORWARD_TO,call-fwd-no-ans,20)
     same => n(set),Set(REACHED=0)
     same => n,ExecIf($["${FORWARD_TO}" != "" & "${FORWARD_TO}" != "${CALLERID(num)}" & "${CALLERID(rdnis)}" = ""]?Set(REACHED=${DIALPLAN_EXISTS(${CHANNEL(context)},${FORWARD_TO},1)}))
     same => n,GotoIf($[${REACHED} = 0]?wrong)
     same => n,Set(DB(forward-unregistered/${CALLERID(num)})=${FORWARD_TO})
     same => n,Playback(call-fwd-no-ans&activated)
     same => n,Hangup()
     same => n(wrong),Playback(pbx-invalid)
    exten => _*62X!,1,Set(FORWARD_TO=${EXTEN:3})
     same => n,Goto(*62,set)
    exten => *63,1,ExecIf($["${CALLERID(rdnis)}" != ""]?Hangup(21))
     same => n,Set(DB(forward-unregistered/${CALLERID(num)})=off)
     same => n,Playback(call-fwd-no-ans&de-activated)
    exten => *78,1,ExecIf($["${CALLERID(rdnis)}" != ""]?Hangup(21))
     same => n,Set(DB(do-not-disturb/${CALLERID(num)})=on)
     same => n,Playback(do-not-disturb&activated)
    exten => *79,1,ExecIf($["${CALLERID(rdnis)}" != ""]?Hangup(21))
     same => n,Set(DB(do-not-disturb/${CALLERID(num)})=off)
     same => n,Playback(do-not-disturb&de-activated)
    exten => *69,1,Set(NUMBER=${DB(last-caller/${CALLERID(num)})})
     same => n,GotoIf($["${NUMBER}" = ""]?none)
     same => n,Set(CALLERID(dnid)=${NUMBER})
     same => n,GotoIf($[${DIALPLAN_EXISTS(${CHANNEL(context)},${NUMBER},1)} = 0]?none)
     same => n,Goto(${CHANNEL(context)},${NUMBER},1)
     same => n(none),Playback(vm-nonumber)
    exten => *66,1,Set(NUMBER=${DB(last-number/${CDR(src)})})
     same => n,GotoIf($["${NUMBER}" = ""]?none)
     same => n,Set(CALLERID(dnid)=${NUMBER})
     same => n,GotoIf($[${DIALPLAN_EXISTS(${CHANNEL(context)},${NUMBER},1)} = 0]?none)
     same => n,Goto(${CHANNEL(context)},${NUMBER},1)
     same => n(none),Playback(pbx-invalid)
    exten => *37,1,CallCompletionRequest()
     same => n,GotoIf($["${CC_REQUEST_RESULT}" = "SUCCESS"]?done)
     same => n,Playback(feature-not-avail-line)
     same => n,Hangup()
     same => n(done),Playback(activated)
    exten => *38,1,CallCompletionCancel()
     same => n,GotoIf($["${CC_CANCEL_RESULT}" = "SUCCESS"]?done)
     same => n,Playback(feature-not-avail-line)
     same => n,Hangup()
     same => n(done),Playback(de-activated)
    exten => *8,1,Pickup()
    exten => _**X!,1,Pickup(${EXTEN:2})
    exten => _*80X!,1,Set(PHONE=${EXTEN:3})
     same => n,Set(STATE=${DEVICE_STATE(PJSIP/${PHONE})})
     same => n,GotoIf($["${STATE}" = "UNKNOWN"]?wrong)
     same => n,GotoIf($["${DB(do-not-disturb/${PHONE})}" = "on"]?busy)
     same => n,GotoIf($["${STATE}" != "NOT_INUSE" & "${STATE}" != "UNAVAILABLE"]?busy)
     same => n,Set(PJSIP_HEADER(add,Call-Info)=<sip:intercom>\;answer-after=0)
     same => n,Set(PJSIP_HEADER(add,Alert-Info)=<http://intercom>\;info=alert-autoanswer\;delay=0)
     same => n,Dial(PJSIP/${PHONE},20)
     same => n,Hangup()
     same => n(busy),Busy(20)
     same => n(wrong),Playback(pbx-invalid)
    exten => *81600,1,Set(TARGETS=)
     same => n,ExecIf($["${DB(do-not-disturb/100)}" != "on"]?Set(TARGETS=${TARGETS}&PJSIP/100))
     same => n,ExecIf($["${DB(do-not-disturb/101)}" != "on"]?Set(TARGETS=${TARGETS}&PJSIP/101))
     same => n,Page(${TARGETS})
    exten => *81601,1,Set(TARGETS=)
     same => n,ExecIf($["${DB(do-not-disturb/100)}" != "on"]?Set(TARGETS=${TARGETS}&PJSIP/100))
     same => n,ExecIf($["${DB(do-not-disturb/101)}" != "on"]?Set(TARGETS=${TARGETS}&PJSIP/101))
     same => n,ExecIf($["${DB(do-not-disturb/102)}" != "on"]?Set(TARGETS=${TARGETS}&PJSIP/102))
     same => n,Page(${TARGETS})
    exten => _*67X!,1,Set(CALLERID(pres)=prohib)
     same => n,Goto(${CHANNEL(context)},${EXTEN:3},1)
    exten => *65,1,Answer()
     same => n,MusicOnHold()

    [telex-forward]
    exten => s,1,Set(FORWARDS=$[0${FORWARDS} + 1])
     same => n,GotoIf($[${FORWARDS} > 10]?round)
     same => n,Set(CALLERID(rdnis)=${ARG1})
     same => n,Set(REDIRECTING(reason)=cfu)
     same => n,ExecIf($["${DIALSTATUS}" = "BUSY"]?Set(REDIRECTING(reason)=cfb))
     same => n,ExecIf($["${DIALSTATUS}" = "NOANSWER"]?Set(REDIRECTING(reason)=cfnr))
     same => n,ExecIf($["${DIALSTATUS}" = "CHANUNAVAIL"]?Set(REDIRECTING(reason)=unavailable))
     same => n,Set(DIALSTATUS=)
     same => n,Goto(${ARG2},${ARG3},1)
     same => n(round),Log(WARNING,forwarded in a circle: ${ARG1})
     same => n,Hangup(25)
    exten => chosen,1,Set(FORWARD_TO=${DB(${ARG3}/${ARG1})})
     same => n,ExecIf($["${FORWARD_TO}" = ""]?Set(FORWARD_TO=${ARG4}))
     same => n,GosubIf($["${FORWARD_TO}" != "off"]?s,1(${ARG1},${ARG2},${FORWARD_TO}))
     same => n,Return()
    "#);
    let plan = plan(&file);
    let mut world = at("2026-11-23T10:00");
    let mut call = |from, number| done(&plan, &mut world, from, number, DialStatus::Busy);
    assert_snapshot!(call("101", "100"), @"ring 100 for 0ns, Busy(Some(20s)), Hangup { cause: Some(17) }");
    assert_snapshot!(call("100", "*72102"), @r#"say [Prompt("call-fwd-unconditional"), Prompt("activated")], Hangup { cause: None }"#);
    assert_snapshot!(call("101", "100"), @"ring 102 for 0ns, Busy(Some(20s)), Hangup { cause: Some(17) }");
    // Nobody is there, and nobody is forwarded to itself.
    assert_snapshot!(call("100", "*72999"), @r#"say [Prompt("pbx-invalid")], Hangup { cause: None }"#);
    assert_snapshot!(call("100", "*72100"), @r#"say [Prompt("pbx-invalid")], Hangup { cause: None }"#);
    assert_snapshot!(call("100", "*73"), @r#"say [Prompt("call-fwd-unconditional"), Prompt("de-activated")], Hangup { cause: None }"#);
    assert_snapshot!(call("100", "*90101"), @r#"say [Prompt("call-fwd-on-busy"), Prompt("activated")], Hangup { cause: None }"#);
    assert_snapshot!(call("102", "100"), @"ring 100 for 0ns, ring 101 for 0ns, Busy(Some(20s)), Hangup { cause: Some(17) }");
    assert_snapshot!(call("100", "*91"), @r#"say [Prompt("call-fwd-on-busy"), Prompt("de-activated")], Hangup { cause: None }"#);
    assert_snapshot!(call("100", "*78"), @r#"say [Prompt("do-not-disturb"), Prompt("activated")], Hangup { cause: None }"#);
    assert_snapshot!(call("102", "100"), @"Busy(Some(20s)), Hangup { cause: Some(17) }");
    assert_snapshot!(call("102", "600"), @"ring 101 for 25s, ring 101 for 20s, ring 102 for 20s, Hangup { cause: None }");
    assert_snapshot!(call("100", "*79"), @r#"say [Prompt("do-not-disturb"), Prompt("de-activated")], Hangup { cause: None }"#);
    assert_snapshot!(call("102", "100"), @"ring 100 for 0ns, Busy(Some(20s)), Hangup { cause: Some(17) }");
    let asked = call("101", "*72");
    assert!(
        asked.starts_with("Answer(0ns), Collect(Collect { say: [Prompt(\"call-fwd-unconditional\")]"),
        "{asked}"
    );
    assert!(asked.ends_with("Prompt(\"activated\")], Hangup { cause: None }"), "{asked}");
    let lasting: Vec<String> = world.db.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_snapshot!(lasting.join(" "), @"do-not-disturb/100=off forward-busy/100=off forward/100=off forward/101=102 last-caller/100=102 last-caller/101=102 last-caller/102=101 last-number/101=100 last-number/102=100");
}

#[test]
fn what_is_wrong_is_told_with_its_remedy() {
    let wrong = r#"
[[group]]
members = ["100"]
[[group]]
number = "100"
members = ["100"]
[[group]]
number = "602"
[[group]]
number = "603"
members = ["10", "100", "100"]
strategy = "random"
prefix = "${EXTEN}"
[[hours]]
number = "*73"
open = "100"
closed = "100"
[[hours]]
number = "700"
times = ["9-17"]
holidays = ["xmas"]
open = "a,b"
[codes]
forward = "*43"
busy = "abc"
"#;
    assert_snapshot!(refused(&format!("{PHONES}{wrong}")), @r#"
    telex.toml:12:1: this [[group]] has no number; add number = "…": what is dialled to reach it
    telex.toml:15:10: number `100` is already taken; choose another number
    telex.toml:17:1: this group has no phones, or too many; add members = ["100", "101"]: 1 to 31 phones
    telex.toml:21:12: there is no phone `10`; did you mean `100`?
    telex.toml:21:25: this phone is named twice; name it once
    telex.toml:22:12: a group does not ring by `random`; write one of "all", "order", "round-robin", "least-recent"
    telex.toml:23:10: this is no name to be shown; use up to 64 letters, digits, spaces or any of - _ . : ' /
    telex.toml:25:10: number `*73` is already taken; choose another number
    telex.toml:28:1: these hours do not say where calls go: `closed`; add closed = "…": the number that its callers get then
    telex.toml:30:10: these are no hours of a week; write days and times, as in "mon-fri 9:00-17:00" or "sat,sun 10:00-24:00"; what goes over midnight is two of them
    telex.toml:31:13: these are no holidays; write "jan 1", "dec 24-26" or "dec 24 to jan 2" for every year, "2026-04-03" or "2026-07-27 to 2026-08-14" for one
    telex.toml:32:8: this is no number that can be dialled; use 1 to 64 digits, letters or any of * # + - . as one would dial it
    telex.toml:34:11: `*43` cannot be the code `forward`; use up to 8 of 0-9 * #, each code once and not as another number; "" switches one off
    telex.toml:35:8: `abc` cannot be the code `busy`; use up to 8 of 0-9 * #, each code once and not as another number; "" switches one off
    "#);
    let phone = "[[phone]]\nextension = \"103\"\npassword = \"x\"\nname = \"a\\\"b\"\n\
                 forward = { sometimes = \"100\", busi = \"100\", after = \"0s\", always = \"999\" }\n";
    assert_snapshot!(refused(&format!("{PHONES}{phone}")), @r#"
    telex.toml:14:8: this is no name to be shown; use up to 64 letters, digits, spaces or any of - _ . : ' /
    telex.toml:15:13: calls are not forwarded `sometimes`; write some of always, busy, no_answer, unregistered, after
    telex.toml:15:32: calls are not forwarded `busi`; did you mean `busy`?
    telex.toml:15:54: this is not how long a phone may ring; write a time from 1s to 1h, as in "20s"
    telex.toml:15:69: nothing is at number `999` in [internal]; name a phone, a menu, a group, hours, a conference or an extension of the dialplan
    "#);
    let lost = "[[group]]\nnumber = \"600\"\nmembers = [\"100\"]\nfallback = \"999\"\n";
    assert_snapshot!(refused(&format!("{PHONES}{lost}")), @"telex.toml:14:12: nothing is at number `999` in [internal]; name a phone, a menu, a group, hours, a conference or an extension of the dialplan");
}
