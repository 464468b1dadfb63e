//! What a step does.

use smol_str::{SmolStr, SmolStrBuilder, ToSmolStr, format_smolstr};

use super::{Move, Waiting};
use crate::app::{self, Args, Assign, Body, Condition, DIGIT, Destination, Flow, Letters, List, Prepared};
use crate::app::{RESPONSE, Run, Target, dial, prompts, seconds};
use crate::directory::Directory;
use crate::find::At;
use crate::scene::{Channel, MAX_SHOWN, Place, Scene, answered, condition};
use crate::task::{Collect, Say, Sound, Task, Until};
use crate::template::{Template, cut};
use crate::when::When;
use crate::world::{DeviceState, Loudness};

/// Names of one list.
const MAX_ITEMS: usize = 256;
/// Keys of one Read.
const MAX_KEYS: u64 = 255;
/// Rounds of one Read.
const MAX_ROUNDS: u64 = 100;

/// A step as it was done, for the trail.
#[derive(Default)]
pub(super) struct Shown {
    pub(super) app: &'static str,
    pub(super) args: SmolStr,
    pub(super) outcome: SmolStr,
}

type Queue = Option<(Task, Waiting)>;

pub(super) fn run(step: &Prepared, scene: &mut Scene<'_>, queue: &mut Queue, shown: &mut Shown) -> Move {
    shown.app = step.name();
    let flow = match step.app.run {
        Run::Flow(flow) => flow,
        Run::Task(make) => {
            let args = evaluate(step, scene, shown);
            return match make(scene, &args) {
                Ok(task) => asked(step.name(), task, &args, scene),
                Err(why) => {
                    scene.note(format_args!("{why}"));
                    Move::Next
                }
            };
        }
    };
    match &step.body {
        Body::Assign(all) => {
            assign(all, scene, shown);
            Move::Next
        }
        Body::Jump { condition, yes, no } => {
            let holds = holds(condition, scene, shown);
            if *condition != Condition::Always {
                let other = no.as_ref().map(|no| format_smolstr!(":{}", as_written(no))).unwrap_or_default();
                let yes = yes.as_ref().map(as_written).unwrap_or_default();
                shown.args = format_smolstr!("{}?{yes}{other}", shown.args);
            }
            let chosen = if holds { yes } else { no };
            match chosen {
                Some(place) => jump(place, flow == Flow::Gosub, scene, shown),
                None => {
                    shown.outcome = format_smolstr!("{}, goes on", shown.outcome);
                    Move::Next
                }
            }
        }
        Body::Step { condition, yes, no } => {
            let holds = holds(condition, scene, shown);
            if flow == Flow::TryExec {
                scene.set("TRYSTATUS", "SUCCESS");
            }
            let before = match shown.args.as_str() {
                "" => SmolStr::default(),
                told if holds => format_smolstr!("{told}?"),
                told => format_smolstr!("{told}?{}(…)", yes.name()),
            };
            let chosen = if holds { Some(yes) } else { no.as_ref() };
            let Some(chosen) = chosen else {
                (shown.args, shown.outcome) = (before, format_smolstr!("{}, goes on", shown.outcome));
                return Move::Next;
            };
            let mut inner = Shown::default();
            let step = run(chosen, scene, queue, &mut inner);
            let mark = if holds { "" } else { ":" };
            shown.args = format_smolstr!("{before}{mark}{}({})", inner.app, inner.args);
            shown.outcome = match (shown.outcome.as_str(), inner.outcome.as_str()) {
                ("", _) => inner.outcome,
                (_, "") => std::mem::take(&mut shown.outcome),
                (outer, inner) => format_smolstr!("{outer}; {inner}"),
            };
            step
        }
        Body::List(list) => {
            if flow == Flow::While {
                return enter_loop(list, scene, shown);
            }
            let args = evaluate(step, scene, shown);
            if flow == Flow::StackPop {
                return Move::Pop;
            }
            plain(flow, &args, scene, queue)
        }
    }
}

/// Flows whose arguments are a list.
fn plain(flow: Flow, args: &Args, scene: &mut Scene<'_>, queue: &mut Queue) -> Move {
    match flow {
        Flow::Background => background(args, scene, queue),
        Flow::Read => read(args, scene, queue),
        Flow::Directory => directory(args, scene, queue),
        Flow::WaitExten => {
            let time = args.time(0, scene);
            let heard = args.options.iter().find_map(|(letter, text)| match letter {
                'm' => Some(Sound::Music(text.clone())),
                'd' => Some(Sound::Tones(SmolStr::new_static("dial"))),
                _ => None,
            });
            wait_for_extension(scene.channel, time, heard)
        }
        Flow::Return => Move::Back(args.text(0).into()),
        Flow::ExitWhile => match loop_end(scene) {
            Some(end) => Move::To(at(scene, end.saturating_add(1))),
            None => lost(scene, "EndWhile"),
        },
        Flow::EndWhile | Flow::ContinueWhile => match loop_start(scene) {
            Some(start) => Move::To(at(scene, start)),
            None => lost(scene, "While"),
        },
        Flow::Log => {
            let loudness = match args.text(0).to_ascii_uppercase().as_str() {
                "ERROR" => Loudness::Error,
                "WARNING" => Loudness::Warning,
                "NOTICE" => Loudness::Notice,
                _ => Loudness::Debug,
            };
            scene.world.log(loudness, args.text(1));
            Move::Next
        }
        Flow::Verbose => {
            let levelled = args.values.len() == 2 && args.text(0).parse::<u8>().is_ok();
            let text = if levelled { args.text(1).into() } else { args.values.join(",") };
            scene.world.log(Loudness::Debug, &text);
            Move::Next
        }
        Flow::ChanIsAvail => {
            let mut state = DeviceState::Unknown;
            let free = args.items.iter().find(|item| {
                state = scene.world.device(item.trim());
                matches!(state, DeviceState::NotInUse | DeviceState::Unknown)
            });
            scene.set("AVAILCHAN", free.map_or("", |item| item.trim()));
            scene.set("AVAILSTATUS", &state.number().to_string());
            Move::Next
        }
        Flow::AddHeader => {
            let (name, value) = args.text(0).split_once(':').unwrap_or((args.text(0), ""));
            let args = ["add".into(), SmolStr::new(name.trim())];
            if let Err(why) = crate::function::set_header(scene, &args, value.trim()) {
                scene.note(format_args!("{why}"));
            }
            Move::Next
        }
        _ => Move::Next,
    }
}

/// The values of a list of arguments.
fn evaluate(step: &Prepared, scene: &mut Scene<'_>, shown: &mut Shown) -> Args {
    let Body::List(list) = &step.body else { return Args::default() };
    let List { args, items, options } = list;
    let mut values = Args {
        values: args.iter().map(|arg| arg.eval(scene)).collect(),
        items: items_of(items, scene),
        options: options.iter().flat_map(|letters| letters_of(letters, scene)).collect(),
    };
    // A single value may bring the other arguments with it: Dial(${HOW}).
    if let ([only], true) = (args.as_slice(), step.app.kinds.len() > 1 && !items.is_empty())
        && only.is_one_value()
        && values.text(0).contains(',')
    {
        let whole = values.text(0).to_smolstr();
        let parts: Vec<SmolStr> = whole.split(',').map(|part| part.trim().into()).collect();
        let letters = step.app.kinds.iter().position(|kind| *kind == app::Kind::Options);
        values.options =
            letters.and_then(|at| parts.get(at)).map(|text| app::options(text)).unwrap_or_default();
        values.items =
            parts.first().map(|first| first.split('&').map(SmolStr::new).collect()).unwrap_or_default();
        values.values = parts;
    }
    shown.args = written(step, &values);
    values
}

/// Option letters with their arguments; no value in parentheses makes other letters.
fn letters_of(letters: &Letters, scene: &mut Scene<'_>) -> Vec<(char, SmolStr)> {
    match letters {
        Letters::One(letter, arg) => vec![(*letter, divided(arg, scene))],
        Letters::Made(made, arg) => {
            let mut all = app::options(&made.eval(scene));
            if let (Some((_, last)), Some(arg)) = (all.last_mut(), arg) {
                *last = arg.eval(scene);
            }
            all
        }
    }
}

/// The argument of a letter. Where `^` is written between its parts a value has none: it makes no parts of its own.
fn divided(arg: &Template, scene: &mut Scene<'_>) -> SmolStr {
    let parts = arg.split('^');
    if parts.len() == 1 {
        return arg.eval(scene);
    }
    let parts = parts.iter().map(|part| match part.constant() {
        Some(text) => text.into(),
        None => part.eval(scene).replace('^', " "),
    });
    parts.collect::<Vec<String>>().join("^").into()
}

/// Names with `&` between; a value that is the whole of one may be several.
fn items_of(items: &[Template], scene: &mut Scene<'_>) -> Vec<SmolStr> {
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        let value = item.eval(scene);
        let spelt = item.is_one_value() || item.spells(dial::SCHEME);
        let value = if spelt { value } else { dial::not_a_uri(value) };
        if item.is_one_value() && value.contains('&') {
            all.extend(value.split('&').take(MAX_ITEMS).map(SmolStr::new));
        } else {
            all.push(value);
        }
    }
    all.truncate(MAX_ITEMS);
    all
}

/// The arguments with their values, as they would be written.
fn written(step: &Prepared, args: &Args) -> SmolStr {
    let mut text = SmolStrBuilder::new();
    let mut waiting = 0; // commas that are owed to an argument that is not empty
    for (at, value) in args.values.iter().enumerate() {
        waiting += usize::from(at > 0);
        let options = step.app.kinds.get(at) == Some(&app::Kind::Options);
        let value = if options && !args.options.is_empty() { &args.letters() } else { value };
        if !value.is_empty() {
            for _ in 0..std::mem::take(&mut waiting) {
                text.push(',');
            }
            text.push_str(cut(value, MAX_SHOWN));
        }
    }
    text.finish()
}

/// A task, and what its outcome will mean.
fn asked(app: &str, task: Task, args: &Args, scene: &mut Scene<'_>) -> Move {
    let waiting = match &task {
        Task::Hangup { cause } => return Move::End(*cause),
        Task::Play { say, answer, .. } if app == "Playback" => {
            return playback(task.clone(), say.is_empty(), *answer, args, scene);
        }
        Task::Play { say, .. } if say.is_empty() => return Move::Next,
        Task::Answer(_) => Waiting::Answer,
        Task::Dial(dial) if dial.targets.is_empty() => {
            scene.set("DIALSTATUS", "CHANUNAVAIL");
            scene.note(format_args!("nobody to ring"));
            return Move::Next;
        }
        Task::Dial(_) => Waiting::Dial { go_on: args.has('g') },
        Task::VoiceMail { .. } => Waiting::VoiceMail,
        Task::Busy(_) => Waiting::Last(17),
        Task::Congestion(_) => Waiting::Last(34),
        _ => Waiting::Plain,
    };
    Move::Task(task, waiting)
}

/// A Playback with how it will have gone: a prompt that is not there fails it, but not the others.
fn playback(task: Task, silent: bool, answers: bool, args: &Args, scene: &mut Scene<'_>) -> Move {
    let failed = app::lacks_prompt(scene, args);
    let waiting = Waiting::Playback { failed, answers };
    match silent {
        false => Move::Task(task, waiting),
        // Who hears nothing is answered all the same.
        true if answers && !answered(scene) => Move::Task(Task::Answer(std::time::Duration::ZERO), waiting),
        true => {
            scene.set("PLAYBACKSTATUS", if failed { "FAILED" } else { "SUCCESS" });
            Move::Next
        }
    }
}

/// The task, or first an answer.
fn after_answer(task: Task, waiting: Waiting, quiet: bool, scene: &Scene<'_>, queue: &mut Queue) -> Move {
    if quiet || answered(scene) {
        return Move::Task(task, waiting);
    }
    *queue = Some((task, waiting));
    Move::Task(Task::Answer(std::time::Duration::ZERO), Waiting::Answer)
}

fn background(args: &Args, scene: &mut Scene<'_>, queue: &mut Queue) -> Move {
    if args.has('s') && !answered(scene) {
        return Move::Next;
    }
    let say = prompts(scene, &args.items);
    let context = match args.text(3) {
        "" => scene.channel.place.context.clone(),
        named => named.into(),
    };
    let one_digit =
        |key: &char| scene.find(&context, key.encode_utf8(&mut [0; 4]), At::Priority(1)).is_some();
    let only = args.has('m').then(|| "0123456789*#ABCD".chars().filter(one_digit).collect::<SmolStr>());
    let task = Task::Collect(Collect {
        say,
        first: std::time::Duration::ZERO,
        next: scene.channel.digit.unwrap_or(DIGIT),
        until: Until::Extension,
        barge: !args.has('p'),
        only,
        meanwhile: None,
    });
    after_answer(task, Waiting::Extension { context, timed: false }, args.has('n'), scene, queue)
}

fn directory(args: &Args, scene: &mut Scene<'_>, queue: &mut Queue) -> Move {
    let mut directory = Directory::new(args, scene);
    let task = Task::Collect(directory.ask(scene, "dir-welcome"));
    after_answer(task, Waiting::Directory(Box::new(directory)), args.has('n'), scene, queue)
}

/// Waits for an extension of the place's context.
pub(super) fn wait_for_extension(
    channel: &Channel,
    time: Option<std::time::Duration>,
    meanwhile: Option<Sound>,
) -> Move {
    let collect = Collect {
        say: Vec::new(),
        first: time.or(channel.response).unwrap_or(RESPONSE),
        next: channel.digit.unwrap_or(DIGIT),
        until: Until::Extension,
        barge: true,
        only: None,
        meanwhile,
    };
    let context = channel.place.context.clone();
    Move::Task(Task::Collect(collect), Waiting::Extension { context, timed: true })
}

fn read(args: &Args, scene: &mut Scene<'_>, queue: &mut Queue) -> Move {
    let variable = SmolStr::new(args.text(0));
    if args.has('s') && !answered(scene) {
        scene.set("READSTATUS", "SKIPPED");
        return Move::Next;
    }
    let number = |at: usize, unset: u64| args.text(at).parse().unwrap_or(unset);
    let time = seconds(args.text(5)).filter(|time| !time.is_zero());
    let marked = args.options.iter().find(|(letter, _)| *letter == 't');
    let terminators = marked.map_or(SmolStr::new_static("#"), |(_, keys)| keys.clone());
    let tone = args.has('i').then(|| Sound::Tones(args.items.join("&").into()));
    let say: Vec<Say> = if tone.is_some() { Vec::new() } else { prompts(scene, &args.items) };
    let collect = Collect {
        say,
        first: time.or(scene.channel.response).unwrap_or(RESPONSE),
        next: time.or(scene.channel.digit).unwrap_or(DIGIT),
        until: Until::Count { max: number(2, 0).min(MAX_KEYS) as u8, terminators },
        barge: true,
        only: None,
        meanwhile: tone,
    };
    let rounds = number(4, 1).clamp(1, MAX_ROUNDS);
    let waiting = Waiting::Read { variable, rounds, collect: Box::new(collect.clone()) };
    after_answer(Task::Collect(collect), waiting, args.has('n'), scene, queue)
}

fn assign(all: &[Assign], scene: &mut Scene<'_>, shown: &mut Shown) {
    let mut text = SmolStrBuilder::new();
    for (number, Assign { to, value }) in all.iter().enumerate() {
        let value = value.eval(scene);
        if number > 0 {
            text.push(',');
        }
        match to {
            Target::Variable(name) => {
                let name = name.eval(scene);
                text.push_str(&name);
                scene.set(name.trim(), &value);
            }
            Target::Call(function, args) => {
                let args: Vec<SmolStr> = args.iter().map(|arg| arg.eval(scene)).collect();
                text.push_str(&format_smolstr!("{}({})", function.name, args.join(",")));
                if let Some(Err(why)) = function.write.map(|write| write(scene, &args, &value)) {
                    scene.note(format_args!("{}: {why}", function.name));
                }
            }
        }
        text.push('=');
        text.push_str(cut(&value, MAX_SHOWN));
    }
    shown.args = text.finish();
}

/// Whether a condition holds; it is shown with its values, and what it came to.
fn holds(question: &Condition, scene: &mut Scene<'_>, shown: &mut Shown) -> bool {
    match question {
        Condition::Always => return true,
        Condition::Text(text) => {
            let (value, told) = text.eval_told(scene);
            let holds = condition(&value);
            (shown.args, shown.outcome) = (told, truth(holds));
            return holds;
        }
        Condition::Time(when) => (shown.args, shown.outcome) = (when.as_str().into(), time_of(when, scene)),
        Condition::Made(text) => {
            shown.args = text.eval(scene);
            shown.outcome = match When::parse(&shown.args) {
                Ok(when) => time_of(&when, scene),
                Err(fault) => {
                    scene.note(format_args!("{}", fault.message));
                    truth(false)
                }
            };
        }
    }
    shown.outcome.starts_with(TRUE)
}

const TRUE: &str = "true";

fn truth(holds: bool) -> SmolStr {
    SmolStr::new_static(if holds { TRUE } else { "false" })
}

/// Whether it is such a time, by which clock, and if not why.
fn time_of(when: &When, scene: &Scene<'_>) -> SmolStr {
    let now = scene.now();
    let clock = when.clock(now);
    match when.missed(now) {
        None => format_smolstr!("{TRUE}, it is {clock}"),
        Some(field) => format_smolstr!("false, {clock} is another {field}"),
    }
}

/// Into a loop, or past it.
fn enter_loop(list: &List, scene: &mut Scene<'_>, shown: &mut Shown) -> Move {
    let (value, told) = list.args.first().map(|text| text.eval_told(scene)).unwrap_or_default();
    let holds = condition(&value);
    (shown.args, shown.outcome) = (told, truth(holds));
    if holds {
        return Move::Next;
    }
    shown.outcome = SmolStr::new_static("false, the loop is over");
    match loop_end(scene) {
        Some(end) => Move::To(at(scene, end.saturating_add(1))),
        None => lost(scene, "EndWhile"),
    }
}

/// A destination as it is written; what is made of values is left out.
fn as_written(to: &Destination) -> SmolStr {
    let parts = to.parts.iter().map(|part| part.constant().unwrap_or("…")).collect::<Vec<_>>();
    let args = if to.args.is_empty() { "" } else { "(…)" };
    format_smolstr!("{}{args}", parts.join(","))
}

fn jump(to: &Destination, call: bool, scene: &mut Scene<'_>, shown: &mut Shown) -> Move {
    let mut parts: Vec<SmolStr> = to.parts.iter().map(|part| part.eval(scene)).collect();
    // A single value may be a whole place: Goto(${WHERE}).
    if let [only] = to.parts.as_slice()
        && only.is_one_value()
    {
        parts = parts[0].splitn(3, ',').map(|part| part.trim().into()).collect();
    }
    let args: Vec<SmolStr> = to.args.iter().map(|arg| arg.eval(scene)).collect();
    let Some((context, extension, priority)) = place_of(&parts, scene) else { return Move::Next };
    let place = format_smolstr!("{context},{extension},{priority}");
    if shown.outcome.is_empty() {
        let inner =
            if args.is_empty() { SmolStr::default() } else { format_smolstr!("({})", args.join(",")) };
        shown.args = format_smolstr!("{place}{inner}");
    } else {
        shown.outcome = format_smolstr!("{}, to {place}", shown.outcome);
    }
    match found(context, extension, &priority, scene) {
        Ok(place) if call => Move::Enter(place, args),
        Ok(place) => Move::To(place),
        Err(missing) => {
            let step = astray(missing, scene);
            // An extension that is not there is told of where `i` is looked for.
            if matches!(step, Move::End(_)) {
                scene.note(format_args!("there is no {place} in the plan"));
            }
            step
        }
    }
}

/// What becomes of a walk to where nothing is: `i` is for extensions that are not there, not for places in them.
pub(super) fn astray(Place { context, extension, .. }: Place, scene: &Scene<'_>) -> Move {
    match scene.find(&context, &extension, At::Priority(1)) {
        Some(_) => Move::End(None),
        None => Move::Missing { context, extension },
    }
}

/// Context, extension and priority as written; what is not written is that of the step.
fn place_of(parts: &[SmolStr], scene: &Scene<'_>) -> Option<(SmolStr, SmolStr, SmolStr)> {
    let here = &scene.channel.place;
    Some(match parts {
        [context, extension, priority] => (context.clone(), extension.clone(), priority.clone()),
        // No such extension, but such a context: so plans are often meant, and the reader of the plan was told.
        [context, extension]
            if scene.plan.context(context).is_some()
                && scene.find(&here.context, context, At::Priority(1)).is_none() =>
        {
            (context.clone(), extension.clone(), SmolStr::new_static("1"))
        }
        [extension, priority] => (here.context.clone(), extension.clone(), priority.clone()),
        [priority, ..] => (here.context.clone(), here.extension.clone(), priority.clone()),
        [] => return None,
    })
}

/// The step at a place; `Err` with the place, as far as it is known, when there is none.
fn found(context: SmolStr, extension: SmolStr, priority: &str, scene: &Scene<'_>) -> Result<Place, Place> {
    let here = scene.channel.place.priority;
    let named = match (priority.parse::<i64>(), priority.starts_with(['+', '-'])) {
        (Ok(by), true) => At::Priority(u32::try_from(i64::from(here).saturating_add(by)).unwrap_or(0)),
        (Ok(number), false) => At::Priority(u32::try_from(number).unwrap_or(0)),
        _ if priority == "n" => At::Priority(here.saturating_add(1)),
        _ => At::Label(priority),
    };
    match scene.find(&context, &extension, named) {
        Some(found) => Ok(Place { context, extension, priority: found.step.priority }),
        None => Err(Place { context, extension, priority: 0 }),
    }
}

/// The place that these parts name.
pub(super) fn resolve(parts: &[SmolStr], scene: &mut Scene<'_>) -> Result<Place, Place> {
    match place_of(parts, scene) {
        Some((context, extension, priority)) => found(context, extension, &priority, scene),
        None => Ok(scene.channel.place.clone()),
    }
}

fn at(scene: &Scene<'_>, priority: u32) -> Place {
    Place { priority, ..scene.channel.place.clone() }
}

fn lost(scene: &mut Scene<'_>, other: &str) -> Move {
    scene.note(format_args!("no {other} belongs to this one in the same extension"));
    Move::End(None)
}

/// The EndWhile of the loop that begins at the place or that it is in.
fn loop_end(scene: &Scene<'_>) -> Option<u32> {
    let Place { context, extension, priority } = &scene.channel.place;
    let found = scene.find(context, extension, At::Priority(*priority))?;
    let mut depth = 0_u32;
    for step in found.extension.steps.iter().filter(|step| step.priority > *priority) {
        match step.prepared.name() {
            "While" => depth += 1,
            "EndWhile" if depth == 0 => return Some(step.priority),
            "EndWhile" => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The While of the loop that ends at the place or that it is in.
fn loop_start(scene: &Scene<'_>) -> Option<u32> {
    let Place { context, extension, priority } = &scene.channel.place;
    let found = scene.find(context, extension, At::Priority(*priority))?;
    let mut depth = 0_u32;
    for step in found.extension.steps.iter().rev().filter(|step| step.priority < *priority) {
        match step.prepared.name() {
            "EndWhile" => depth += 1,
            "While" if depth == 0 => return Some(step.priority),
            "While" => depth -= 1,
            _ => {}
        }
    }
    None
}
