//! Calls without signalling: an rtpengine is told of each by its ng protocol (bencoded dictionaries in datagrams, each
//! behind a cookie that its answer repeats), and audio is sent as in any call.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::Ordering::Release;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::audio::Codec;
use crate::call::{Outcome, Plan, TAIL};
use crate::procstat;
use crate::rtp::Shared;
use crate::sip;

/// An answer has come by then.
const PATIENCE: Duration = Duration::from_secs(2);

struct Daemon<'a> {
    socket: UdpSocket,
    plan: &'a Plan,
    cookie: usize,
}

/// A bencoded string.
fn text(text: &str) -> String {
    format!("{}:{text}", text.len())
}

fn entry(key: &str, value: &str) -> String {
    text(key) + &text(value)
}

/// The session description of an answer.
fn description(answer: &str) -> Option<&str> {
    let (before, rest) = answer.split_once("3:sdp")?;
    let (length, rest) = rest.split_once(':')?;
    (!before.contains("6:result5:error")).then(|| rest.get(..length.parse().ok()?))?
}

impl Daemon<'_> {
    fn ask(&mut self, entries: &str) -> std::io::Result<String> {
        self.cookie += 1;
        let cookie = format!("{}_{} ", self.plan.run_id, self.cookie);
        self.socket.send(format!("{cookie}d{entries}e").as_bytes())?;
        let mut room = [0; 8192];
        loop {
            let length = self.socket.recv(&mut room)?;
            let answer = String::from_utf8_lossy(&room[..length]);
            if let Some(answer) = answer.strip_prefix(cookie.as_str()) {
                return Ok(answer.to_owned());
            }
        }
    }

    fn call(&self, number: usize) -> String {
        entry("call-id", &format!("{}x{number}", self.plan.run_id)) + &entry("from-tag", "a")
    }

    /// Where the party of the other side is to send, by what it is told.
    fn describe(&mut self, command: &str, number: usize, more: &str, said: &str) -> std::io::Result<u64> {
        let call = self.call(number);
        let entries = entry("command", command) + &call + more + &entry("sdp", said);
        let answer = self.ask(&entries)?;
        let target = description(&answer).and_then(sip::sdp_dst).map(|(target, _)| target);
        target.ok_or_else(|| std::io::Error::other(format!("{command}: {answer}")))
    }

    /// Opens a call between two legs; both know where to send then.
    fn open(&mut self, shared: &Shared, number: usize, legs: usize) -> std::io::Result<()> {
        let (caller, callee) = (&shared.legs[number], &shared.legs[legs + number]);
        let Ok(SocketAddr::V4(local)) = caller.socket.local_addr() else { return Ok(()) };
        let said = |port, codec| sip::sdp(*local.ip(), port, number as u64 + 1, &[codec]);
        let codecs = match (self.plan.uac_codec, self.plan.uas_codec) {
            (from, to) if from == to => String::new(),
            (from, to) => {
                let list =
                    |codec: Codec| format!("l{}e", text(codec.rtpmap().split('/').next().unwrap_or("")));
                format!("{}d{}{}{}{}e", text("codec"), text("mask"), list(from), text("transcode"), list(to))
            }
        };
        let to_callee = self.describe("offer", number, &codecs, &said(caller.port, self.plan.uac_codec))?;
        let tag = entry("to-tag", "b");
        let to_caller = self.describe("answer", number, &tag, &said(callee.port, self.plan.uas_codec))?;
        caller.stream.store(2 * number as u32, Release);
        callee.stream.store(2 * number as u32 + 1, Release);
        caller.target.store(to_caller, Release);
        callee.target.store(to_callee, Release);
        Ok(())
    }
}

/// Carries the plan out: all calls up together, measured, and ended.
pub fn run(ng: SocketAddr, plan: &Plan, shared: &Shared) -> std::io::Result<Outcome> {
    let socket = UdpSocket::bind((shared.legs[0].socket.local_addr()?.ip(), 0))?;
    socket.connect(ng)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut daemon = Daemon { socket, plan, cookie: 0 };
    let mut out = Outcome { at_start: procstat::snap(plan.server_pid), ..Outcome::default() };
    let (start, step) = (Instant::now(), Duration::from_secs_f64(1.0 / plan.rate));
    let legs = shared.legs.len() / 2;
    for number in 0..plan.calls {
        out.attempted += 1;
        match daemon.open(shared, number, legs) {
            Ok(()) => out.answered += 1,
            Err(error) => {
                eprintln!("telex-load: {error}");
                *out.failed.entry("ng".into()).or_default() += 1;
            }
        }
        sleep((start + step * number as u32).saturating_duration_since(Instant::now()));
    }
    (out.peak, out.ramp) = (out.answered, start.elapsed().as_secs_f64());
    sleep(plan.warmup);
    out.at_steady_start = procstat::snap(plan.server_pid);
    shared.open_window();
    sleep(plan.steady.unwrap_or(plan.hold));
    shared.close_window();
    out.at_steady_end = procstat::snap(plan.server_pid);
    out.up_at_steady_end = out.answered;
    sleep(TAIL);
    for leg in &shared.legs {
        leg.target.store(0, Release);
    }
    for number in 0..out.answered {
        let entries = entry("command", "delete") + &daemon.call(number) + &text("delete-delay") + "i0e";
        out.ok += usize::from(daemon.ask(&entries).is_ok());
    }
    out.wall = start.elapsed().as_secs_f64();
    out.at_end = procstat::snap(plan.server_pid);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        assert_eq!(entry("command", "ping"), "7:command4:ping");
        assert_eq!(description("d6:result2:ok3:sdp5:v=0\r\ne"), Some("v=0\r\n"));
        assert_eq!(description("d6:result5:error12:error-reason3:sdpe"), None);
        assert_eq!(description("d3:sdp99:v=0\r\ne"), None);
    }
}
