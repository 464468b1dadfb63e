//! The report: JSON, and rows of a table.

use std::sync::atomic::Ordering::Acquire;

use crate::audio;
use crate::call;
use crate::hist::Hist;
use crate::json::{Object, counts, number};
use crate::procstat::{Snap, machine_json, server_json};
use crate::register;
use crate::rtp::{Probe, Received, Sent, Shared};

/// A tone of this amplitude is heard; it was sent with 1000.
const AUDIBLE: f64 = 250.0;
/// Of what is heard, so much is the tone.
const MOSTLY: f64 = 0.8;
/// Octets of the pieces that are judged one by one: 200 ms. Most must have the tone, since late packets are concealed.
const PIECE: usize = 1600;

/// Milliseconds of CPU per success.
fn cpu_ms_per(a: &Snap, b: &Snap, ok: usize) -> Option<f64> {
    (a.ok && ok > 0).then(|| (b.cpu - a.cpu) * 1000.0 / ok as f64)
}

fn row(what: &str, figure: &str, failures: u64) -> String {
    format!("| {what} | {figure} | {failures} |\n")
}

fn shown(value: Option<f64>, decimals: usize, unit: &str) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.decimals$} {unit}"))
}

/// Head of every report.
pub struct Head<'a> {
    pub label: &'a str,
    pub server: String,
    pub rate: f64,
    /// Before and after the run.
    pub yardstick: [f64; 2],
}

impl Head<'_> {
    fn begin(&self, mode: &str) -> Object {
        Object::default().text("mode", mode).text("label", self.label).text("server", &self.server)
    }

    fn yardstick(&self) -> String {
        format!("[{:.2},{:.2}]", self.yardstick[0], self.yardstick[1])
    }
}

/// The report on registrations.
pub fn register_json(head: &Head, users: usize, out: &register::Outcome, a: &Snap, b: &Snap) -> String {
    head.begin("register")
        .put("users", users)
        .put("rate_asked", head.rate)
        .put("rate_done", format_args!("{:.1}", out.ok as f64 / out.wall))
        .put("attempted", out.attempted)
        .put("ok", out.ok)
        .put("failed", out.failed.values().sum::<u64>())
        .put("failures", counts(&out.failed))
        .put("retransmissions", out.retransmissions)
        .put("put_off", out.put_off)
        .put("ok_in_ramp", out.ok_in_ramp)
        .put("ramp_s", format_args!("{:.3}", out.ramp))
        .put("unchallenged", out.unchallenged)
        .put("stalled_on_max_inflight", out.stalled)
        .put("wall_s", format_args!("{:.3}", out.wall))
        .put("ms_to_challenge", out.challenge_us.json_ms())
        .put("ms_to_registered", out.total_us.json_ms())
        .put("server_proc", server_json(a, b))
        .put("server_cpu_ms_per_ok", number(cpu_ms_per(a, b, out.ok), 4))
        .put("machine", machine_json(a, b))
        .put("yardstick_cpu_ms", head.yardstick())
        .end()
}

/// Rows on registrations.
pub fn register_rows(head: &Head, users: usize, out: &register::Outcome, a: &Snap, b: &Snap) -> String {
    let failures = out.failed.values().sum();
    let load = format!("{} registrations of {users} users at {}/s", out.ok, head.rate);
    let latency = format!("{:.2} / {:.2} ms", out.total_us.quantile_ms(0.5), out.total_us.quantile_ms(0.99));
    row(&format!("CPU per registration ({load})"), &shown(cpu_ms_per(a, b, out.ok), 3, "ms"), failures)
        + &row("Time to register, with challenge, p50 / p99", &latency, failures)
}

/// The report on calls, `media` being JSON of its own.
pub fn call_json(head: &Head, hold: &str, steady: bool, out: &call::Outcome, media: &str) -> String {
    let steady = steady.then(|| server_json(&out.at_steady_start, &out.at_steady_end));
    head.begin("call")
        .put("calls", calls_json(out))
        .put("rate_asked", head.rate)
        .put("rate_done", format_args!("{:.2}", out.answered as f64 / out.ramp.max(1e-9)))
        .put("hold_s", hold)
        .put("wall_s", format_args!("{:.3}", out.wall))
        .put("launch_late_ms_max", format_args!("{:.1}", out.late_launch_ms))
        .put("ms_invite_to_180", out.to_180_us.json_ms())
        .put("ms_invite_to_200", out.to_200_us.json_ms())
        .put("ms_bye_to_200", out.bye_us.json_ms())
        .put("retransmissions", retransmissions_json(out))
        .put("uas", uas_json(out))
        .put("reinvites", out.reinvites)
        .put("wrong_codec", out.wrong_codec)
        .put("server_whole_run", server_json(&out.at_start, &out.at_end))
        .put("server_cpu_ms_per_call", number(cpu_ms_per(&out.at_start, &out.at_end, out.ok), 4))
        .put("server_steady", steady.unwrap_or_else(|| "null".into()))
        .put("steady_cpu_pct_of_core_per_call", number(core_percent_per_call(out), 4))
        .put("pss_kb_per_call", number(proportional_per_call(out), 2))
        .put("rss_kb_per_call", number(kilobytes_per_call(out), 2))
        .put("machine_whole_run", machine_json(&out.at_start, &out.at_end))
        .put("machine_steady", machine_json(&out.at_steady_start, &out.at_steady_end))
        .put("yardstick_cpu_ms", head.yardstick())
        .put("media", media)
        .end()
}

fn calls_json(out: &call::Outcome) -> String {
    Object::default()
        .put("attempted", out.attempted)
        .put("answered", out.answered)
        .put("ok", out.ok)
        .put("failed", out.failed.values().sum::<u64>())
        .put("failures", counts(&out.failed))
        .put("peak_in_flight", out.peak)
        .put("up_at_end_of_steady", out.up_at_steady_end)
        .put("recorded", out.recorded)
        .end()
}

fn retransmissions_json(out: &call::Outcome) -> String {
    Object::default()
        .put("invite", out.invites_again)
        .put("bye", out.byes_again)
        .put("dup_200_seen", out.answers_again_seen)
        .put("uas_200", out.uas_answers_again)
        .put("uas_invite_dups_seen", out.uas_invites_again)
        .end()
}

fn uas_json(out: &call::Outcome) -> String {
    Object::default()
        .put("calls", out.uas_calls)
        .put("byes", out.uas_byes)
        .put("no_ack", out.uas_no_ack)
        .end()
}

/// While all calls were up.
fn core_percent_per_call(out: &call::Outcome) -> Option<f64> {
    let (a, b) = (&out.at_steady_start, &out.at_steady_end);
    let percent = 100.0 * (b.cpu - a.cpu) / (b.time - a.time).max(1e-9);
    (a.ok && out.up_at_steady_end > 0).then(|| percent / out.up_at_steady_end as f64)
}

fn kilobytes_per_call(out: &call::Outcome) -> Option<f64> {
    let (a, b) = (&out.at_start, &out.at_steady_end);
    let grown = b.rss_kb as f64 - a.rss_kb as f64;
    (a.ok && out.up_at_steady_end > 0).then(|| grown / out.up_at_steady_end as f64)
}

fn proportional_per_call(out: &call::Outcome) -> Option<f64> {
    let (a, b) = (&out.at_start, &out.at_steady_end);
    let grown = b.pss_kb as f64 - a.pss_kb as f64;
    (a.ok && out.up_at_steady_end > 0).then(|| grown / out.up_at_steady_end as f64)
}

/// Rows on calls: what the kind of run is good for.
pub fn call_rows(head: &Head, out: &call::Outcome, media: Option<&MediaSums>) -> String {
    let failures = out.failed.values().sum();
    let up = out.up_at_steady_end;
    if let Some(sums) = media {
        let latency = &sums.received.latency_us;
        let (p50, p99) = (latency.quantile_ms(0.5), latency.quantile_ms(0.99));
        if sums.judged > 0 {
            let (judged, tones, silent) = (sums.judged, sums.tones, sums.silent());
            return row(
                &format!("Share of a core per call ({up} calls up)"),
                &shown(core_percent_per_call(out), 3, "%"),
                failures,
            ) + &row("Legs that hear the tone", &format!("{tones} of {judged}"), silent);
        }
        let lost = sums.lost().map_or_else(|| "-".into(), |lost| lost.to_string());
        let lost = format!("{lost} of {}", sums.counted);
        return row(
            &format!("Share of a core per relayed call ({up} calls up)"),
            &shown(core_percent_per_call(out), 3, "%"),
            failures,
        ) + &row("Added latency of RTP, p50 / p99", &format!("{p50:.3} / {p99:.3} ms"), failures)
            + &row("RTP packets lost", &lost, sums.lost().map_or(0, i64::unsigned_abs))
            + &row("Packets heard in the wrong call", &sums.crosstalk.to_string(), sums.crosstalk);
    }
    if up > 0 {
        let memory = shown(kilobytes_per_call(out), 1, "KiB");
        return row(&format!("Memory per held call ({up} calls up)"), &memory, failures);
    }
    let cpu = shown(cpu_ms_per(&out.at_start, &out.at_end, out.ok), 3, "ms");
    let answer = &out.to_200_us;
    let (p50, p99) = (answer.quantile_ms(0.5), answer.quantile_ms(0.99));
    row(&format!("CPU per call ({} calls at {}/s, no media)", out.ok, head.rate), &cpu, failures)
        + &row("INVITE to 200, with challenge, p50 / p99", &format!("{p50:.2} / {p99:.2} ms"), failures)
}

/// Sums over all streams.
pub struct MediaSums {
    sent: Sent,
    received: Received,
    jitter: Hist,
    window: Hist,
    live: usize,
    duplicates: u64,
    reordered: u64,
    crosstalk: u64,
    gaps: u64,
    ssrc_changes: u64,
    clipped: u64,
    max_gap_us: u64,
    sent_all: u64,
    received_all: u64,
    window_sent: u64,
    window_received: u64,
    /// Sent while measuring.
    counted: u64,
    counted_received: u64,
    /// Packets sent before the far end heard its first one, where all that was sent counts (short calls).
    start_clip: u64,
    stamped: bool,
    /// Streams of which the tone was looked for, and in which it was the sound that was heard; its amplitudes.
    judged: usize,
    tones: usize,
    amplitude: Hist,
}

impl MediaSums {
    /// Adds up.
    pub fn new(shared: &Shared, sent: Sent, received: Received) -> Self {
        let of_sent = |count: fn(&(u64, u64, u64)) -> u64| -> u64 {
            sent.streams.iter().map(|s| count(&(s.sent, s.counted, s.window))).sum()
        };
        let mut sums = Self {
            jitter: Hist::default(),
            window: Hist::default(),
            live: 0,
            duplicates: 0,
            reordered: 0,
            crosstalk: 0,
            gaps: 0,
            ssrc_changes: 0,
            clipped: 0,
            max_gap_us: 0,
            sent_all: of_sent(|s| s.0),
            received_all: received.streams.iter().map(|s| s.received).sum(),
            window_sent: of_sent(|s| s.2),
            window_received: received.streams.iter().map(|s| s.window).sum(),
            counted: of_sent(|s| s.1),
            counted_received: received.streams.iter().map(|s| s.counted).sum(),
            start_clip: 0,
            stamped: shared.probe == Probe::Stamp,
            judged: 0,
            tones: 0,
            amplitude: Hist::default(),
            sent,
            received,
        };
        for stream in sums.received.streams.iter().filter(|stream| stream.received > 0) {
            sums.live += 1;
            sums.jitter.add(stream.jitter_us as u64);
            sums.window.add(stream.window * 1000);
            sums.duplicates += stream.duplicates;
            sums.reordered += stream.reordered;
            sums.crosstalk += stream.crosstalk;
            sums.gaps += stream.rtp_gaps;
            sums.ssrc_changes += stream.ssrc_changes;
            sums.clipped += stream.first.max(0) as u64;
            sums.max_gap_us = sums.max_gap_us.max(stream.max_gap_us);
        }
        if shared.probe == Probe::Tone {
            sums.listen(shared);
        }
        let ended = shared.window_end.load(Acquire) != u64::MAX;
        if ended && sums.counted > 0 && sums.counted == sums.sent_all {
            sums.start_clip = sums.clipped;
        }
        sums
    }

    /// Looks for the tone in what every stream's leg heard.
    fn listen(&mut self, shared: &Shared) {
        for leg in &shared.legs {
            let id = leg.stream.load(Acquire) as usize;
            let Some(sent) = self.sent.streams.get(id).filter(|sent| sent.window > 0) else { continue };
            self.judged += usize::from(sent.window > 0);
            let Some(heard) = self.received.streams.get(id) else { continue };
            let pieces: Vec<(f64, f64)> =
                heard.judged.chunks(PIECE).map(|piece| audio::find_tone(leg.codec, piece)).collect();
            let good = pieces.iter().filter(|(amplitude, share)| *amplitude >= AUDIBLE && *share >= MOSTLY);
            self.tones += usize::from(2 * good.count() > pieces.len());
            for (amplitude, _) in pieces {
                self.amplitude.add((amplitude * 1000.0) as u64);
            }
        }
    }

    /// Streams in which the tone should have been heard and was not.
    pub fn silent(&self) -> u64 {
        (self.judged - self.tones) as u64
    }

    /// Packets sent while measuring that never came, by their stamps.
    fn lost(&self) -> Option<i64> {
        let arrived = self.counted_received + self.start_clip;
        self.stamped.then(|| self.counted as i64 - arrived as i64)
    }

    fn stamped_json(&self) -> String {
        let Some(lost) = self.lost() else { return "null".into() };
        let percent = 100.0 * lost as f64 / (self.counted as f64).max(1.0);
        Object::default()
            .put("sent", self.counted)
            .put("received", self.counted_received)
            .put("start_clip", self.start_clip)
            .put("lost", lost)
            .put("lost_pct", format_args!("{percent:.5}"))
            .end()
    }

    /// The report on media; `expected` streams, `drops` datagrams lost at the program's own sockets.
    pub fn json(&self, expected: usize, drops: u64) -> String {
        let (sent, received) = (&self.sent, &self.received);
        let window_lost = self.window_sent as f64 - self.window_received as f64;
        let window_lost = 100.0 * window_lost / (self.window_sent as f64).max(1.0);
        Object::default()
            .put("sent_all", self.sent_all)
            .put("received_all", self.received_all)
            .put("window_sent", self.window_sent)
            .put("window_received", self.window_received)
            .put("window_lost_pct", format_args!("{window_lost:.5}"))
            .put("stamped", self.stamped_json())
            .put("rtp_seq_gaps", self.gaps)
            .put("streams_expected", expected)
            .put("streams_with_audio", self.live)
            .put("packets_before_first_heard", self.clipped)
            .put("dup", self.duplicates)
            .put("reordered", self.reordered)
            .put("crosstalk", self.crosstalk)
            .put("ssrc_changes", self.ssrc_changes)
            .put("wrong_payload_type", received.bad_payload)
            .put("alien", received.alien)
            .put("stale", received.stale)
            .put("ms_one_way", received.latency_us.json_ms())
            .put("tones_expected", self.judged)
            .put("tones_heard", self.tones)
            .put("tone_amplitude", self.amplitude.json_ms())
            .put("markers_sent", sent.markers)
            .put("markers_heard", received.markers)
            .put("ms_jitter_rfc3550_across_streams", self.jitter.json_ms())
            .put("ms_between_packets", received.gap_us.json_ms())
            .put("ms_max_gap", format_args!("{:.1}", self.max_gap_us as f64 / 1000.0))
            .put("packets_per_stream_in_window", self.window.json_ms().replace(".000", ""))
            .put("tx_errors", sent.errors)
            .put("tx_refused", sent.refused)
            .put("tx_late_ms", sent.late_us.json_ms())
            .put("own_socket_drops", drops)
            .put("no_kernel_timestamp", received.no_timestamp)
            .end()
    }
}
