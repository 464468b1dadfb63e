//! Music that a program makes while it is heard: one thread that reads what all of them write, at the pace at which it
//! is heard, and hands it to the media threads.
//!
//! Programs run as long as the exchange does, so that who is put on hold hears what is on the air. They write to pipes
//! that are never waited for.

use std::io::{ErrorKind, Read};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use smol_str::SmolStr;
use telex_audio::codec::g722;
use telex_audio::resample::Resampler;
use telex_engine::event::Severity;
use telex_engine::mediactl::CLIP_RATE;

use super::speech::found;
use crate::desk::Desk;
use crate::media::Ear;

/// How often it is looked what has been written.
const TURN: Duration = Duration::from_millis(50);
/// What may be read at once of a program that was late: less than media waits for what is late.
const BURST: Duration = Duration::from_millis(250);
/// Nothing has come for so long: the class is its files meanwhile.
const QUIET: Duration = Duration::from_secs(3);
/// Nothing has come for so long: the program hangs.
const STUCK: Duration = Duration::from_secs(30);
/// A program that has ended is started again after this, then after twice as long each time.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A program that has made music for so long is not one that fails at once.
const WELL: Duration = Duration::from_secs(60);
/// What is said of a program that has ended.
const ENDED: &str = "has ended";
/// What a program says is kept up to this length.
const WORDS: usize = 200;
/// Pieces of what it says that are read in one turn.
const SAYINGS: usize = 16;

/// A program that writes music: 16-bit samples of one channel, least significant octet first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Station {
    /// The class that it is.
    pub(crate) class: SmolStr,
    /// Where it lies.
    pub(crate) program: PathBuf,
    /// What it is told.
    pub(crate) arguments: Vec<String>,
    /// Its samples per second.
    pub(crate) rate: u32,
}

impl Station {
    /// Where a program lies: in the search path by its name, or beside the configuration by its path.
    pub(crate) fn program(name: &str, beside: &Path) -> Option<PathBuf> {
        match name.contains('/') {
            true => Some(beside.join(name)).filter(|path| path.is_file()),
            false => found(name),
        }
    }
}

/// The way to the thread.
#[derive(Debug)]
pub(crate) struct Broadcasts {
    ears: Vec<Ear>,
    desk: Desk,
    thread: Option<(Sender<Vec<Station>>, JoinHandle<()>)>,
}

impl Broadcasts {
    /// Nothing is broadcast yet.
    pub(crate) fn new(ears: Vec<Ear>, desk: Desk) -> Self {
        Self { ears, desk, thread: None }
    }

    /// These are broadcast from now on. What was broadcast before goes on undisturbed. The thread begins with the
    /// first.
    pub(crate) fn become_(&mut self, stations: &[Station]) {
        if self.thread.is_none() && !stations.is_empty() {
            let (way, orders) = channel();
            let mut studio = Studio { ears: self.ears.clone(), desk: self.desk.clone(), on_air: Vec::new() };
            let thread = std::thread::Builder::new().name("telex-music".to_owned()).stack_size(512 << 10);
            match thread.spawn(move || studio.run(&orders)) {
                Ok(thread) => self.thread = Some((way, thread)),
                Err(error) => {
                    let note = format!("no music from programs: no thread can be started: {error}");
                    self.desk.note(Severity::Error, note);
                }
            }
        }
        if let Some((way, _)) = &self.thread {
            let _ = way.send(stations.to_vec());
        }
    }
}

impl Drop for Broadcasts {
    /// Ends all programs.
    fn drop(&mut self) {
        if let Some((way, thread)) = self.thread.take() {
            drop(way);
            let _ = thread.join();
        }
    }
}

/// The thread.
struct Studio {
    ears: Vec<Ear>,
    desk: Desk,
    on_air: Vec<OnAir>,
}

impl Studio {
    fn run(&mut self, orders: &Receiver<Vec<Station>>) {
        let mut next = Instant::now();
        loop {
            let order = match self.on_air.is_empty() {
                true => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => orders.recv_timeout(next.saturating_duration_since(Instant::now())),
            };
            match order {
                Ok(stations) => self.change(stations),
                Err(RecvTimeoutError::Timeout) => {
                    let now = Instant::now();
                    next = (next + TURN).max(now);
                    self.on_air.iter_mut().for_each(|station| station.turn(now, &self.ears, &self.desk));
                }
                Err(RecvTimeoutError::Disconnected) => return self.change(Vec::new()),
            }
        }
    }

    fn change(&mut self, stations: Vec<Station>) {
        let gone = |on_air: &mut OnAir| !stations.contains(&on_air.station);
        for mut over in self.on_air.extract_if(.., gone) {
            over.stop(false);
            over.fall_silent(&self.ears);
        }
        for station in stations {
            if self.on_air.iter().all(|on_air| on_air.station != station) {
                self.on_air.push(OnAir::new(station));
            }
        }
    }
}

/// A program that runs.
struct Running {
    child: Child,
    music: ChildStdout,
    words: ChildStderr,
    since: Instant,
    /// When it last wrote something.
    heard: Instant,
}

/// A program on the air, or that is to be there again.
struct OnAir {
    station: Station,
    running: Option<Running>,
    /// When it is started if it does not run, and how long to wait the next time.
    start: Option<Instant>,
    pause: Duration,
    /// What is to be read by now, as time, and since when.
    credit: Duration,
    looked: Option<Instant>,
    /// When something last came, while it is heard.
    heard: Option<Instant>,
    /// It was told that it is not heard.
    told: bool,
    /// The last line that it said.
    line: Vec<u8>,
    resampler: Option<Resampler>,
    encoder: g722::Encoder,
    /// Lent to reading. Octets of half a sample, and a sample of half a pair, stay.
    octets: Vec<u8>,
    pcm: Vec<i16>,
}

impl OnAir {
    fn new(station: Station) -> Self {
        let resampler =
            (station.rate != CLIP_RATE).then(|| Resampler::new(station.rate, CLIP_RATE)).flatten();
        Self {
            station,
            running: None,
            start: None,
            pause: PAUSE,
            credit: Duration::ZERO,
            looked: None,
            heard: None,
            told: false,
            line: Vec::new(),
            resampler,
            encoder: g722::Encoder::default(),
            octets: Vec::new(),
            pcm: Vec::new(),
        }
    }

    /// Does what is to be done at this moment.
    fn turn(&mut self, now: Instant, ears: &[Ear], desk: &Desk) {
        let elapsed = now - self.looked.replace(now).unwrap_or(now);
        self.credit = (self.credit + elapsed).min(BURST);
        if self.running.is_none() && self.start.is_none_or(|at| at <= now) {
            match self.spawn(now) {
                Ok(running) => self.running = Some(running),
                Err(error) => self.again(now, &format!("cannot be started: {error}"), desk),
            }
        }
        self.listen_to_words();
        match self.read(now) {
            Ok(true) => self.send(now, ears, desk),
            Ok(false) => {}
            Err(why) => self.over(now, &why, desk),
        }
        if self.heard.is_some_and(|at| now - at >= QUIET) {
            self.fall_silent(ears);
            self.tell_silence(desk);
        }
    }

    fn spawn(&mut self, now: Instant) -> std::io::Result<Running> {
        let mut command = Command::new(&self.station.program);
        // A group of its own: whoever stops the exchange from a terminal does not stop the music of its last calls, and
        // what the program has started ends with it.
        command.args(&self.station.arguments).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (Some(music), Some(words)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        rustix::io::ioctl_fionbio(&music, true)?;
        rustix::io::ioctl_fionbio(&words, true)?;
        self.line.clear();
        self.octets.clear();
        self.pcm.clear();
        Ok(Running { child, music, words, since: now, heard: now })
    }

    /// Keeps the last line of what the program says.
    fn listen_to_words(&mut self) {
        let Some(running) = &mut self.running else { return };
        let mut some = [0; 4096];
        for _ in 0..SAYINGS {
            let Some(said) = running.words.read(&mut some).ok().and_then(|n| some.get(..n)) else { return };
            if said.is_empty() {
                return;
            }
            for &octet in said {
                // A line is kept until the next begins.
                let is_whole = self.line.last() == Some(&b'\n');
                match octet {
                    b'\n' | b'\r' if is_whole || self.line.is_empty() => {}
                    b'\n' | b'\r' => self.line.push(b'\n'),
                    octet if is_whole => self.line = vec![octet],
                    octet if self.line.len() < WORDS => self.line.push(octet),
                    _ => {}
                }
            }
        }
    }

    /// Reads what is to be heard by now; false when there is nothing.
    ///
    /// # Errors
    /// Why the program is over.
    fn read(&mut self, now: Instant) -> Result<bool, String> {
        let Some(running) = &mut self.running else { return Ok(false) };
        let rate = u64::from(self.station.rate);
        let due = u64::try_from(self.credit.as_micros()).unwrap_or(0) * rate / 1_000_000 * 2;
        let kept = self.octets.len();
        self.octets.resize(kept + usize::try_from(due).unwrap_or(0), 0);
        let mut end = kept;
        let over = loop {
            let Some(room) = self.octets.get_mut(end..).filter(|room| !room.is_empty()) else { break None };
            match running.music.read(room) {
                Ok(0) => break Some(ENDED.to_owned()),
                Ok(read) => end += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break None,
                Err(error) => break Some(format!("cannot be heard: {error}")),
            }
        };
        self.octets.truncate(end);
        let samples = (end - kept) as u64 / 2;
        self.credit = self.credit.saturating_sub(Duration::from_micros(samples * 1_000_000 / rate));
        if end > kept {
            running.heard = now;
            return Ok(true);
        }
        match over {
            Some(why) => Err(why),
            None if now - running.heard >= STUCK => {
                Err(format!("has written nothing for {} seconds", STUCK.as_secs()))
            }
            None => Ok(false),
        }
    }

    /// Hands over what was read.
    fn send(&mut self, now: Instant, ears: &[Ear], desk: &Desk) {
        let (pairs, rest) = self.octets.as_chunks::<2>();
        let samples = pairs.iter().map(|pair| i16::from_le_bytes(*pair));
        match &mut self.resampler {
            Some(resampler) => resampler.process(&samples.collect::<Vec<_>>(), &mut self.pcm),
            None => self.pcm.extend(samples),
        }
        let rest = rest.first().copied();
        self.octets.clear();
        self.octets.extend(rest);
        let mut coded = Vec::with_capacity(self.pcm.len() / 2);
        self.encoder.encode(&self.pcm, &mut coded);
        self.pcm.drain(..2 * coded.len());
        if coded.is_empty() {
            return;
        }
        let coded: Arc<[u8]> = coded.into();
        ears.iter().for_each(|ear| ear.hear(&self.station.class, &coded));
        self.heard = Some(now);
        if std::mem::take(&mut self.told) {
            desk.note(Severity::Info, format!("music \"{}\" is heard again", self.station.class));
        }
    }

    /// From now on the class is its files.
    fn fall_silent(&mut self, ears: &[Ear]) {
        if self.heard.take().is_some() {
            let nothing: Arc<[u8]> = Arc::default();
            ears.iter().for_each(|ear| ear.hear(&self.station.class, &nothing));
            // Whoever decodes it begins anew as well.
            self.encoder = g722::Encoder::default();
        }
    }

    /// Says once, until it is heard again, that it is not.
    fn tell_silence(&mut self, desk: &Desk) {
        if !std::mem::replace(&mut self.told, true) {
            let (class, seconds) = (&self.station.class, QUIET.as_secs());
            let note = format!(
                "music \"{class}\": nothing has come for {seconds} s; other music is heard meanwhile"
            );
            desk.note(Severity::Warning, note);
        }
    }

    /// The program is over: what remains of it goes, and it is started again after a pause.
    fn over(&mut self, now: Instant, why: &str, desk: &Desk) {
        self.listen_to_words();
        if self.running.as_ref().is_some_and(|running| running.heard - running.since >= WELL) {
            self.pause = PAUSE;
        }
        let status = self.stop(why == ENDED).filter(|status| !status.success());
        let status = status.map(|status| format!(" with {status}")).unwrap_or_default();
        let line = String::from_utf8_lossy(&self.line);
        let line = line.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
        let words = if line.is_empty() { String::new() } else { format!(": {line}") };
        self.again(now, &format!("{why}{status}{words}"), desk);
    }

    fn again(&mut self, now: Instant, why: &str, desk: &Desk) {
        let (class, program) = (&self.station.class, self.station.program.display());
        let seconds = self.pause.as_secs();
        let note = format!("music \"{class}\": {program} {why}; it is started again in {seconds} s");
        // What goes on like this for ever was told often enough.
        let known = self.pause == LONGEST_PAUSE;
        desk.note(if known { Severity::Debug } else { Severity::Warning }, note);
        self.start = Some(now + self.pause);
        self.pause = (2 * self.pause).min(LONGEST_PAUSE);
    }

    /// Ends the program and all it has started; gives how it ended if it ended by itself, for which a moment is waited
    /// when it seems so.
    fn stop(&mut self, patient: bool) -> Option<ExitStatus> {
        let mut running = self.running.take()?;
        let mut ended = running.child.try_wait().ok().flatten();
        // Its pipes close a moment before it is gone.
        for _ in 0..if patient { 10 } else { 0 } {
            if ended.is_none() {
                std::thread::sleep(Duration::from_millis(2));
                ended = running.child.try_wait().ok().flatten();
            }
        }
        // As long as nobody has waited for it nobody else has its number.
        if ended.is_none() {
            let _ = kill_process_group(Pid::from_child(&running.child), Signal::KILL);
            let _ = running.child.wait();
        }
        ended
    }
}

impl Drop for OnAir {
    fn drop(&mut self) {
        self.stop(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{self, Plan};
    use crate::poll::{Bell, Poller, Post};
    use std::f64::consts::TAU;
    use std::net::{IpAddr, UdpSocket};
    use std::os::fd::AsFd as _;
    use telex_audio::codec::{Encoding, g711};
    use telex_engine::border::Input;
    use telex_engine::mediactl::{
        LegId, LegSpec, MediaCommand, MediaReport, Payload, Play, RoomId, RoomMode, RoomSpec,
    };
    use telex_engine::rng::Seed;

    fn station(script: &str, file: &Path, rate: u32) -> Station {
        let program = Station::program("sh", Path::new("")).unwrap();
        let arguments = vec!["-c".to_owned(), script.to_owned(), file.display().to_string()];
        Station { class: "radio".into(), program, arguments, rate }
    }

    /// A second of a tone, as a program writes it.
    fn tone(rate: u32, hertz: u32) -> Vec<u8> {
        let wave = |n| (f64::from(n * hertz) / f64::from(rate) * TAU).sin() * 8000.0;
        (0..rate).flat_map(|n| (wave(n) as i16).to_le_bytes()).collect()
    }

    fn amplitude(pcm: &[i16], rate: u32, hertz: u32) -> f64 {
        let turn = |n: usize| n as f64 * f64::from(hertz) / f64::from(rate) * TAU;
        let sum = |f: fn(f64) -> f64| -> f64 {
            pcm.iter().enumerate().map(|(n, &sample)| f64::from(sample) * f(turn(n))).sum()
        };
        2.0 * sum(f64::sin).hypot(sum(f64::cos)) / pcm.len() as f64
    }

    /// Turns until `done`, each 50 ms later than the last, without waiting for so long.
    fn turn_until(on_air: &mut OnAir, now: &mut Instant, ears: &[Ear], done: impl Fn(&OnAir) -> bool) {
        for _ in 0..20_000 {
            on_air.turn(*now, ears, &Desk::nowhere());
            if done(on_air) {
                return;
            }
            *now += TURN;
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("it did not come to that");
    }

    fn ear() -> (Ear, Receiver<(SmolStr, Arc<[u8]>)>) {
        let (post, heard) = Post::new(Bell::of(&Poller::new().unwrap()));
        (Ear::of(post), heard)
    }

    #[test]
    fn a_program_is_read_as_fast_as_it_is_heard_and_not_faster() {
        for rate in [8000, 16_000, 48_000] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("tone");
            std::fs::write(&file, tone(rate, 400)).unwrap();
            let (ear, heard) = ear();
            let mut on_air = OnAir::new(station("while cat \"$0\"; do :; done", &file, rate));
            let begin = Instant::now();
            let (mut now, mut coded) = (begin, Vec::new());
            for _ in 0..20_000 {
                on_air.turn(now, std::slice::from_ref(&ear), &Desk::nowhere());
                let before = coded.len();
                coded.extend(heard.try_iter().flat_map(|(_, octets)| octets.to_vec()));
                assert!(coded.len() as u128 <= (now - begin).as_millis() * 8, "{rate}");
                // Time passes only once there was something to read: the program may be slow to begin.
                match (coded.len() > before, coded.len() < 16_000) {
                    (_, false) => break,
                    (true, true) => now += TURN,
                    (false, true) if now == begin => now += TURN,
                    (false, true) => std::thread::sleep(Duration::from_millis(1)),
                }
            }
            let mut pcm = Vec::new();
            g722::Decoder::default().decode(&coded, &mut pcm);
            let level = amplitude(&pcm[8000..24_000], 16_000, 400);
            assert!((level - 8000.0).abs() < 200.0, "{rate}: {level}");
        }
    }

    #[test]
    fn a_program_that_ends_is_started_again_later_and_later_and_what_it_said_is_known() {
        let script =
            "echo begins >&2; printf 'abc'; printf 'wrong\\r\\n\\nno \\001 such station' >&2; exit 3";
        let (ear, heard) = ear();
        let mut on_air = OnAir::new(station(script, Path::new("x"), 16_000));
        let mut now = Instant::now();
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            turn_until(&mut on_air, &mut now, std::slice::from_ref(&ear), |on_air| on_air.running.is_some());
            turn_until(&mut on_air, &mut now, std::slice::from_ref(&ear), |on_air| on_air.running.is_none());
            assert_eq!(on_air.start, Some(now + Duration::from_secs(seconds)));
            assert_eq!(String::from_utf8_lossy(&on_air.line), "no \u{1} such station");
        }
        // One sample is no pair: nothing is heard.
        assert_eq!((heard.try_iter().count(), on_air.heard), (0, None));
        let mut none = OnAir::new(Station { program: "/nowhere".into(), ..on_air.station.clone() });
        none.turn(now, &[], &Desk::nowhere());
        assert!(none.running.is_none() && none.start == Some(now + PAUSE));
    }

    #[test]
    fn who_writes_nothing_falls_silent_and_is_stuck_at_last_and_nothing_of_it_remains() {
        let (ear, heard) = ear();
        let script = "printf '%8000s' x; sleep 1000 & wait";
        let mut on_air = OnAir::new(station(script, Path::new("x"), 16_000));
        let mut now = Instant::now();
        let turn = |on_air: &mut OnAir, now: &mut Instant, done: fn(&OnAir) -> bool| {
            turn_until(on_air, now, std::slice::from_ref(&ear), done);
        };
        turn(&mut on_air, &mut now, |on_air| on_air.heard.is_some());
        let running = on_air.running.as_ref().unwrap();
        let (pid, pipe) =
            (Pid::from_child(&running.child), running.music.as_fd().try_clone_to_owned().unwrap());
        turn(&mut on_air, &mut now, |on_air| on_air.heard.is_none());
        assert!(on_air.told);
        let pieces: Vec<usize> = heard.try_iter().map(|(_, octets)| octets.len()).collect();
        assert_eq!((pieces.iter().sum::<usize>(), pieces.last()), (2000, Some(&0)), "{pieces:?}");
        turn(&mut on_air, &mut now, |on_air| on_air.running.is_none());
        assert!(rustix::process::test_kill_process(pid).is_err(), "it is gone, and waited for");
        // The other one that it had started held the pipe as well.
        let mut some = [0; 10];
        let over = (0..5000).any(|_| {
            std::thread::sleep(Duration::from_millis(1));
            rustix::io::read(&pipe, &mut some) == Ok(0)
        });
        assert!(over);
    }

    #[test]
    fn phones_on_all_threads_hear_what_a_program_plays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tone");
        std::fs::write(&file, tone(16_000, 800)).unwrap();
        let stations = vec![station("while cat \"$0\"; do :; done", &file, 16_000)];
        let own = super::super::Own { stations, ..Default::default() };
        let (reports, reported) = Post::new(Bell::of(&Poller::new().unwrap()));
        let first = 39_000 + u16::try_from(std::process::id() % 5).unwrap() * 100;
        let plan = Plan {
            shards: 2,
            bind: IpAddr::from([127, 0, 0, 1]),
            first_pair: 0,
            ports: crate::config::PortRange { first, last: first + 99 },
            seed: Seed::from_number(1),
            clock: crate::clock::Clock::start(),
            reports,
            record: None,
            desk: None,
            recordings: None,
            sounds: super::super::load(&own).0,
        };
        let mut shards = media::start(&plan).unwrap();
        let mut broadcasts = Broadcasts::new(shards.iter().map(media::Shard::ear).collect(), Desk::nowhere());
        broadcasts.become_(&own.stations);
        for (n, shard) in (1..).zip(&mut shards) {
            let patience = Duration::from_secs(20);
            let port = match reported.recv_timeout(patience).unwrap() {
                Input::Media { report: MediaReport::Ports { ports }, shard }
                    if u64::from(shard.0) + 1 == n =>
                {
                    ports[0]
                }
                other => panic!("{other:?}"),
            };
            let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
            phone.set_read_timeout(Some(patience)).unwrap();
            let room = RoomId(n);
            let spec = RoomSpec::new(RoomMode::Relay);
            shard.command(MediaCommand::PutRoom { room, rev: 1, spec });
            let spec = LegSpec {
                remote: Some(phone.local_addr().unwrap()),
                send: true,
                audio: Some(Payload::of(0, Encoding::Pcmu)),
                playing: Some(Play::music("radio".into())),
                ..LegSpec::new(room, port)
            };
            shard.command(MediaCommand::PutLeg { leg: LegId(n), rev: 1, spec: Box::new(spec) });
            shard.wake();
            // Half a second of the tone, at last: until it is on the air there is the music of Telex.
            let mut pcm = Vec::new();
            let heard = (0..1500).any(|_| {
                let mut packet = [0; 300];
                let length = phone.recv(&mut packet).unwrap();
                pcm.extend(packet[12..length].iter().map(|&octet| g711::mu_decode(octet)));
                let last = pcm.len().saturating_sub(4000);
                pcm.len() >= 4000 && (amplitude(&pcm[last..], 8000, 800) - 8000.0).abs() < 300.0
            });
            assert!(heard);
        }
    }
}
