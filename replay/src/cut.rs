//! What is cut out of the ring.

use std::collections::BTreeSet;

use bytes::Bytes;
use telex_engine::border::{Control, ControlId, ControlReply, StreamEvent};
use telex_engine::event::Event;
use telex_engine::sip::{HeaderName, Message};
use telex_engine::time::{Duration, Instant};
use telex_engine::{Action, Input};

use crate::entry::{Entries, Entry};
use crate::file::{Header, Recording};
use crate::legs::legs;
use crate::media::{MediaKept, tracks};
use crate::ring::Kept;
use crate::secrets::{SecretKey, StandIns};
use crate::words;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Everything that there is.
    All,
    /// The call of this number, as operators see it.
    Call(u64),
    /// Everything from the first to the last message of this Call-ID.
    CallId(String),
}

/// What shall be cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What is wanted.
    pub wanted: Wanted,
    /// How long before its beginning the recording shall begin, at least.
    pub before: Duration,
}

/// Why nothing was cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CutError {
    /// There is nothing at all.
    #[error("nothing has been recorded yet")]
    Nothing,
    /// There is nothing of what was wanted.
    #[error(
        "there is nothing of call {call} in what is kept, the last {kept}; `telex calls` shows the calls there are"
    )]
    NoSuchCall {
        /// What was wanted.
        call: String,
        /// How far back it goes.
        kept: String,
    },
    /// The machine cannot be written down and read back.
    #[error("the state of the exchange cannot be read back: {0}; this is a mistake in telex")]
    Unreadable(String),
}

/// After a call has ended, its last answers may take this long (RFC 3261 table 4: 64·T1).
const AFTERMATH: Duration = Duration::from_secs(32);

impl Kept {
    /// Cuts out what is wanted, with stand-ins for secrets.
    ///
    /// # Errors
    /// When there is nothing of it.
    pub fn cut(&self, order: &Order, key: SecretKey) -> Result<Recording, CutError> {
        self.cut_with(&[], order, key)
    }

    /// The same, with what media machines kept: of one call only its own media.
    ///
    /// # Errors
    /// When there is nothing of it.
    pub fn cut_with(
        &self,
        media: &[MediaKept],
        order: &Order,
        key: SecretKey,
    ) -> Result<Recording, CutError> {
        let mut recording = self.cut_signalling(order, key)?;
        if !media.is_empty() {
            let legs = legs(&recording, &order.wanted);
            let (tracks, notes) =
                tracks(media, legs.as_ref()).map_err(|e| CutError::Unreadable(e.to_string()))?;
            recording.media = tracks;
            recording.header.notes.extend(notes);
        }
        Ok(recording)
    }

    fn cut_signalling(&self, order: &Order, key: SecretKey) -> Result<Recording, CutError> {
        let unreadable = |e: postcard::Error| CutError::Unreadable(e.to_string());
        let run = self.latest_run();
        let (Some(first), Some(checkpoint)) = (run.first(), run.first().map(|s| &s.0)) else {
            return Err(CutError::Nothing);
        };
        let mut notes = Vec::new();
        let all: Vec<(usize, &Entry)> = run
            .iter()
            .enumerate()
            .flat_map(|(n, (_, entries))| entries.iter().map(move |e| (n, e)))
            .collect();
        let kept = words::span(self.now.since(checkpoint.now));
        let found = match &order.wanted {
            Wanted::All => Some(Found { range: 0..all.len(), from_the_start: true }),
            Wanted::Call(call) => {
                let lives = || lives_at_start(&first.0, *call);
                of_number(&all, *call, lives)
            }
            Wanted::CallId(id) => of_call_id(&all, id),
        };
        let no_such = || CutError::NoSuchCall { call: order.wanted.name(), kept: kept.clone() };
        let found = found.ok_or_else(no_such)?;
        if !found.from_the_start {
            notes.push(format!("the call began before what is kept, the last {kept}"));
        }
        let begin = all.get(found.range.start).map_or(checkpoint.now, |(_, entry)| entry.now) - order.before;
        let segment = run.iter().rposition(|(checkpoint, _)| checkpoint.now <= begin);
        if segment.is_none() && found.from_the_start && order.wanted != Wanted::All {
            let short = words::span((begin + order.before).since(checkpoint.now));
            notes.push(format!("what is kept begins only {short} before it"));
        }
        let segment = segment.filter(|_| order.wanted != Wanted::All).unwrap_or(0);
        let entries = all.iter().take(found.range.end).filter(|(n, _)| *n >= segment);
        let entries: Vec<Entry> = entries.map(|(_, entry)| (*entry).clone()).collect();
        let checkpoint = run.get(segment).map_or(checkpoint, |(checkpoint, _)| checkpoint).clone();
        let header = Header {
            build: crate::build(),
            made: checkpoint.wall + self.now.since(checkpoint.now),
            what: order.wanted.name(),
            notes,
        };
        let mut recording =
            Recording { header, checkpoint, entries, starts: Vec::new(), media: Vec::new(), torn: None };
        StandIns::new(key).replace(&mut recording).map_err(unreadable)?;
        Ok(recording)
    }

    /// The latest segments that follow each other without a gap, decoded.
    fn latest_run(&self) -> Vec<(crate::Checkpoint, Vec<Entry>)> {
        let mut run: Vec<(crate::Checkpoint, Vec<Entry>)> = Vec::new();
        for segment in &self.segments {
            let entries: Vec<Entry> = Entries::of(&segment.log).collect();
            let next = run.last().map(|(checkpoint, entries)| checkpoint.step + entries.len() as u64);
            if next.is_some_and(|next| next != segment.checkpoint.step) {
                run.clear();
            }
            run.push((segment.checkpoint.clone(), entries));
        }
        run
    }
}

impl Wanted {
    fn name(&self) -> String {
        match self {
            Self::All => "everything".to_owned(),
            Self::Call(call) => call.to_string(),
            Self::CallId(id) => id.clone(),
        }
    }
}

/// Where something was found.
struct Found {
    range: std::ops::Range<usize>,
    from_the_start: bool,
}

/// The call that an event is about.
const fn call_of(event: &Event) -> Option<u64> {
    match event {
        Event::CallStarted { call, .. }
        | Event::Description { call, .. }
        | Event::Asking { call, .. }
        | Event::Ringing { call, .. }
        | Event::Answered { call, .. }
        | Event::Hold { call, .. }
        | Event::Transfer { call, .. }
        | Event::Parking { call, .. }
        | Event::MediaFrom { call, .. }
        | Event::NoSound { call, .. }
        | Event::Digit { call, .. }
        | Event::RecordingStarted { call, .. }
        | Event::NotInRecording { call, .. }
        | Event::Matched { call, .. }
        | Event::Dialplan { call, .. }
        | Event::CallEnded { call, .. } => Some(*call),
        _ => None,
    }
}

fn of_number(all: &[(usize, &Entry)], call: u64, lives: impl FnOnce() -> bool) -> Option<Found> {
    let events = |entry: &Entry, wanted: &dyn Fn(&Event) -> bool| {
        entry.actions.iter().any(|action| matches!(action, Action::Report(event) if wanted(event)))
    };
    let is_of = |event: &Event| call_of(event) == Some(call);
    let started = |event: &Event| is_of(event) && matches!(event, Event::CallStarted { .. });
    let ended = |event: &Event| is_of(event) && matches!(event, Event::CallEnded { .. });
    let start = all.iter().position(|(_, entry)| events(entry, &started));
    let seen = all.iter().any(|(_, entry)| events(entry, &is_of));
    if start.is_none() && !seen && !lives() {
        return None;
    }
    let first = start.unwrap_or(0);
    let Some(end) = all.iter().position(|(_, entry)| events(entry, &ended)) else {
        return Some(Found { range: first..all.len(), from_the_start: start.is_some() });
    };
    // The last answers may still be on their way when the call is gone.
    let ids: BTreeSet<Bytes> =
        all.get(first..=end).unwrap_or_default().iter().take(1).flat_map(|e| ids(e.1)).collect();
    let late = all.get(end).map_or(Instant::FAR, |(_, entry)| entry.now + AFTERMATH);
    let last = all.iter().enumerate().skip(end).take_while(|(_, (_, entry))| entry.now <= late);
    let last = last.filter(|(_, (_, entry))| self::ids(entry).iter().any(|id| ids.contains(id))).last();
    let last = last.map_or(end, |(n, _)| n);
    Some(Found { range: first..last + 1, from_the_start: start.is_some() })
}

fn of_call_id(all: &[(usize, &Entry)], id: &str) -> Option<Found> {
    let has = |entry: &Entry| ids(entry).iter().any(|found| found == id.as_bytes());
    let first = all.iter().position(|(_, entry)| has(entry))?;
    let last = all.iter().rposition(|(_, entry)| has(entry))?;
    Some(Found { range: first..last + 1, from_the_start: true })
}

/// The Call-IDs of all messages of a step, as far as they are whole.
fn ids(entry: &Entry) -> Vec<Bytes> {
    let received = match &entry.input {
        Input::Datagram { bytes, .. } => Some(bytes),
        Input::Stream { event: StreamEvent::Bytes(bytes), .. } => Some(bytes),
        _ => None,
    };
    let sent = entry.actions.iter().filter_map(|action| match action {
        Action::Transmit { bytes, .. } => Some(bytes),
        _ => None,
    });
    let messages = received.into_iter().chain(sent).filter_map(|bytes| Message::parse(bytes.clone()).ok());
    let id =
        |message: Message| message.header(HeaderName::CallId).map(|id| Bytes::copy_from_slice(id.as_bytes()));
    messages.filter_map(id).collect()
}

/// Whether a call goes on when a recording begins.
fn lives_at_start(checkpoint: &crate::Checkpoint, call: u64) -> bool {
    let Ok(mut machine) = checkpoint.machine() else { return false };
    let mut actions = Vec::new();
    machine.handle(
        checkpoint.now,
        Input::Control { id: ControlId(0), request: Control::Calls },
        &mut actions,
    );
    actions.iter().any(|action| {
        matches!(action, Action::Reply { reply: ControlReply::Calls(calls), .. } if calls.iter().any(|c| c.id == call))
    })
}
