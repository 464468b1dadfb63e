//! Random plans, random outcomes, hang-ups at every step: a thread always comes to its end, and always the same way.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use telex_dialplan::explain::Facts;
use telex_dialplan::scene::Caller;
use telex_dialplan::task::DialStatus;
use telex_dialplan::{Dialplan, Outcome, Task, Thread};

const STEPS: &[&str] = &[
    "Answer()",
    "Background(menu&silence/1)",
    "BackGround(menu,n,,b)",
    "WaitExten(3)",
    "Read(PIN,enter,4,,2)",
    "Dial(PJSIP/${EXTEN},20)",
    "Dial(PJSIP/1&Local/2@b,5,g)",
    "Playback(x,noanswer)",
    "SayNumber(${RAND(0,9999)})",
    "SayUnixTime()",
    "Goto(s,1)",
    "Goto(b,${PIN},1)",
    "Goto(${DIALSTATUS},1)",
    "Goto(+2)",
    "GotoIf($[${RAND(0,1)}]?b,1,1:i,1)",
    "Gosub(b,s,1(${EXTEN},x))",
    "GosubIf(${RAND(0,1)}?1,1)",
    "Return(${ARG1})",
    "StackPop()",
    "While($[${INC(N)} < 5])",
    "EndWhile()",
    "ExitWhile()",
    "ContinueWhile()",
    "ExecIf($[${N} > 2]?Hangup(17):Set(__N=${N}1))",
    "TryExec(Park())",
    "Set(TIMEOUT(absolute)=${RAND(0,3)})",
    "Set(HASH(h,${N})=${PIN})",
    "Busy(2)",
    "VoiceMail(100@x,u)",
    "Directory()",
    "Wait(1)",
    "Hangup()",
];
const EXTENSIONS: &[&str] = &["s", "1", "_X", "_X.", "i", "t", "h", "T", "o", "a", "BUSY"];

fn plan() -> impl Strategy<Value = Dialplan> {
    let extension = (select(EXTENSIONS), proptest::collection::vec(select(STEPS), 1..6));
    let context = || proptest::collection::btree_map(select(EXTENSIONS), extension.clone(), 1..6);
    (context(), context(), any::<bool>()).prop_map(|(first, second, falls)| {
        let mut text = format!("[general]\nautofallthrough={}\n", if falls { "yes" } else { "no" });
        for (name, context) in [("a", first), ("b", second)] {
            text += &format!("[{name}]\n");
            for (extension, (_, steps)) in context {
                for (number, step) in steps.iter().enumerate() {
                    let line =
                        if number == 0 { format!("exten => {extension},1,") } else { "same => n,".into() };
                    text += &format!("{line}{step}\n");
                }
            }
        }
        Dialplan::parse("random.conf", &text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
    })
}

/// Also such as do not belong to the task.
fn outcome() -> impl Strategy<Value = Outcome> {
    let keys = select(&["", "1", "12", "#", "*", "0", "999"][..]);
    let status =
        select(&[DialStatus::Answer, DialStatus::Busy, DialStatus::NoAnswer, DialStatus::Cancel][..]);
    prop_oneof![
        4 => Just(Outcome::Done),
        4 => (keys, any::<bool>()).prop_map(|(keys, timeout)| Outcome::Keys { keys: keys.into(), timeout }),
        3 => (status, any::<u8>())
            .prop_map(|(status, cause)| Outcome::Dialled { status, cause, answered: Duration::from_secs(3) }),
        1 => Just(Outcome::Refused("not possible yet".into())),
        1 => Just(Outcome::Goto(vec!["n".into()])),
        1 => Just(Outcome::Set(vec![("VMSTATUS".into(), "SUCCESS".into())])),
        1 => Just(Outcome::HungUp { cause: 16 }),
    ]
}

/// Everything a thread did with these outcomes, and then a hang-up.
fn walked(plan: &Dialplan, outcomes: &[Outcome]) -> (Vec<Task>, Thread) {
    let mut world = Facts::at(1_795_375_800_000, "Europe/Berlin");
    let (mut thread, mut tasks) = (Thread::new("a", "1", Caller::default()), Vec::new());
    for outcome in outcomes {
        let Some(task) = thread.next(plan, &mut world) else { break };
        world.now_ms += 500;
        let ended = matches!(task, Task::Hangup { .. });
        tasks.push(task);
        if thread.deadline().is_some_and(|deadline| deadline <= world.now_ms) && !ended {
            thread.expire(i64::MAX);
        } else {
            thread.resume(outcome.clone());
        }
    }
    while let Some(Task::Hangup { .. }) = thread.next(plan, &mut world) {
        thread.resume(Outcome::Done);
    }
    thread.resume(Outcome::HungUp { cause: 16 });
    let after = thread.next(plan, &mut world);
    assert_eq!(after, None, "nothing is done for a caller who is gone");
    (tasks, thread)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_thread_comes_to_its_end(plan in plan(), outcomes in proptest::collection::vec(outcome(), 0..40)) {
        let (tasks, thread) = walked(&plan, &outcomes);
        prop_assert!(thread.is_over());
        let again = walked(&plan, &outcomes);
        prop_assert_eq!(&again.0, &tasks);
        prop_assert_eq!(again.1.trail(), thread.trail());
        let ends = tasks.iter().filter(|task| matches!(task, Task::Hangup { .. })).count();
        prop_assert!(ends <= 1, "{}", ends);
    }
}
