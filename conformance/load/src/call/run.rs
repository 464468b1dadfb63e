//! The loop: places calls on time, waits for messages, measures, hangs up.

use std::cmp::Reverse;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Engine, Outcome, TAIL};

/// Calls placed or ended in one turn of the loop at most.
const BURST: usize = 32;
const DATAGRAMS: usize = 128;

/// How far the run is. Without `steady`, `Ramp` is followed by `Drain`.
#[derive(Clone, Copy)]
enum Phase {
    Ramp,
    Warm(Instant),
    Measure(Instant),
    Tail(Instant),
    Drain,
    Over,
}

struct Run {
    phase: Phase,
    start: Instant,
    next: Instant,
    next_down: Instant,
    /// The next call to hang up.
    down: usize,
    told: Instant,
}

impl Engine {
    /// Carries the plan out.
    pub fn run(mut self) -> Outcome {
        let start = Instant::now();
        self.out.at_start = self.snap();
        self.out.at_steady_start = self.out.at_start;
        let mut run = Run { phase: Phase::Ramp, start, next: start, next_down: start, down: 0, told: start };
        let mut room = vec![0u8; 16384];
        if let Some(media) = self.media.as_ref().filter(|_| self.plan.steady.is_none()) {
            media.open_window();
        }
        while !matches!(run.phase, Phase::Over) {
            let now = Instant::now();
            self.fire_due(now);
            self.tell(&mut run);
            self.launch_due(&mut run, now);
            if self.out.attempted == self.plan.calls {
                self.step(&mut run, now);
            }
            self.wait(&run, now);
            self.read(&mut room);
        }
        if self.plan.steady.is_none() {
            if let Some(media) = &self.media {
                media.end_window();
            }
            self.out.at_steady_end = self.snap();
        }
        self.out.wall = start.elapsed().as_secs_f64();
        self.linger(&mut room);
        self.out.at_end = self.snap();
        self.out
    }

    fn fire_due(&mut self, now: Instant) {
        while self.timers.peek().is_some_and(|Reverse((at, _, _))| *at <= now) {
            let Some(Reverse((_, _, timer))) = self.timers.pop() else { break };
            self.fire(timer);
        }
    }

    /// Says every few seconds how it goes.
    fn tell(&self, run: &mut Run) {
        if run.told.elapsed() <= Duration::from_secs(5) {
            return;
        }
        run.told = Instant::now();
        let out = &self.out;
        eprintln!(
            "[{:.0}s] attempted {} answered {} ok {} up {} failed {:?}",
            run.start.elapsed().as_secs_f64(),
            out.attempted,
            out.answered,
            out.ok,
            self.up,
            out.failed
        );
    }

    fn launch_due(&mut self, run: &mut Run, now: Instant) {
        let step = Duration::from_secs_f64(1.0 / self.plan.rate);
        for _ in 0..BURST {
            let all = self.out.attempted == self.plan.calls;
            if all || run.next > now || self.inflight >= self.plan.max_inflight {
                break;
            }
            let late = (now - run.next).as_secs_f64() * 1000.0;
            self.out.late_launch_ms = self.out.late_launch_ms.max(late);
            self.launch();
            run.next += step;
        }
    }

    /// Goes on to the next phase when it is time, once all calls are placed.
    fn step(&mut self, run: &mut Run, now: Instant) {
        match run.phase {
            Phase::Ramp if self.inflight == self.up => {
                self.out.ramp = run.start.elapsed().as_secs_f64();
                self.record();
                let steady = self.plan.steady.is_some();
                run.phase = if steady { Phase::Warm(now + self.plan.warmup) } else { Phase::Drain };
            }
            Phase::Warm(end) if now >= end => {
                self.out.at_steady_start = self.snap();
                if let Some(media) = &self.media {
                    media.open_window();
                }
                run.phase = Phase::Measure(Instant::now() + self.plan.steady.unwrap_or_default());
            }
            Phase::Measure(end) if now >= end => {
                if let Some(media) = &self.media {
                    media.close_window();
                }
                self.out.at_steady_end = self.snap();
                self.out.up_at_steady_end = self.up;
                run.phase = Phase::Tail(now + TAIL);
                run.next_down = now + TAIL;
            }
            Phase::Tail(end) if now >= end => self.hang_up_due(run, now),
            Phase::Drain if self.inflight == 0 => run.phase = Phase::Over,
            _ => {}
        }
    }

    fn hang_up_due(&mut self, run: &mut Run, now: Instant) {
        let step = Duration::from_secs_f64(1.0 / self.plan.teardown_rate);
        for _ in 0..BURST {
            if run.down == self.uacs.len() || run.next_down > now {
                break;
            }
            self.hang_up(run.down);
            run.down += 1;
            run.next_down += step;
        }
        if run.down == self.uacs.len() {
            run.phase = Phase::Drain;
        }
    }

    /// Waits for a message, a timer or the next call, at most 5 ms.
    fn wait(&self, run: &Run, now: Instant) {
        let mut wait = Duration::from_millis(5);
        if let Some(Reverse((at, _, _))) = self.timers.peek() {
            wait = wait.min(at.saturating_duration_since(now));
        }
        if self.out.attempted < self.plan.calls {
            wait = wait.min(run.next.saturating_duration_since(now));
        }
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) };
        let sockets = [&self.uac_socket, &self.uas_socket];
        let _ = poll(&mut sockets.map(|socket| PollFd::new(socket, PollFlags::IN)), Some(&timeout));
    }

    fn read(&mut self, room: &mut [u8]) {
        self.read_uas(room);
        for _ in 0..DATAGRAMS {
            let Ok((length, _)) = self.uac_socket.recv_from(room) else { break };
            self.on_uac(&room[..length]);
        }
    }

    fn read_uas(&mut self, room: &mut [u8]) {
        for _ in 0..DATAGRAMS {
            let Ok((length, _)) = self.uas_socket.recv_from(room) else { break };
            self.on_uas(&room[..length]);
        }
    }

    /// Answers BYEs still on their way to the callee.
    fn linger(&mut self, room: &mut [u8]) {
        let end = Instant::now() + Duration::from_secs(1);
        while Instant::now() < end {
            sleep(Duration::from_millis(10));
            self.read_uas(room);
        }
    }
}
