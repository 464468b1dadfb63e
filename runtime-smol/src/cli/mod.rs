//! The command line.

mod cdr;
mod codec;
mod dialplan;
mod explain;
mod parse;
mod prompts;
mod record;
mod recording;
mod replay;
mod rtp;
mod sim;
mod test;
mod transcode;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use telex_engine::event::Severity;
use telex_replay::MediaPolicy;

use crate::clock::Clock;
use crate::config::{self, Record as Recorded, Refused, Settings};
use crate::control::{self, Request};
use crate::driver::{self, Ending, Options};
use crate::{first_run, log, sounds};

/// Where the configuration is when nobody says otherwise.
const CONFIG: &str = "telex.toml";

/// Telex, a telephone exchange.
///
/// Without a command: runs with telex.toml in this folder, and writes one with two phones if there is none.
///
/// Exit status: 0 done, 1 not done, 2 wrong usage. TELEX_LOG or RUST_LOG sets what is logged on standard error: error,
/// warn, info (as without it) or debug.
#[derive(Debug, Parser)]
#[command(name = "telex", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the exchange.
    Run {
        #[command(flatten)]
        file: File,
        /// Print every SIP message.
        #[arg(long)]
        trace_sip: bool,
    },
    /// Say what is wrong with a configuration.
    Check {
        /// The configuration; the same as --config.
        #[arg(value_name = "FILE", conflicts_with = "config")]
        path: Option<PathBuf>,
        #[command(flatten)]
        file: File,
    },
    /// Show who is registered.
    Registrations(Running),
    /// Show calls.
    Calls(Running),
    /// End a call.
    Hangup {
        /// Its number, as `telex calls` shows it.
        id: u64,
        #[command(flatten)]
        running: Running,
    },
    /// Record a call into a file, WAV or Ogg Opus: start, pause, resume or stop.
    #[command(subcommand)]
    Recording(recording::Recording),
    /// Show which codecs a call from one phone to another would use, and why.
    Codecs {
        /// The phone that calls.
        from: String,
        /// The phone that is called.
        to: String,
        #[command(flatten)]
        running: Running,
    },
    Cdr(cdr::Cdr),
    #[command(subcommand)]
    Dialplan(dialplan::Command),
    Explain(Box<explain::Explain>),
    /// Read the configuration again, as SIGHUP does, and say what became of it.
    ///
    /// It is read and checked whole first; with anything wrong in it nothing changes. Calls go on, each with the
    /// dialplan that it began with.
    Reload(Running),
    /// Show sizes of all tables.
    Stats(Running),
    Sim(Box<sim::Sim>),
    Test(test::Test),
    Parse(parse::Parse),
    /// Keep what has happened: the flight recorder.
    #[command(subcommand)]
    Record(record::Record),
    Replay(replay::Replay),
    #[command(subcommand)]
    Rtp(rtp::Rtp),
    #[command(subcommand)]
    Codec(codec::Codec),
    Transcode(transcode::Transcode),
    #[command(subcommand)]
    Prompts(prompts::Prompts),
}

#[derive(Debug, Args)]
struct File {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct Running {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The control socket [default: what the configuration says, else beside it with the ending .sock].
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,
    #[command(flatten)]
    file: File,
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let clock = Clock::start();
    let cli = Cli::parse();
    let done = match cli.command {
        None => start(Path::new(CONFIG), clock),
        Some(Command::Run { file, trace_sip }) => load(&file.config).and_then(|s| run(s, trace_sip, clock)),
        Some(Command::Check { path, file }) => {
            load(path.as_deref().unwrap_or(&file.config)).map(|settings| check(&settings))
        }
        Some(Command::Registrations(running)) => ask(&running, &Request::Registrations),
        Some(Command::Calls(running)) => ask(&running, &Request::Calls),
        Some(Command::Hangup { id, running }) => ask(&running, &Request::Hangup { call: id }),
        Some(Command::Recording(recording)) => recording.run(),
        Some(Command::Codecs { from, to, running }) => ask(&running, &Request::Codecs { from, to }),
        Some(Command::Cdr(options)) => cdr::main(&options),
        Some(Command::Dialplan(command)) => dialplan::main(&command),
        Some(Command::Explain(options)) => explain::main(&options),
        Some(Command::Reload(running)) => ask(&running, &Request::Reload),
        Some(Command::Stats(running)) => ask(&running, &Request::Stats),
        Some(Command::Sim(options)) => return sim::main(&options),
        Some(Command::Test(options)) => return test::main(&options),
        Some(Command::Parse(options)) => return parse::main(&options),
        Some(Command::Record(record::Record::Cut(cut))) => record::cut(&cut),
        Some(Command::Replay(options)) => return replay::main(&options),
        Some(Command::Rtp(command)) => rtp::main(&command).map_err(Failure::from),
        Some(Command::Codec(command)) => codec::main(&command).map_err(Failure::from),
        Some(Command::Prompts(command)) => prompts::main(&command),
        Some(Command::Transcode(options)) => transcode::main(&options).map_err(Failure::from),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(text)) => {
            let _ = writeln!(std::io::stderr(), "{text}");
            ExitCode::FAILURE
        }
    }
}

/// What to tell when something was not done.
#[derive(Debug)]
struct Failure(String);

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self(format!("telex: {text}"))
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self(refused.render(colour))
    }
}

/// Prints to standard output; whoever closed it does not want to know.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Says something on standard error that does not stop what is being done.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "telex: {text}");
}

fn load(path: &Path) -> Result<Settings, Failure> {
    Ok(config::load_whole(path)?)
}

fn start(path: &Path, clock: Clock) -> Result<(), Failure> {
    match first_run::write(path) {
        Ok(welcome) => print(&welcome),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(format!("there is no {} and none can be written: {e}", path.display()).into()),
    }
    run(load(path)?, false, clock)
}

fn run(settings: Settings, trace_sip: bool, clock: Clock) -> Result<(), Failure> {
    // A machine that has met the impossible must not go on: the process ends and is started again by whoever watches
    // it.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
    match driver::run(settings, Options { trace_sip, log: log_filter()?, clock })? {
        Ending::Orderly => Ok(()),
        Ending::Abrupt => Err("stopped before all calls had ended".to_owned().into()),
    }
}

fn log_filter() -> Result<Option<Severity>, Failure> {
    let set = ["TELEX_LOG", "RUST_LOG"].iter().find_map(|name| Some((name, std::env::var(name).ok()?)));
    let Some((name, text)) = set else { return Ok(Some(Severity::Info)) };
    log::filter(&text).map_err(|part| {
        let part = log::Escaped(&part).to_string();
        format!("{name}: `{part}` is not understood; write error, warn, info, debug or off").into()
    })
}

fn check(settings: &Settings) {
    let phones = settings.engine.phones.len();
    let s = if phones == 1 { "" } else { "s" };
    print(&format!("{} is right: {phones} phone{s}\n", settings.path.display()));
    if let Some(plan) = &settings.dialplan {
        print(&format!("{}\n", plan.line()));
        plan.warnings.iter().for_each(|warning| print(&format!("{warning}\n")));
    }
    print(&recorded(&settings.record));
    let own = settings.engine.sounds.len().saturating_sub(sounds::builtin().len());
    let music =
        settings.engine.music.as_deref().map_or("silence".to_owned(), |class| format!("music \"{class}\""));
    print(&format!(
        "sounds: {}, {own} of them the site's own; on hold: {music}\n",
        settings.engine.sounds.len()
    ));
    for station in &settings.own.stations {
        print(&format!("music \"{}\" comes from {}\n", station.class, station.program.display()));
    }
    settings.told.iter().for_each(|told| tell(told));
}

/// What the flight recorder keeps and what that costs.
fn recorded(record: &Recorded) -> String {
    let size = |octets: usize| match octets >> 20 {
        0 => format!("{} KiB", octets >> 10),
        mebi => format!("{mebi} MiB"),
    };
    let Some(memory) = record.memory else { return "nothing is recorded\n".to_owned() };
    let signalling = format!("recorded: signalling in {}", size(memory));
    match record.media {
        None => format!("{signalling}, no media\n"),
        Some((policy, memory)) => {
            // A call of two legs, 50 packets a second from each.
            let (what, kilo) = match policy {
                MediaPolicy::Headers => ("media without sound", 5),
                MediaPolicy::All => ("media, the VOICES OF PEOPLE and the keys they press included,", 22),
            };
            // An eighth or two is always being written anew.
            let seconds = memory / 4 * 3 / (kilo * 1000);
            format!(
                "{signalling}, {what} in {}: some {seconds} seconds of one G.711 call, or of many together\n",
                size(memory)
            )
        }
    }
}

fn ask(running: &Running, request: &Request) -> Result<(), Failure> {
    print(&control::ask(&running.socket(), request, running.json)?);
    Ok(())
}

impl Running {
    /// Where the exchange answers.
    fn socket(&self) -> PathBuf {
        match &self.control {
            Some(socket) => socket.clone(),
            // The exchange may run on while its file is being edited, or from a file that this user may not read.
            None => config::load(&self.file.config)
                .map_or_else(|_| self.file.config.with_extension("sock"), |settings| settings.control),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
