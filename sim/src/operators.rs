//! What operators do to the exchange: they ask, end calls, change the configuration and stop it.

use std::sync::Arc;

use smol_str::SmolStr;
use telex_engine::Input;
use telex_engine::border::{CallInfo, Control, ControlId, ControlReply, Stats};
use telex_engine::time::{Duration, Instant};

use crate::exchange::{configured, listeners};
use crate::oracle::{Verdict, broken};
use crate::plan::{Act, Restart};
use crate::world::{Event, World};

/// After the patience of a stop has ended, the exchange has this long for its last words.
const LAST_WORDS: Duration = Duration::from_secs(4);
/// A driver goes this long after it was told that everything has ended.
const GOES_AFTER: Duration = Duration::from_millis(200);

/// An exchange that was asked to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopping {
    /// When it was asked.
    pub(crate) since: Instant,
    by: Instant,
    said: bool,
}

impl World<'_> {
    /// Asks the exchange something and gives back the answer: `control_answered`.
    pub(crate) fn ask(&mut self, request: Control) -> Result<ControlReply, crate::oracle::Broken> {
        self.asked += 1;
        let id = ControlId(self.asked);
        let what = format!("{request:?}");
        self.tell(Input::Control { id, request }, None)?;
        let mut replies = std::mem::take(&mut self.replies);
        match (replies.pop(), replies.is_empty()) {
            (Some((known, reply)), true) if known == id => Ok(reply),
            (first, _) => {
                let count = replies.len() + usize::from(first.is_some());
                let reason = format!("{what} of {id:?} has {count} answers, the last one {first:?}");
                Err(broken("control_answered", self.now, reason))
            }
        }
    }

    /// An operator looks who is registered.
    pub(crate) fn look(&mut self) -> Verdict {
        let now = self.now;
        match self.ask(Control::Registrations)? {
            ControlReply::Registrations(all) => {
                let known = self.exchange.stats().bindings;
                if all.len() != known {
                    let reason = format!("{} bindings are listed, {known} are counted", all.len());
                    return Err(broken("control_answered", now, reason));
                }
                self.border.listed(now, &all)
            }
            other => Err(broken("control_answered", now, format!("registrations are {other:?}"))),
        }
    }

    /// An operator does something.
    pub(crate) fn operate(&mut self, act: &Act) -> Verdict {
        if self.host.away {
            return Ok(());
        }
        match act {
            Act::Registrations => self.look(),
            Act::Calls => self.calls().map(|_| ()),
            Act::Stats => self.count_tables(),
            Act::Hangup(n) => self.hang_up_some(*n),
            Act::Drain(patience) => self.drain(*patience),
            change => self.change(change),
        }
    }

    fn calls(&mut self) -> Result<Vec<CallInfo>, crate::oracle::Broken> {
        let (now, counted) = (self.now, self.exchange.stats().calls);
        match self.ask(Control::Calls)? {
            ControlReply::Calls(calls) => {
                let rising = calls.windows(2).all(|two| two[0].id != two[1].id && two[0].age >= two[1].age);
                let sane = calls.iter().all(|c| c.talking.is_none_or(|talking| talking <= c.age));
                if calls.len() == counted && rising && sane {
                    return Ok(calls);
                }
                Err(broken("control_answered", now, format!("{counted} calls are listed as {calls:?}")))
            }
            other => Err(broken("control_answered", now, format!("calls are {other:?}"))),
        }
    }

    fn count_tables(&mut self) -> Verdict {
        let (now, counted) = (self.now, self.exchange.stats());
        match self.ask(Control::Stats)? {
            ControlReply::Stats(told) if told == counted => Ok(()),
            other => Err(broken("control_answered", now, format!("{counted:?} is told as {other:?}"))),
        }
    }

    fn hang_up_some(&mut self, n: u32) -> Verdict {
        let (now, calls) = (self.now, self.calls()?);
        let place = usize::try_from(n).unwrap_or(0).checked_rem(calls.len());
        let (call, expected) = match place {
            Some(place) => (calls[place].id, ControlReply::HungUp { call: calls[place].id }),
            None => (u64::MAX, ControlReply::NoSuchCall { call: u64::MAX }),
        };
        let reply = self.ask(Control::Hangup { call })?;
        if reply == expected {
            return Ok(());
        }
        Err(broken("control_answered", now, format!("ending {:?} gave {reply:?}", place.map(|p| &calls[p]))))
    }

    /// A new configuration is loaded; the sockets stay.
    fn change(&mut self, change: &Act) -> Verdict {
        let mut config = (*self.config).clone();
        match change {
            Act::Remove(extension) => {
                config.phones.remove(extension.as_str());
                self.secrets.remove(extension);
            }
            Act::Restore(extension) => {
                if let Some(phone) = self.plan.phones.iter().find(|p| p.extension == *extension) {
                    let phone_again = configured(self.plan, extension, &phone.secret());
                    config.phones.insert(SmolStr::new(extension), phone_again);
                    self.secrets.insert(extension.clone(), phone.secret());
                }
            }
            Act::Password(extension, told) if config.phones.contains_key(extension.as_str()) => {
                let secret = format!("changed-{extension}");
                config.phones.insert(SmolStr::new(extension), configured(self.plan, extension, &secret));
                self.secrets.insert(extension.clone(), secret.clone());
                let owners = self.phones.iter_mut().filter(|p| *told && p.plan.extension == *extension);
                owners.for_each(|phone| phone.plan.password.clone_from(&secret));
            }
            Act::Ring(time) => config.ring = *time,
            Act::MediaTimeout(time) => config.media_timeout = Some(*time),
            _ => {}
        }
        self.config = Arc::new(config);
        self.border.secrets(&self.secrets);
        self.tell(Input::Config { config: self.config.clone(), listeners: listeners() }, None)?;
        if let (Act::Remove(extension), ControlReply::Registrations(all)) =
            (change, self.ask(Control::Registrations)?)
            && all.iter().any(|info| info.extension == extension.as_str())
        {
            let reason = format!("{extension} was taken out of the configuration and is still registered");
            return Err(broken("control_answered", self.now, reason));
        }
        Ok(())
    }

    fn drain(&mut self, patience: Duration) -> Verdict {
        if self.stopping.is_some() {
            return Ok(());
        }
        let by = self.now + patience;
        self.stopping = Some(Stopping { since: self.now, by, said: false });
        self.schedule(by + LAST_WORDS + self.plan.host.late * 2, Event::MustBeStopped(self.host.lives));
        self.border.stops();
        let by = self.exchange.inside(by);
        self.tell(Input::Stop { by }, None)
    }

    /// The exchange says that everything has ended: `stops_in_time`.
    pub(crate) fn stopped(&mut self) -> Verdict {
        let now = self.now;
        let Some(stopping) = self.stopping.as_mut().filter(|stopping| !stopping.said) else {
            return Err(broken("stops_in_time", now, "it has stopped, and nobody asked for that".to_owned()));
        };
        stopping.said = true;
        let Stats { calls, ports, .. } = self.exchange.stats();
        if calls > 0 {
            let reason = format!("it has stopped with {calls} calls and {ports} media ports");
            return Err(broken("stops_in_time", now, reason));
        }
        self.schedule(now + GOES_AFTER, Event::Gone(self.host.lives));
        Ok(())
    }

    /// The driver goes, and is started again.
    pub(crate) fn gone(&mut self, life: u64) -> Verdict {
        if life != self.host.lives || self.host.away {
            return Ok(());
        }
        // A driver that goes by itself writes what it has.
        self.stop_dead(Restart { at: self.now, away: Duration::from_secs(1), ahead: u32::MAX, torn: 0 })
    }

    /// A stop has to be over.
    pub(crate) fn must_be_stopped(&mut self, life: u64) -> Verdict {
        match self.stopping {
            Some(stopping) if life == self.host.lives && !stopping.said => {
                let reason = format!("asked at {} to stop by {}, it runs", stopping.since, stopping.by);
                Err(broken("stops_in_time", self.now, reason))
            }
            _ => Ok(()),
        }
    }
}
