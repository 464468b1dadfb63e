//! The running exchange: feeds the engine, performs its actions, keeps the clock. It decides nothing about telephony.

mod exchange;
mod host;
mod listeners;
mod resolver;
mod streams;
mod udp;
mod waiting;

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_signal::{Signal, Signals};
use smol::channel::{Sender, bounded};
use smol::stream::StreamExt as _;
use smol::{Async, LocalExecutor};
use telex_engine::Signalling;
use telex_engine::border::{Boot, Input, ListenerId, Lsn, StreamId};
use telex_engine::event::Severity;
use telex_engine::rng::Seed;

use crate::clock::{self, Clock};
use crate::config::{Refused, Settings};
use crate::control::{self, Question, Reloaded};
use crate::desk::{Desk, Opening};
use crate::media::{self, Shard};
use crate::poll::{Bell, Poller, Post};
use crate::record::Tape;
use crate::recordings::Recordings;
use crate::sounds::Broadcasts;
use exchange::{Exchange, Parts};
use listeners::Listeners;
use resolver::Resolver;
use streams::Streams;

pub(crate) use host::interfaces;

/// Arrivals that wait for the engine. What does not fit waits in the kernel, which drops datagrams and holds streams
/// back.
const INBOX: usize = 512;
/// How long the end of recordings may take to be written.
const LAST_PIECES: Duration = Duration::from_secs(1);

/// Something that happened outside.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// The engine wants to know.
    Input(Input),
    /// A peer opened a stream.
    Accepted(ListenerId, Async<TcpStream>),
    /// A peer's stream could not be taken.
    AcceptFailed(io::Error),
    /// A stream of ours has opened, or not.
    Connected(StreamId, io::Result<Async<TcpStream>>),
    /// An operator asks.
    Asked(Question),
    /// The system sends a signal.
    Signal(Signal),
    /// The configuration was read again, for whoever asks.
    Reread(Box<Result<Settings, Refused>>, Option<Asker>),
}

/// Where it goes what became of reading the configuration again, or what is wrong with it.
type Asker = Sender<Result<Reloaded, Vec<String>>>;

/// What is asked for on the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Print every SIP message.
    pub(crate) trace_sip: bool,
    /// The least severity that is logged.
    pub(crate) log: Option<Severity>,
    /// When the process started.
    pub(crate) clock: Clock,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As asked, after all calls had ended.
    Orderly,
    /// At once, because the order to stop was given twice, or calls did not end.
    Abrupt,
}

/// Runs the exchange until it is told to stop.
///
/// Errors with the reason why it could not start, and a remedy.
pub(crate) fn run(settings: Settings, options: Options) -> Result<Ending, String> {
    let files = host::raise_file_limit();
    let executor = Rc::new(LocalExecutor::new());
    let (inbox, arrivals) = bounded(INBOX);
    let poller = Poller::new().map_err(|e| format!("cannot wait for sockets: {e}"))?;
    let bell = Bell::of(&poller);
    let (reports, reported) = Post::new(bell.clone());
    // The database opens while sockets are bound.
    let (desk, desk_thread) = Desk::start(opening(&settings, reports.clone()), options.log)
        .map_err(|e| format!("cannot start a thread: {e}"))?;
    let mut listeners = Listeners::new(Rc::clone(&executor), inbox.clone());
    listeners.become_(&settings.listen, &poller)?;
    // Media has randomness of its own: a recording of signalling says nothing about it.
    let (seed, media_seed) = (Seed::from_bytes(random()?), Seed::from_bytes(random()?));
    let [a, b, c, d, ..] = random()?;
    let first_pair = u32::from_be_bytes([a, b, c, d]);
    let recordings = Recordings::new(settings.recordings.clone(), desk.clone());
    let plan = media::Plan {
        first_pair,
        desk: Some(desk.clone()),
        recordings: Some(recordings.clone()),
        ..plan(&settings, media_seed, options.clock, reports)
    };
    let shards = media::start(&plan).map_err(|e| unbound(&plan, &e))?;
    let (socket, _file) = control::bind(&settings.control)?;
    let unusable = |e| format!("cannot use the database {}: {e}", settings.store.display());
    let saved = desk_thread.saved().map_err(unusable)?;
    let boot = Boot {
        wall: clock::wall(),
        listeners: listeners.list(),
        interfaces: interfaces(),
        shards: plan.shards,
        bindings: saved.bindings,
        values: saved.values,
        next_lsn: Lsn(saved.last.0 + 1),
    };
    let machine = Signalling::new(Arc::clone(&settings.engine), seed, boot);
    let signals = Signals::new([Signal::Int, Signal::Term, Signal::Hup])
        .map_err(|e| format!("cannot receive signals: {e}"))?;
    settings.told.iter().for_each(|told| desk.note(Severity::Warning, told.clone()));
    tell_dialplan(&settings, &desk);
    announce(&settings, &listeners, options.clock);
    let exchange = Exchange::new(Parts {
        broadcasts: broadcasts(&settings, &shards, &desk),
        tape: Tape::new(settings.record.memory, random()?),
        machine,
        settings,
        options,
        desk: desk.clone(),
        recordings: recordings.clone(),
        executor: Rc::clone(&executor),
        inbox: inbox.clone(),
        arrivals,
        reported,
        poller,
        bell,
        streams: Streams::new(Rc::clone(&executor), inbox.clone(), files / 2),
        resolver: Resolver::new(Rc::clone(&executor), inbox.clone()),
        listeners,
        shards,
    });
    executor.spawn(forward_signals(signals, inbox.clone())).detach();
    let operators = Rc::clone(&executor);
    executor.spawn(async move { socket.serve(&operators, move |q| ask(inbox.clone(), q)).await }).detach();
    let ending = exchange.run();
    recordings.flush(LAST_PIECES);
    desk_thread.end(&desk);
    Ok(ending)
}

fn broadcasts(settings: &Settings, shards: &[Shard], desk: &Desk) -> Broadcasts {
    let mut broadcasts = Broadcasts::new(shards.iter().map(Shard::ear).collect(), desk.clone());
    broadcasts.become_(&settings.own.stations);
    broadcasts
}

fn opening(settings: &Settings, stored: Post<Input>) -> Opening {
    Opening { path: settings.store.clone(), keep: settings.records, now: clock::wall(), stored }
}

/// Why there is no media.
fn unbound(plan: &media::Plan, error: &io::Error) -> String {
    let (ports, bind) = (plan.ports, plan.bind);
    format!(
        "cannot bind media ports {ports} on {bind}: {error}; choose others in [media] ports, or another [media] bind"
    )
}

fn plan(settings: &Settings, seed: Seed, clock: Clock, reports: Post<Input>) -> media::Plan {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get()).min(usize::from(u8::MAX));
    media::Plan {
        shards: u8::try_from(cores).unwrap_or(u8::MAX),
        bind: settings.media_bind,
        ports: settings.media_ports,
        first_pair: 0,
        seed,
        clock,
        reports,
        record: settings.record.media,
        desk: None,
        recordings: None,
        sounds: Arc::clone(&settings.engine.sounds),
    }
}

/// Octets that nobody can guess.
fn random() -> Result<[u8; 32], String> {
    let mut octets = [0; 32];
    getrandom::fill(&mut octets).map_err(|e| format!("the system has no randomness to give: {e}"))?;
    Ok(octets)
}

/// Says which dialplan was loaded, and what is odd in it.
fn tell_dialplan(settings: &Settings, desk: &Desk) {
    let Some(plan) = &settings.dialplan else { return };
    desk.note(Severity::Info, plan.line());
    plan.warnings.iter().for_each(|warning| desk.note(Severity::Warning, warning.clone()));
}

/// Says that calls can come now: one line on standard output, and a word to systemd.
fn announce(settings: &Settings, listeners: &Listeners, clock: Clock) {
    let millis = clock.now().since(telex_engine::time::Instant::ZERO).as_millis();
    let heard = listeners::describe(&listeners.list());
    // Whoever closed standard output does not want to know.
    let _ = writeln!(
        io::stdout(),
        "SIP listening on {heard} · RTP {} · ready in {millis} ms",
        settings.media_ports
    );
    let _ = io::stdout().flush();
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
}

async fn forward_signals(mut signals: Signals, inbox: Sender<Arrival>) {
    while let Some(Ok(signal)) = signals.next().await {
        if inbox.send(Arrival::Signal(signal)).await.is_err() {
            return;
        }
    }
}

async fn ask(inbox: Sender<Arrival>, question: Question) {
    // Without an exchange the question is dropped, which tells the operator so.
    let _ = inbox.send(Arrival::Asked(question)).await;
}
