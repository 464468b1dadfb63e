//! The table of applications, in the order of the alphabet.

use super::Kind::{Cause, Count, Names, Options, Prompts, Seconds, Text};
use super::{Application, Flow, Kind, Run, Shape, dial, sound};
use crate::scene::Scene;
use crate::task::Task;
use smol_str::SmolStr;

type Make = fn(&mut Scene<'_>, &super::Args) -> Result<Task, SmolStr>;

const fn task(
    name: &'static str,
    syntax: &'static str,
    meaning: &'static str,
    kinds: &'static [Kind],
    make: Make,
) -> Application {
    let (options, least, shape, run) = (&[], 0, Shape::List, Run::Task(make));
    Application { name, syntax, meaning, options, kinds, least, shape, run }
}

const fn flow(
    name: &'static str,
    syntax: &'static str,
    meaning: &'static str,
    shape: Shape,
    flow: Flow,
) -> Application {
    let (options, least, run) = (&[], 0, Run::Flow(flow));
    Application { name, syntax, meaning, options, kinds: &[Text], least, shape, run }
}

impl Application {
    const fn least(mut self, least: usize) -> Self {
        self.least = least;
        self
    }

    const fn options(mut self, options: &'static [(char, &'static str)]) -> Self {
        self.options = options;
        self
    }

    const fn takes(mut self, kinds: &'static [Kind]) -> Self {
        self.kinds = kinds;
        self
    }
}

/// Letters of Dial.
const DIAL: &[(char, &str)] = &[
    ('A', "the phone that answers hears this first: A(prompt)"),
    ('b', "subroutine run for each phone before it is asked: b(context^exten^priority(args))"),
    ('C', "the record begins anew: without effect, a record tells the whole call"),
    (
        'd',
        "a key of the caller that is an extension ends the ringing and leads there; most phones send none before an Answer",
    ),
    ('D', "keys to send after the answer: D(called:calling)"),
    ('e', "extension h is run for the phone that answered too"),
    ('f', "whom the phones see as the caller: f(number) or f(\"name\" <number>)"),
    (
        'F',
        "the phone that answered goes on in the plan when the caller hangs up: F(context^exten^priority), without a place at the next step",
    ),
    ('g', "go on when the phone that answered hangs up"),
    ('h', "the called party may hang up by keys, * if nothing else is configured"),
    ('H', "the caller may hang up by keys"),
    ('i', "phones' forwarding is not followed"),
    ('I', "no connected-line update is sent"),
    ('k', "the called party may park the call by keys: #72"),
    ('K', "the caller may park the call by keys"),
    (
        'L',
        "limit of the call in milliseconds, when to warn before its end, and how often again: L(limit[:warn[:repeat]]); the variables LIMIT_... say who is told what",
    ),
    ('m', "the caller hears music instead of ringing: m(class)"),
    ('o', "the phones see the caller's own number"),
    ('p', "privacy: not done here; ask who was called by U, and tell it who calls by A"),
    ('P', "the same with a memory of who was let through: not done here"),
    ('r', "the caller hears ringing: r(tone)"),
    ('R', "the caller hears ringing until the other side sends something"),
    ('S', "limit of the call in seconds: S(30)"),
    ('t', "the called party may transfer the call by keys: ## blind, *2 attended"),
    ('T', "the caller may transfer the call by keys"),
    ('U', "subroutine run for the phone that answers: U(context^arg^arg); it sets GOSUB_RESULT"),
    ('w', "the called party may begin and end a recording by keys: *1"),
    ('W', "the caller may begin and end a recording by keys"),
    ('x', "the same as w: recordings are mixed"),
    ('X', "the same as W"),
];

const BACKGROUND: &[(char, &str)] = &[
    ('s', "not played if the call is not answered yet"),
    ('n', "heard without answering"),
    ('m', "only keys that are an extension of one digit stop it"),
    ('p', "keys do not stop it"),
];

const READ: &[(char, &str)] = &[
    ('s', "ends at once if the call is not answered yet"),
    ('n', "read without answering"),
    ('i', "the prompt is the name of a tone, heard until the first key: dial, busy, ..."),
    ('t', "the terminator: t(#)"),
    ('e', "an empty answer is marked by the terminator"),
];

const WAIT: &[(char, &str)] = &[
    ('d', "the caller hears the dial tone until the first key"),
    ('m', "the caller hears music until the first key: m(class)"),
];

const RECORD: &[(char, &str)] = &[
    ('a', "append to the file"),
    ('k', "keep it if the caller hangs up"),
    ('n', "record without answering"),
    ('o', "0 ends it, with RECORD_STATUS OPERATOR"),
    ('q', "no beep"),
    ('s', "not if the call is not answered yet"),
    ('t', "* ends it instead of #"),
    ('u', "do not cut silence at the end"),
    ('x', "any key but # is no end"),
    ('y', "any key ends it"),
];

const MONITOR: &[(char, &str)] = &[
    ('a', "append to the file"),
    ('b', "only while the call is connected"),
    ('B', "a beep every so many seconds: B(15)"),
    ('r', "one side into a file: r(file)"),
    ('t', "the other side into a file: t(file)"),
    ('v', "volume of what is heard: v(1)"),
    ('V', "volume of what is said: V(1)"),
    ('W', "volume of both: W(1)"),
];

const PAGE: &[(char, &str)] = &[
    ('A', "played to all first: A(prompt)"),
    ('d', "both ways"),
    ('i', "phones' forwarding is not followed"),
    ('n', "played to the caller too with A"),
    ('q', "no beep"),
    ('r', "record it"),
    ('s', "only phones that are idle"),
];

const PARK: &[(char, &str)] = &[
    ('r', "the caller hears ringing instead of music"),
    ('R', "a slot by chance instead of the first"),
    ('s', "the slot is not said"),
    ('t', "seconds until it goes back: t(60)"),
];

const QUEUE: &[(char, &str)] = &[
    ('c', "go on when the agent hangs up"),
    ('h', "the agent may hang up with *"),
    ('H', "the caller may hang up with *"),
    ('k', "the agent may park the call"),
    ('K', "the caller may park the call"),
    ('n', "one round only"),
    ('r', "ringing instead of music"),
    ('R', "ringing while an agent rings"),
    ('t', "the agent may transfer the call"),
    ('T', "the caller may transfer the call"),
    ('w', "the agent may record the call"),
    ('W', "the caller may record the call"),
    ('x', "the agent may record the call, mixed"),
    ('X', "the caller may record the call, mixed"),
];

const VOICEMAIL: &[(char, &str)] = &[
    ('b', "the greeting for a busy phone"),
    ('u', "the greeting for a phone that does not answer"),
    ('s', "no instructions"),
    ('S', "no instructions, the greeting only"),
    ('g', "louder by so many decibels: g(3)"),
    ('d', "keys go to extensions of a context: d(context)"),
    ('U', "the message is urgent"),
    ('P', "the message is important"),
    ('e', "the greeting before a temporary one"),
    ('t', "a beep's name: t(beep)"),
];

const MESSAGES: &[(char, &str)] = &[
    ('p', "the first argument is put before the number that is entered"),
    ('g', "louder by so many decibels: g(3)"),
    ('s', "no password"),
    ('a', "begin in a folder: a(1)"),
];

const DIRECTORY: &[(char, &str)] = &[
    ('e', "say the extension too"),
    ('f', "by first name: f(3)"),
    ('l', "by last name: l(3)"),
    ('b', "by both: b(3)"),
    ('a', "by any name: a(3)"),
    ('m', "as a menu of names"),
    ('n', "read without answering"),
    ('p', "pause before the names, in milliseconds: p(500)"),
];

/// Every application.
pub(super) const APPLICATIONS: &[Application] = &[
    task("Answer", "Answer([milliseconds])", "Answers the call, then waits so long.", &[Count, Text], sound::answer),
    flow("Background", "Background(prompt[&prompt...][,options[,language[,context]]])", "Plays prompts while the caller dials an extension of the context.", Shape::List, Flow::Background)
        .takes(&[Prompts, Options, Text, Text]).options(BACKGROUND).least(1),
    task("Busy", "Busy([seconds])", "Tells the caller that the line is taken, until it hangs up.", &[Seconds], sound::busy),
    task("CallCompletionCancel", "CallCompletionCancel()", "The caller is not called back any more; CC_CANCEL_RESULT says whether it would have been.", &[Text], sound::cancel_call_back),
    task("CallCompletionRequest", "CallCompletionRequest([extension])", "The caller is called back once a phone is free: this one, or the one that it found busy last; CC_REQUEST_RESULT is SUCCESS or FAIL.", &[Text], sound::call_back),
    flow("ChanIsAvail", "ChanIsAvail(target[&target...][,options])", "Looks for a phone that is free; AVAILCHAN is the target, AVAILSTATUS the state of the last one as a number.", Shape::List, Flow::ChanIsAvail)
        .takes(&[Names, Text]).least(1),
    task("ConfBridge", "ConfBridge(name[,profile[,profile[,menu]]])", "Joins a conference.", &[Text, Text, Text, Text], sound::conference).least(1),
    task("Congestion", "Congestion([seconds])", "Tells the caller that there is no way through, until it hangs up.", &[Seconds], sound::congestion),
    flow("ContinueWhile", "ContinueWhile()", "Goes on with the next round of the While.", Shape::Whole, Flow::ContinueWhile),
    task("Dial", "Dial(target[&target...][,timeout[,options]])", "Rings others and connects the caller with the first who answers; DIALSTATUS says how it ended.", &[Names, Text, Options, Text], dial::dial)
        .options(DIAL).least(1),
    flow("Directory", "Directory([mailboxes[,context[,options]]])", "Lets the caller spell a name of a phone on the keys, and goes to the extension that it takes; DIRECTORY_RESULT says how it ended.", Shape::List, Flow::Directory).takes(&[Text, Text, Options]).options(DIRECTORY),
    task("Echo", "Echo()", "The caller hears itself, until # or the end.", &[Text], sound::echo),
    flow("EndWhile", "EndWhile()", "Goes back to the While it belongs to.", Shape::Whole, Flow::EndWhile),
    flow("Exec", "Exec(application(arguments))", "Does a step.", Shape::Step, Flow::Exec).least(1),
    flow("ExecIf", "ExecIf(condition?application(arguments)[:application(arguments)])", "Does one of two steps.", Shape::StepIf, Flow::Exec).least(1),
    flow("ExecIfTime", "ExecIfTime(times,weekdays,days,months[,zone]?application(arguments))", "Does a step at certain times.", Shape::StepIfTime, Flow::Exec).least(1),
    flow("ExitWhile", "ExitWhile()", "Goes on after the EndWhile.", Shape::Whole, Flow::ExitWhile),
    flow("Gosub", "Gosub([[context,]extension,]priority[(argument,...)])", "Goes to a place and comes back with Return; the arguments are ARG1, ARG2, ...", Shape::Jump, Flow::Gosub).least(1),
    flow("GosubIf", "GosubIf(condition?place[(argument,...)][:place[(argument,...)]])", "Goes to one of two places and comes back with Return.", Shape::JumpIf, Flow::Gosub).least(1),
    flow("Goto", "Goto([[context,]extension,]priority)", "Goes to a place; the priority is a number, a label or n more (+2).", Shape::Jump, Flow::Goto).least(1),
    flow("GotoIf", "GotoIf(condition?place[:place])", "Goes to one of two places, or on where none is written.", Shape::JumpIf, Flow::Goto).least(1),
    flow("GotoIfTime", "GotoIfTime(times,weekdays,days,months[,zone]?place[:place])", "Goes to one of two places by the time it is.", Shape::JumpIfTime, Flow::Goto).least(1),
    task("Hangup", "Hangup([cause])", "Ends the call, with a cause by Q.850: a number or a name.", &[Cause], sound::hangup),
    flow("Log", "Log(level,text)", "Writes a line of the log: DEBUG, NOTICE, WARNING, ERROR or VERBOSE.", Shape::List, Flow::Log).takes(&[Text, Text]).least(2),
    task("Milliwatt", "Milliwatt([options])", "Plays 1004 Hz at a milliwatt until the end.", &[Text], sound::milliwatt),
    task("MixMonitor", "MixMonitor(file[,options])", "Records the call from now on.", &[Text, Options, Text], sound::monitor).options(MONITOR).least(1),
    flow("MSet", "MSet(name=value,name=value,...)", "Sets several variables.", Shape::SetMany, Flow::Set).least(1),
    task("MusicOnHold", "MusicOnHold([class][,seconds])", "Plays music, until the caller hangs up if no time is given.", &[Text, Seconds], sound::music),
    flow("NoOp", "NoOp([text])", "Does nothing; the text is seen in the trail.", Shape::Whole, Flow::NoOp),
    task("Page", "Page(target[&target...][,options[,timeout]])", "Speaks to phones that answer by themselves, until the caller hangs up or none is left. Those that are in a call are left in peace.", &[Names, Options, Seconds], dial::page).options(PAGE).least(1),
    task("Park", "Park([lot][,options])", "Parks the caller in a slot of a lot, or in that which PARKINGEXTEN names, until somebody takes it up; later who parked it is rung, and then it goes on. PARKINGSLOT, PARKINGLOT and PARKER say where it was and by whom.", &[Text, Options], sound::park).options(PARK),
    task("ParkedCall", "ParkedCall([lot,][slot])", "Connects the caller with who is parked in a slot, or in the first where somebody is.", &[Text, Text], sound::parked_call),
    task("Pickup", "Pickup([extension[&extension...]])", "Takes a call that rings at an extension, or in the caller's group.", &[Names], sound::pickup),
    task("Playback", "Playback(prompt[&prompt...][,noanswer])", "Plays prompts to their end; answers first unless told not to.", &[Prompts, Text], sound::playback).least(1),
    task("Playtones", "Playtones(tones)", "Plays tones while the plan goes on: dial, busy, congestion, or frequency/milliseconds with commas between.", &[Text], sound::tones).least(1),
    task("Progress", "Progress()", "Tells the caller that there is something to hear before the answer.", &[Text], sound::progress),
    task("Queue", "Queue(name[,options[,url[,announcement[,timeout]]]])", "Waits in a queue for an agent; QUEUESTATUS says how it ended.", &[Text, Options, Text, Text, Seconds], sound::queue).options(QUEUE).least(1),
    flow("Read", "Read(variable[,prompt[&prompt...][,most[,options[,attempts[,timeout]]]]])", "Reads keys into a variable; READSTATUS says OK, TIMEOUT or ERROR. What a variable has in it whose name begins with PIN, SECRET or PASSWORD is told to nobody who asks for the way of a call: `****`.", Shape::List, Flow::Read)
        .takes(&[Text, Prompts, Count, Options, Count, Seconds]).options(READ).least(1),
    task("Record", "Record(file[,silence[,most[,options]]])", "Records the caller into a file; RECORD_STATUS says how it ended.", &[Text, Seconds, Seconds, Options], sound::record).options(RECORD).least(1),
    flow("Return", "Return([value])", "Goes back behind the Gosub; GOSUB_RETVAL is the value.", Shape::Whole, Flow::Return),
    task("Ringing", "Ringing()", "Tells the caller that it rings.", &[Text], sound::ringing),
    task("SayAlpha", "SayAlpha(text)", "Says the letters and digits of a text.", &[Text], sound::say_alpha).least(1),
    task("SayDigits", "SayDigits(digits)", "Says digits one by one.", &[Text], sound::say_digits).least(1),
    task("SayNumber", "SayNumber(number)", "Says a whole number.", &[Text, Text], sound::say_number).least(1),
    task("SayPhonetic", "SayPhonetic(text)", "Says the letters of a text with the words of the radio alphabet.", &[Text], sound::say_phonetic).least(1),
    task("SayUnixTime", "SayUnixTime([epoch][,zone[,format]])", "Says a time; the parts are A B d Y I H M p S Q q R T and 'prompt'.", &[Text, Text, Text], sound::say_time),
    task("SendDTMF", "SendDTMF(keys[,milliseconds])", "Presses keys into the caller's ear; w is half a second of pause.", &[Text, Count, Text], sound::send_digits).least(1),
    flow("Set", "Set(name=value)", "Sets a variable or what a function sets; _NAME and __NAME are handed on to channels that are dialled.", Shape::Set, Flow::Set).least(1),
    flow("SIPAddHeader", "SIPAddHeader(name: value)", "Adds a header field to the INVITEs of a later Dial.", Shape::Whole, Flow::AddHeader).least(1),
    flow("StackPop", "StackPop()", "Forgets the last Gosub.", Shape::Whole, Flow::StackPop),
    task("StopMixMonitor", "StopMixMonitor()", "Ends the recording of the call.", &[Text], sound::stop_monitor),
    task("StopPlaytones", "StopPlaytones()", "Ends what Playtones started.", &[Text], sound::stop_tones),
    task("Transfer", "Transfer(destination)", "Tells the caller to call somebody else, by REFER, or by 302 before the answer; TRANSFERSTATUS says SUCCESS or FAILURE.", &[Text], sound::transfer).least(1),
    flow("TryExec", "TryExec(application(arguments))", "Does a step; TRYSTATUS is SUCCESS or FAILED.", Shape::Step, Flow::TryExec).least(1),
    flow("Verbose", "Verbose([level,]text)", "Writes a line of the log for who looks closely.", Shape::List, Flow::Verbose).takes(&[Text, Text]).least(1),
    task("VoiceMail", "VoiceMail(mailbox[@context][&...][,options])", "Lets the caller leave a message; VMSTATUS says how it ended.", &[Names, Options], sound::voice_mail).options(VOICEMAIL).least(1),
    task("VoiceMailMain", "VoiceMailMain([mailbox[@context]][,options])", "Plays the messages of a mailbox.", &[Text, Options], sound::messages).options(MESSAGES),
    task("Wait", "Wait(seconds)", "Does nothing for so long.", &[Seconds], sound::wait).least(1),
    flow("WaitExten", "WaitExten([seconds][,options])", "Waits for the caller to dial an extension of the context; then t.", Shape::List, Flow::WaitExten).takes(&[Seconds, Options]).options(WAIT),
    task("WaitUntil", "WaitUntil(epoch)", "Does nothing until a time in seconds since 1970.", &[Text], sound::wait_until).least(1),
    flow("While", "While(condition)", "Begins a loop that EndWhile ends; behind that it goes on when the condition does not hold.", Shape::Whole, Flow::While).least(1),
];
