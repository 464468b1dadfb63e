//! `telex rtp receive`: a stream of packets made sound again, and told about.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::payloads::{Given, Payloads};
use super::ports::Pair;
use super::sink::Sink;
use super::stream::Stream;
use super::tell::Tell;
use super::watch::{Watch, Woken};

/// Sound is taken from the jitter buffer in pieces of this length.
const TICK: Duration = Duration::from_millis(20);
/// Time until which nothing has to be done when nothing has come yet.
const IDLE: Duration = Duration::from_secs(3600);

/// Receive RTP: tell about it, keep it in a file, play it.
///
/// Ends when the stream has stopped for --wait seconds, or on Ctrl-C; the file is whole either way. The file begins
/// with the first sound and ends with the last.
#[derive(Debug, Args)]
pub(in crate::cli) struct Receive {
    /// UDP port to listen on; RTCP is on the one above [default: that of --sdp].
    #[arg(short, long, required_unless_present = "sdp", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    address: IpAddr,
    /// Write what is heard to a WAV file, 16 bits, at the rate of the stream.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Play what is heard (in a build with the feature `sound`).
    #[arg(long)]
    playback: bool,
    /// Take port and payload types from a session description.
    #[arg(long, value_name = "FILE")]
    sdp: Option<PathBuf>,
    /// What a payload type stands for, if RFC 3551 does not say: 96=opus/48000; more than once for several.
    #[arg(long, value_name = "N=NAME/CLOCK")]
    payload: Vec<Given>,
    /// Stop when nothing has come for so long.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    wait: f64,
    /// Print JSON documents, one a line: listening, first_packet, buffer, key, progress, ended and others.
    #[arg(long)]
    json: bool,
}

/// Datagrams taken from a socket before the clock is looked at again.
const AT_ONCE: usize = 256;

/// Runs the command.
pub(super) fn main(options: &Receive) -> Result<(), String> {
    let wait = Duration::try_from_secs_f64(options.wait)
        .map_err(|_| "--wait must be 0 seconds or more".to_owned())?;
    let mut payloads = Payloads::fixed();
    let described = options.sdp.as_ref().map(|path| payloads.read(path)).transpose()?.flatten();
    payloads.give(&options.payload);
    let port =
        options.port.or(described.map(|a| a.port())).ok_or("the session description has no port; use -p")?;
    let sink = Sink::open(options.output.as_deref(), options.playback)?;
    if options.playback {
        Tell::new(options.json).remark("Playing audio through default device...");
    }
    let pair = Pair::at(SocketAddr::new(options.address, port))?;
    let mut tell = Tell::new(options.json);
    tell.event(
        format_args!("Listening for RTP on port {port}"),
        || json!({"event": "listening", "port": port}),
    );
    let mut receiver = Receiver {
        wait,
        stream: Stream::new(payloads)?,
        sink,
        pair,
        tell,
        start: Instant::now(),
        ticks: None,
    };
    receiver.run(&Watch::new()?)
}

/// What is going on.
#[derive(Debug)]
struct Receiver {
    wait: Duration,
    stream: Stream,
    sink: Sink,
    pair: Pair,
    tell: Tell,
    start: Instant,
    /// When sound was first taken, and how often since.
    ticks: Option<(Instant, u32)>,
}

impl Receiver {
    fn run(&mut self, watch: &Watch) -> Result<(), String> {
        loop {
            let due = match self.ticks {
                Some((begin, count)) => begin + TICK * count,
                None => Instant::now() + IDLE,
            };
            let woken = watch.wait(due, &self.pair.sockets()).map_err(|e| format!("cannot wait: {e}"))?;
            let now = Instant::now();
            match woken {
                Woken::Stop => break,
                Woken::Readable => self.take(now)?,
                Woken::Due => {}
            }
            // A host that was busy catches up: the file has all its samples.
            while let Some((begin, count)) = self.ticks
                && begin + TICK * count <= now
            {
                self.ticks = Some((begin, count + 1));
                self.tick(begin + TICK * count)?;
            }
            if self
                .stream
                .last()
                .is_some_and(|last| now.saturating_duration_since(self.start + last) >= self.wait)
            {
                break;
            }
        }
        self.end()
    }

    /// Takes what waits at the sockets.
    fn take(&mut self, now: Instant) -> Result<(), String> {
        let mut buffer = [0; 65_536];
        let since = now.saturating_duration_since(self.start);
        for socket in self.pair.sockets() {
            for _ in 0..AT_ONCE {
                match socket.recv_from(&mut buffer) {
                    Ok((length, from)) => {
                        let datagram = buffer.get(..length).unwrap_or_default();
                        self.stream.take(since, datagram, from, &mut self.tell);
                    }
                    Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => break,
                    // The answer to a report of ours: that nobody takes them.
                    Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => {}
                    Err(e) => return Err(format!("cannot receive: {e}")),
                }
            }
        }
        if self.ticks.is_none() && self.stream.last().is_some() {
            self.ticks = Some((now, 0));
        }
        Ok(())
    }

    /// Takes the sound of one tick from the stream, and tells how things stand.
    fn tick(&mut self, at: Instant) -> Result<(), String> {
        let since = at.saturating_duration_since(self.start);
        self.stream.pull(since, TICK, &mut self.sink, &mut self.tell)?;
        if let Some((to, report)) = self.stream.report(since) {
            let socket = self.pair.rtcp.as_ref().unwrap_or(&self.pair.rtp);
            // What becomes of it does not matter to the stream.
            let _ = socket.send_to(&report, to);
        }
        if at >= self.tell.due() {
            let line = self.stream.line();
            self.tell.progress(&line, || self.stream.document("progress"));
        }
        Ok(())
    }

    /// Plays what still waits, and closes the file.
    fn end(&mut self) -> Result<(), String> {
        let now = self.start.elapsed();
        let mut drained = Duration::ZERO;
        while drained < Duration::from_secs(1) && self.stream.waiting() {
            drained += TICK;
            self.stream.pull(now + drained, TICK, &mut self.sink, &mut self.tell)?;
        }
        let saved = self.sink.close()?;
        self.stream.conclude(saved, &mut self.tell);
        Ok(())
    }
}
