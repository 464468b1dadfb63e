//! What a step leaves behind is what it leaves in the field.

use super::*;
use crate::task::{Collect, Sound};

/// The variables `A`, `B`, ... after steps for a caller who was not answered, when these prompts are missing, with the
/// kinds of tasks on the way.
fn after(lines: &str, names: &str) -> String {
    let plan = steps(lines);
    let (mut thread, mut world) = (Thread::new("t", "s", caller()), world());
    world.missing = ["nosuch".into()].into();
    let (mut supposed, mut tasks) = (Supposed::default(), Vec::new());
    walk(&mut thread, &plan, &mut world, &mut |task| {
        tasks.push(match task {
            Task::Answer(_) => "answer",
            Task::Play { answer: true, .. } => "answer, play",
            Task::Play { .. } => "play",
            _ => "",
        });
        supposed.outcome(task)
    });
    let values = names.chars().map(|name| thread.variable(&name.to_string()).unwrap_or("-").to_owned());
    format!("{} {}", values.collect::<Vec<_>>().join(" "), tasks.join(" ")).trim().to_owned()
}

#[test]
fn playbackstatus_tells_of_each_prompt() {
    let told = |step: &str| after(&format!("{step}\nSet(A=${{PLAYBACKSTATUS}})"), "A");
    assert_eq!(told("Playback(nosuch)"), "FAILED answer");
    assert_eq!(told("Playback(nosuch&welcome)"), "FAILED answer, play");
    assert_eq!(told("Playback(welcome,noanswer)"), "SUCCESS play");
    assert_eq!(told("Playback(nosuch,noanswer)"), "FAILED");
    assert_eq!(told("Playback(nosuch,skip)"), "SUCCESS");
    assert_eq!(told("Playback(silence/1)"), "SUCCESS answer, play");
    assert_eq!(told("SayDigits(x)"), "");
    let answered =
        "Playback(welcome,noanswer)\nPlayback(welcome)\nPlayback(nosuch)\nSet(A=${PLAYBACKSTATUS})";
    assert_eq!(after(answered, "A"), "FAILED play answer, play");
}

#[test]
fn keys_are_waited_for_with_a_tone_or_music() {
    let heard = |step: &str| {
        let plan = steps(&format!("Answer()\n{step}"));
        let (mut thread, mut world, mut heard) = (Thread::new("t", "s", caller()), world(), None);
        walk(&mut thread, &plan, &mut world, &mut |task| {
            if let Task::Collect(Collect { say, meanwhile, .. }) = task {
                assert!(say.is_empty());
                heard.clone_from(meanwhile);
            }
            Outcome::Done
        });
        (heard, thread.trail().entries().map(|entry| entry.notes.len()).sum::<usize>())
    };
    assert_eq!(heard("Read(X,dial,3,i,1,3)"), (Some(Sound::Tones("dial".into())), 0));
    assert_eq!(heard("WaitExten(5,m)"), (Some(Sound::Music("".into())), 0));
    assert_eq!(heard("WaitExten(5,m(jazz))"), (Some(Sound::Music("jazz".into())), 0));
    assert_eq!(heard("WaitExten(5,d)"), (Some(Sound::Tones("dial".into())), 0));
    assert_eq!(heard("WaitExten(5)"), (None, 0));
    let plan = steps("Read(X,dial,3,i)\nRead(X,nosuch,3)\nWaitExten(5,z)");
    let missing = plan.missing_prompts(&|_| false);
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(plan.warnings()[0].message.contains("WaitExten has no option z: it knows dm"));
}

#[test]
fn times_are_written_as_in_the_field() {
    for (format, text) in [
        ("%x", "11/14/23"),
        ("%X", "22:13:20"),
        ("%r", "10:13:20 PM"),
        ("%c", "Tue Nov 14 22:13:20 2023"),
        ("%S.%3q", "20.987"),
        ("%q", "987654"),
        ("%1q", "9"),
        ("%%q %%x %-d", "%q %x 14"),
        ("100%", ""),
    ] {
        assert_eq!(value(&format!("${{STRFTIME(1700000000.987654,UTC,{format})}}")), text, "{format}");
    }
    assert_eq!(value("${STRFTIME(-0.5,UTC,%S.%1q)}"), "59.5");
    assert_eq!(value("${STRFTIME(1e300,UTC,%S)}"), "");
}

#[test]
fn quotes_and_brackets_protect_as_in_the_field() {
    for (text, result) in [
        (r#"${IF(1?"open":"shut")}"#, "open"),
        (r#"${IF(0?"open":"shut")}"#, "\"shut\""),
        (r"${IF(1?a\:b:c)}", "a:b"),
        (r"${IF(0?a\:b:c:d\e)}", r"c:d\e"),
        (r#"${IF(1?"a:b":c)}"#, "a:b"),
        (r"${IF(1?[a:b]:c)}", "[a:b]"),
        (r#"${IFTIME(*,*,*,*?"a b":"c")}"#, "a b"),
        (r#"${IFTIME(*,*,1,feb&may?"a b":"c")}"#, "c"),
        (r"${CUT(PLUS,[,1)}", "+4930"),
    ] {
        assert_eq!(value(text), result, "{text}");
    }
    let called = |step: &str| {
        let plan = plan(&format!(
            "[t]\nexten => s,1,{step}\n same => n,Hangup()\nexten => 7,1,Set(__R=${{ARGC}} ${{ARG1}})\n same => n,Return()\n"
        ));
        let (mut thread, mut world) = (Thread::new("t", "s", caller()), world());
        walk(&mut thread, &plan, &mut world, &mut |_| Outcome::Done);
        thread.variable("R").unwrap_or_default().to_owned()
    };
    assert_eq!(called("Gosub(7,1([a,b]))"), "1 [a,b]");
    assert_eq!(called("Gosub(7,1([a,b))"), "2 [a");
    assert_eq!(called("Gosub(7,1([a],[b,c]))"), "2 [a]");
}

#[test]
fn who_calls_may_be_said_in_one() {
    for (written, name, number) in [
        ("Alice", "Alice", ""),
        ("\"Alice A\"", "Alice A", ""),
        ("+49 (30) 123-4", "", "+49301234"),
        ("\"Joe\" 88", "Joe", ""),
        ("\"Joe\" <88>", "Joe", "88"),
        ("Joe <8 8>", "Joe", "88"),
        ("<joe.b>", "", "joe.b"),
        ("Joe <88", "Joe <88", ""),
    ] {
        let told =
            result(&format!("Set(CALLERID(all)={written})\nSet(R=${{CALLERID(name)}}|${{CALLERID(num)}})"));
        assert_eq!(told, format!("{name}|{number}"), "{written}");
    }
}

#[test]
fn subroutines_that_call_each_other_for_ever_are_named() {
    let plan = plan("[t]\nexten => s,1,Gosub(one,1)\nexten => one,1,NoOp()\n same => n,Gosub(s,1)\n");
    let (mut thread, mut world) = (Thread::new("t", "s", caller()), world());
    walk(&mut thread, &plan, &mut world, &mut |_| Outcome::Done);
    let last = thread.trail().entries().next_back().expect("steps");
    assert_eq!(
        last.notes,
        [
            "more than 64 subroutines within each other, in extensions.conf:2, extensions.conf:3, extensions.conf:4"
        ]
    );
}

#[test]
fn the_devices_of_a_hint_can_be_rung() {
    let plan = plan("[t]\nexten => _1XX,hint,PJSIP/${EXTEN}&PJSIP/7,Name\nexten => _1XX,1,Dial(${HINT},5)\n");
    let mut thread = Thread::new("t", "150", caller());
    let Some(Task::Dial(dial)) = thread.next(&plan, &mut world()) else { panic!("no Dial") };
    assert_eq!(dial.targets, [Target::Phone("150".into()), Target::Phone("7".into())]);
}
