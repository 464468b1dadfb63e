//! What the host does to the exchange: it wakes it late, sets the clock, stores slowly or not at all, stops it dead and
//! starts it again.

use std::collections::BTreeSet;

use smol_str::SmolStr;
use telex_engine::Input;
use telex_engine::border::{Boot, Control, ControlReply, Lsn, Record, RegistrationInfo};
use telex_engine::time::{Duration, Instant, WallTime};

use crate::exchange::Exchange;
use crate::luck::{Kind, below, luck};
use crate::oracle::{Verdict, broken};
use crate::phone::Stimulus;
use crate::plan::Restart;
use crate::store::Store;
use crate::world::{Event, World};

/// The wall clock at the beginning: 2026-01-01 00:00 UTC.
const WALL: u64 = 1_767_225_600_000;
/// A process that has stopped is started again after this.
const STARTED_AGAIN: Duration = Duration::from_millis(500);

/// The state of the host.
#[derive(Debug, Default)]
pub(crate) struct Host {
    pub(crate) store: Store,
    /// Milliseconds by which the wall clock was set.
    wall_set: i64,
    /// The exchange does not run.
    pub(crate) away: bool,
    /// How often it was started, beside the first time.
    pub(crate) lives: u64,
}

/// What the wall clock says before anything has happened.
pub(crate) fn wall_at_first() -> WallTime {
    WallTime::from_unix_millis(WALL)
}

impl World<'_> {
    /// When a wake that is asked for at `at` comes.
    pub(crate) fn lateness(&self, at: Instant) -> Duration {
        let most = u64::try_from(self.plan.host.late.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(below(most, luck(self.plan.seed, 0, at.as_nanos(), Kind::Late)))
    }

    /// What the wall clock says.
    pub(crate) fn wall(&self) -> WallTime {
        let passed = u64::try_from(self.now.since(Instant::ZERO).as_millis()).unwrap_or(u64::MAX);
        WallTime::from_unix_millis(WALL.saturating_add(passed).saturating_add_signed(self.host.wall_set))
    }

    /// Somebody sets the wall clock.
    pub(crate) fn set_wall(&mut self, seconds: i64) -> Verdict {
        self.host.wall_set = self.host.wall_set.saturating_add(seconds.saturating_mul(1000));
        let wall = self.wall();
        self.tell(Input::Wall(wall), None)
    }

    /// The exchange wants a record kept.
    pub(crate) fn store(&mut self, lsn: Lsn, record: Record) {
        let full = self.plan.host.store.full.iter().any(|w| w.from <= self.now && self.now < w.until);
        self.host.store.take(lsn, record, !full);
        let at = self.now + self.plan.host.store.delay;
        let answer = match full {
            true => Input::StoreFailed { at: lsn, error: SmolStr::new_static("disk full") },
            false => Input::Stored { through: lsn },
        };
        self.schedule(at, Event::Stored(Box::new(answer)));
    }

    /// The store says what became of a record.
    pub(crate) fn stored(&mut self, answer: Input) -> Verdict {
        if let Input::Stored { through } = &answer {
            self.host.store.written(*through);
        }
        self.tell(answer, None)
    }

    /// The exchange stops dead.
    pub(crate) fn stop_dead(&mut self, restart: Restart) -> Verdict {
        if self.host.away {
            return Ok(());
        }
        self.host.away = true;
        self.host.store.stop(count(restart.ahead), count(restart.torn));
        self.forget_events(|event| event.is_of_the_exchange());
        self.border.restarted(self.plan);
        self.replies.clear();
        self.stopping = None;
        for (phone, stream) in self.streams.end_all() {
            let at = self.network.handshake(self.now, phone);
            self.schedule(at, Event::Phone(phone, Stimulus::Closed(stream.0)));
        }
        self.schedule(self.now + restart.away.max(STARTED_AGAIN), Event::Back);
        Ok(())
    }

    /// The exchange starts again, with what was stored.
    pub(crate) fn back(&mut self) -> Verdict {
        self.host.away = false;
        self.host.lives += 1;
        let stored = self.host.store.bindings();
        let boot = Boot { wall: self.wall(), bindings: stored.clone(), ..Boot::default() };
        let seed = self.plan.seed.wrapping_add(self.host.lives << 32);
        let first_port = self.exchange.next_port();
        self.exchange = Exchange::new(self.plan, seed, self.config.clone(), boot);
        self.exchange.begins(self.now, self.host.lives, first_port);
        self.wakes = crate::oracle::host::Wakes::default();
        self.start_exchange()?;
        let good: BTreeSet<(SmolStr, SmolStr)> = stored
            .into_iter()
            .filter(|b| b.expires > self.wall() && self.config.phones.contains_key(&b.aor))
            .map(|b| (b.aor, b.contact))
            .collect();
        let ControlReply::Registrations(told) = self.ask(Control::Registrations)? else { return Ok(()) };
        let named = |info: &RegistrationInfo| (info.extension.clone(), info.contact.clone());
        let found: BTreeSet<(SmolStr, SmolStr)> = told.iter().map(named).collect();
        if found != good || found.len() != told.len() {
            let reason = format!("stored were {good:?}, found {found:?}");
            return Err(broken("registrar_is_the_store", self.now, reason));
        }
        Ok(())
    }
}

fn count(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
