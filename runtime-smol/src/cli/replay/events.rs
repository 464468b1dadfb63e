//! The events of a recording in lines.

use telex_engine::border::StreamEvent;
use telex_engine::time::Instant;
use telex_engine::{Action, Input};
use telex_replay::{Entry, Place, Recording, ReplayError, Replayer, words};

use super::media::Media;
use super::show::show;
use super::{Replay, print};
use crate::log::Escaped;

/// Goes to a place and prints what stands around it.
pub(super) fn visit(
    recording: &Recording,
    replayer: &mut Replayer<'_>,
    place: Place,
    options: &Replay,
) -> Result<(), String> {
    let at = replayer.find(place);
    let last = recording.entries.len();
    let (from, to) = (at.saturating_sub(options.back), at.saturating_add(options.step).min(last));
    replayer.go(from).map_err(|e| e.to_string())?;
    while replayer.position() < to {
        on(recording, replayer, options.messages).map_err(|e| e.to_string())?;
    }
    replayer.go(if options.step > 0 { to } else { from }).map_err(|e| e.to_string())?;
    // A moment is later than the input before it: so much less is left of the timers.
    let now = if replayer.position() == at { replayer.moment(place) } else { replayer.now() };
    print(&where_it_is(recording, replayer, now));
    let (media, position) = (&mut Media::new(recording), replayer.position());
    print(&show(replayer.machine(), media, &options.show, position, now).map_err(|e| e.to_string())?);
    Ok(())
}

/// Goes one input on and prints it.
pub(super) fn on(
    recording: &Recording,
    replayer: &mut Replayer<'_>,
    messages: bool,
) -> Result<(), ReplayError> {
    let position = replayer.position();
    replayer.step()?;
    if let Some(entry) = recording.entries.get(position) {
        print(&event(position, entry, replayer, messages));
    }
    Ok(())
}

/// Where a replay is, in a line.
pub(super) fn where_it_is(recording: &Recording, replayer: &Replayer<'_>, now: Instant) -> String {
    let after = replayer.elapsed() + now.since(replayer.now());
    let (position, last) = (replayer.position(), recording.entries.len());
    let (wall, hash) = (words::clock(replayer.machine().wall_at(now)), replayer.state_hash());
    format!("at {wall}, +{}, before input #{position} of {last}, state {hash:016x}\n", words::exact(after))
}

/// One input and what came of it.
pub(super) fn event(position: usize, entry: &Entry, replayer: &Replayer<'_>, messages: bool) -> String {
    let wall = words::clock(replayer.machine().wall_at(entry.now));
    let mut text = format!("#{position} {wall}  in   {}\n", Escaped(&words::input(&entry.input)));
    if messages && let Some(bytes) = received(&entry.input) {
        text.push_str(&indented(bytes));
    }
    for action in &entry.actions {
        text.push_str(&format!(
            "{:>1$}out  {2}\n",
            "",
            position.to_string().len() + 16,
            Escaped(&words::action(action))
        ));
        if messages && let Action::Transmit { bytes, .. } = action {
            text.push_str(&indented(bytes));
        }
    }
    text
}

/// Every SIP message of a recording, with its direction.
pub(super) fn messages(recording: &Recording) {
    let times = recording.times();
    for (position, (entry, (_, wall))) in recording.entries.iter().zip(times).enumerate() {
        let wall = words::clock(wall);
        if let Some(bytes) = received(&entry.input) {
            let line = Escaped(&words::input(&entry.input)).to_string();
            print(&format!("#{position} {wall}  in   {line}\n{}", indented(bytes)));
        }
        for action in &entry.actions {
            if let Action::Transmit { bytes, .. } = action {
                let line = Escaped(&words::action(action)).to_string();
                print(&format!("#{position} {wall}  out  {line}\n{}", indented(bytes)));
            }
        }
    }
}

const fn received(input: &Input) -> Option<&bytes::Bytes> {
    match input {
        Input::Datagram { bytes, .. } | Input::Stream { event: StreamEvent::Bytes(bytes), .. } => Some(bytes),
        _ => None,
    }
}

fn indented(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(|line| format!("    {}\n", Escaped(line))).collect()
}
