//! `telex rtp send`: a stream of packets, each at its moment.

use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};
use telex_audio::codec::{Encoded, Encoder, Encoding, Settings};
use telex_engine::rtp::{Header, SenderInfo};

use super::control::{self, Heard};
use super::pace::{Accuracy, Schedule};
use super::payloads::{self, DYNAMIC};
use super::ports::{self, Pair};
use super::tell::{Tell, clock};
use super::watch::{Watch, Woken};
use crate::sound::{Feed, Microphone, SoundFile, Source, Tone};

/// Longest packet, as the IP datagram it becomes, that no network has to cut up.
const MOST_OCTETS: usize = 1500 - 28;

/// Send sound as RTP, paced by the clock, with RTCP on the next port.
///
/// Packets go at absolute moments, so that their errors do not add up; how well that was kept is said at the end.
/// Ends with the file, after --seconds, or on Ctrl-C.
#[derive(Debug, Args)]
pub(in crate::cli) struct Send {
    /// Where to send.
    #[arg(short, long, value_name = "HOST:PORT")]
    destination: String,
    #[command(flatten)]
    what: What,
    /// How to encode.
    #[arg(long, value_name = "NAME", default_value = "pcmu")]
    codec: String,
    /// Milliseconds of sound in a packet.
    #[arg(long, value_name = "MS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    ptime: u32,
    /// Payload type [default: that of RFC 3551 if the codec has one, else 96].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=127))]
    payload_type: Option<u8>,
    /// Stop after so much.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Play the file again and again.
    #[arg(long = "loop", requires = "file")]
    again: bool,
    /// Write a session description (SDP) for whoever receives.
    #[arg(long, value_name = "FILE")]
    sdp: Option<PathBuf>,
    /// Print JSON documents, one a line: streaming, progress, ended.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Send a file.
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// Send a tone of this frequency.
    #[arg(long, value_name = "HERTZ")]
    tone: Option<f64>,
    /// Send what the microphone hears (in a build with the feature `sound`).
    #[arg(long)]
    mic: bool,
}

/// Runs the command.
pub(super) fn main(options: &Send) -> Result<(), String> {
    let plan = Plan::new(options)?;
    let destination = ports::resolve(&options.destination)?;
    let mut tell = Tell::new(options.json);
    let feed = plan.feed(options, &mut tell)?;
    let pair = Pair::towards(destination)?;
    if let Some(path) = &options.sdp {
        let from = pair.rtp.local_addr().map_or(destination.ip(), |a| a.ip());
        let text =
            payloads::description(destination, from, (plan.payload_type, plan.encoding), options.ptime);
        std::fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    }
    let mut sender = Sender::new(plan, feed, pair, tell)?;
    sender.begin(destination);
    sender.run()
}

/// What each packet is.
#[derive(Clone, Copy, Debug)]
struct Plan {
    encoding: Encoding,
    payload_type: u8,
    /// Samples in a packet, at the encoder's rate.
    samples: usize,
    /// What a packet adds to the timestamp.
    step: u32,
    interval: Duration,
    /// Packets to send.
    most: u64,
}

impl Plan {
    fn new(options: &Send) -> Result<Self, String> {
        let encoding = Encoding::from_name(&options.codec).ok_or_else(|| {
            format!("codec {:?} is not known; known are {}", options.codec, payloads::names())
        })?;
        let properties = encoding.properties();
        let ptime = options.ptime;
        let whole = |per_second: u32| (u64::from(per_second) * u64::from(ptime)).is_multiple_of(1000);
        let samples = u64::from(properties.rate) * u64::from(ptime) / 1000;
        let frames = samples.is_multiple_of(properties.frame.into());
        if !whole(properties.rate) || !whole(properties.clock) || !frames || samples == 0 {
            let fits = |ms: &u32| {
                let samples = u64::from(properties.rate) * u64::from(*ms);
                samples.is_multiple_of(1000) && (samples / 1000).is_multiple_of(properties.frame.into())
            };
            let good: Vec<String> = (5..=60).filter(fits).map(|ms| ms.to_string()).take(8).collect();
            let name = properties.name;
            return Err(format!(
                "{name} cannot be cut into packets of {ptime} ms; --ptime {} can",
                good.join(", ")
            ));
        }
        let most = match options.seconds {
            Some(seconds) if seconds.is_nan() || seconds <= 0.0 => {
                return Err("--seconds must be more than 0".to_owned());
            }
            Some(seconds) => (seconds * 1000.0 / f64::from(ptime)).ceil() as u64,
            None => u64::MAX,
        };
        Ok(Self {
            encoding,
            payload_type: options.payload_type.or(properties.payload_type).unwrap_or(DYNAMIC),
            samples: samples as usize,
            step: (u64::from(properties.clock) * u64::from(ptime) / 1000) as u32,
            interval: Duration::from_millis(ptime.into()),
            most,
        })
    }

    /// The sound, at the encoder's rate.
    fn feed(&self, options: &Send, tell: &mut Tell) -> Result<Feed, String> {
        let rate = self.encoding.properties().rate;
        let source = match (&options.what.file, options.what.tone) {
            (Some(path), _) => {
                let file = SoundFile::open(path)?;
                let resampled = if file.rate() == rate { String::new() } else { format!(" -> {rate} Hz") };
                let what = file.describe();
                tell.remark(format_args!("Reading from {} ({what}{resampled})", path.display()));
                Source::File { file, again: options.again }
            }
            (None, Some(hertz)) if hertz > 0.0 && hertz < f64::from(rate) / 2.0 => {
                Source::Tone(Tone::new(hertz, rate))
            }
            (None, Some(hertz)) => {
                return Err(format!("a tone of {hertz} Hz does not fit into {rate} samples per second"));
            }
            (None, None) => {
                let microphone = Microphone::open()?;
                let own = microphone.rate();
                tell.remark(format_args!("Capturing from default microphone ({own} Hz -> {rate} Hz)"));
                Source::Microphone(microphone)
            }
        };
        Feed::new(source, rate)
    }
}

/// A stream under way.
#[derive(Debug)]
struct Sender {
    plan: Plan,
    feed: Feed,
    pair: Pair,
    tell: Tell,
    watch: Watch,
    encoder: Encoder,
    /// Of the next packet.
    header: Header,
    name: String,
    start: Instant,
    accuracy: Accuracy,
    /// Packets due so far, and those of them that were sent.
    due: u64,
    packets: u64,
    octets: u64,
    /// Times the host slept through, in packets.
    slept: u64,
    report: Instant,
    heard: Option<Heard>,
    refused: bool,
}

impl Sender {
    fn new(plan: Plan, feed: Feed, pair: Pair, tell: Tell) -> Result<Self, String> {
        let [s0, s1, s2, s3, n0, n1, t0, t1, t2, t3, c0, c1, c2, c3] = ports::random()?;
        let header = Header {
            marker: true,
            payload_type: plan.payload_type,
            sequence: u16::from_be_bytes([n0, n1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
        };
        let now = Instant::now();
        Ok(Self {
            plan,
            feed,
            pair,
            tell,
            watch: Watch::new()?,
            encoder: Encoder::new(plan.encoding, Settings::default()),
            header,
            name: format!("{:08x}", u32::from_be_bytes([c0, c1, c2, c3])),
            start: now,
            accuracy: Accuracy::default(),
            due: 0,
            packets: 0,
            octets: 0,
            slept: 0,
            report: now,
            heard: None,
            refused: false,
        })
    }

    fn begin(&mut self, destination: SocketAddr) {
        let properties = self.plan.encoding.properties();
        let ptime = self.plan.interval.as_millis();
        let octets = u128::from(properties.bits) * ptime / 8000;
        let (number, ssrc) = (self.plan.payload_type, self.header.ssrc);
        self.tell.remark(format_args!(
            "Encoding: {}, {} Hz (payload type {number})",
            properties.name, properties.rate
        ));
        self.tell.remark(format_args!("Packet size: {octets} bytes ({ptime}ms)"));
        if octets as usize + Header::OCTETS > MOST_OCTETS {
            self.tell
                .warn("packets are too long for most networks, which cut them up; a smaller --ptime helps");
        }
        self.tell.event(format_args!("Streaming to {destination}... (SSRC: 0x{ssrc:08X})"), || {
            json!({
                "event": "streaming", "destination": destination.to_string(), "ssrc": ssrc, "payload_type": number,
                "codec": properties.name, "clock": properties.clock, "ptime_ms": ptime as u64,
                "packet_octets": octets as u64,
            })
        });
    }

    fn run(&mut self) -> Result<(), String> {
        let (mut pcm, mut packet) = (Vec::new(), Vec::new());
        self.start = Instant::now();
        self.report = self.start;
        let mut schedule = Schedule::new(self.start, self.plan.interval);
        while self.due < self.plan.most {
            pcm.clear();
            if self.feed.take(self.plan.samples, &mut pcm)? == 0 {
                break;
            }
            packet.clear();
            packet.extend(self.header.to_bytes());
            let encoded = self.encoder.encode(&pcm, &mut packet);
            if !self.wait(schedule.due())? {
                break;
            }
            let now = Instant::now();
            let due = schedule.due();
            let missed = schedule.go(now);
            if missed > 0 {
                self.slept += u64::from(missed);
                self.header.timestamp =
                    self.header.timestamp.wrapping_add(self.plan.step.wrapping_mul(missed));
                self.header.marker = true;
                packet.splice(..Header::OCTETS, self.header.to_bytes());
            } else {
                self.accuracy.note(due - self.start, now.saturating_duration_since(due));
            }
            self.send(encoded, &packet)?;
            if now >= self.report {
                self.report(false)?;
            }
            if now >= self.tell.due() {
                let line = self.line();
                let document = self.document("progress");
                self.tell.progress(&line, || document);
            }
        }
        self.end()
    }

    /// Sends a packet, if there is something in it, and makes the header of the next one.
    fn send(&mut self, encoded: Encoded, packet: &[u8]) -> Result<(), String> {
        self.due += 1;
        self.header.timestamp = self.header.timestamp.wrapping_add(self.plan.step);
        // What comes after a silence is marked (RFC 3551 §4.1).
        self.header.marker = encoded != Encoded::Sound;
        if encoded == Encoded::Nothing {
            return Ok(());
        }
        self.header.sequence = self.header.sequence.wrapping_add(1);
        match self.pair.rtp.send(packet) {
            Ok(_) => {}
            // The answer to the packet before: this one was not sent.
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => {
                self.refuse();
                let _ = self.pair.rtp.send(packet);
            }
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
            Err(e) => return Err(format!("cannot send: {e}")),
        }
        self.packets += 1;
        self.octets += packet.len().saturating_sub(Header::OCTETS) as u64;
        Ok(())
    }

    /// Waits until `due`, hearing what the far side says meanwhile. False when somebody wants an end.
    fn wait(&mut self, due: Instant) -> Result<bool, String> {
        loop {
            let sockets = self.pair.sockets();
            match self.watch.wait(due, &sockets).map_err(|e| format!("cannot wait: {e}"))? {
                Woken::Due => return Ok(true),
                Woken::Stop => return Ok(false),
                Woken::Readable => self.listen(),
            }
        }
    }

    fn listen(&mut self) {
        let clock = self.plan.encoding.properties().clock;
        let mut refused = false;
        for socket in self.pair.sockets() {
            let heard = read_all(socket, |datagram| Heard::read(datagram, self.header.ssrc, clock));
            match heard {
                Ok(heard) => self.heard = heard.or(self.heard),
                Err(_) => refused |= std::ptr::eq(socket, &self.pair.rtp),
            }
        }
        if refused {
            self.refuse();
        }
    }

    /// The far host says that no program listens there.
    fn refuse(&mut self) {
        if !self.refused {
            self.refused = true;
            self.tell.warn("nobody listens there now: the host refuses the packets; sending goes on");
        }
    }

    fn report(&mut self, last: bool) -> Result<(), String> {
        let Some(rtcp) = &self.pair.rtcp else { return Ok(()) };
        let [chance] = ports::random()?;
        let now = Instant::now();
        // The timestamp of this moment, not of the last packet.
        let clock = u128::from(self.plan.encoding.properties().clock);
        let ahead = self.start.elapsed().as_nanos() * clock / 1_000_000_000;
        let sent = u128::from(self.due + self.slept) * u128::from(self.plan.step);
        let timestamp = self.header.timestamp.wrapping_add(ahead as u32).wrapping_sub(sent as u32);
        let info = SenderInfo {
            ntp: control::ntp(),
            timestamp,
            packets: self.packets as u32,
            octets: self.octets as u32,
        };
        // What becomes of it does not matter to the stream.
        let _ = rtcp.send(&control::report(self.header.ssrc, &self.name, Some(info), None, last));
        self.report = control::next_report(now, chance);
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        self.report(true)?;
        for warning in self.feed.source().warnings() {
            self.tell.warn(warning);
        }
        let line = self.line();
        let document = self.document("ended");
        self.tell.event(line, || document);
        self.tell.remark(format_args!("Pacing: {}", self.accuracy));
        if self.slept > 0 {
            let slept = self.plan.interval.saturating_mul(u32::try_from(self.slept).unwrap_or(u32::MAX));
            self.tell.warn(format_args!("this host slept for {slept:?}, which was left out"));
        }
        Ok(())
    }

    /// How much sound has gone.
    fn duration(&self) -> Duration {
        self.plan.interval.saturating_mul(u32::try_from(self.due).unwrap_or(u32::MAX))
    }

    fn line(&self) -> String {
        let line = format!("Sent {} packets | Duration: {}", self.packets, clock(self.duration()));
        match &self.heard {
            Some(heard) => format!("{line} | {heard}"),
            None => line,
        }
    }

    fn document(&self, event: &str) -> Value {
        json!({
            "event": event, "packets": self.packets, "octets": self.octets,
            "seconds": self.duration().as_secs_f64(), "pacing": self.accuracy.document(),
            "slept_packets": self.slept, "refused": self.refused,
            "far_side": self.heard.map(|heard| heard.document()),
        })
    }
}

/// The last thing that datagrams waiting at a socket say.
fn read_all<T>(socket: &UdpSocket, mut of: impl FnMut(&[u8]) -> Option<T>) -> std::io::Result<Option<T>> {
    let (mut buffer, mut last) = ([0; 2048], None);
    loop {
        match socket.recv(&mut buffer) {
            Ok(length) => last = buffer.get(..length).and_then(&mut of).or(last),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return Ok(last),
            Err(e) => return Err(e),
        }
    }
}
