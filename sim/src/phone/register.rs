//! How a phone registers, stays registered and leaves (RFC 3261 §10.2).

use telex_engine::border::Transport;
use telex_engine::time::{Duration, Instant};

use super::digest::Challenge;
use super::transaction::{Answer, Purpose};
use super::{Phone, Scene, Timer};
use crate::text::{Build, Msg, parameter};

/// After a failure the phone tries again this much later.
const AGAIN: Duration = Duration::from_secs(3);

/// A phone's registration.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(super) call_id: String,
    tag: String,
    pub(super) cseq: u32,
    expires: u32,
    pub(super) challenge: Option<Challenge>,
    /// A REGISTER with credentials was refused already.
    refused: bool,
    busy: bool,
    due: Option<Instant>,
    leaving: bool,
    /// How often a REGISTER succeeded.
    pub(crate) successes: u64,
}

impl Registration {
    pub(super) fn new(name: String) -> Self {
        Self {
            call_id: format!("{name}@phone"),
            tag: name,
            cseq: 0,
            expires: 0,
            challenge: None,
            refused: false,
            busy: false,
            due: None,
            leaving: false,
            successes: 0,
        }
    }
}

impl Registration {
    /// Whether the phone has never been registered although it asked, and whether an answer is missing.
    pub(super) fn waits(&self) -> (bool, bool) {
        (self.cseq > 0 && self.successes == 0, self.busy)
    }
}

impl Phone {
    pub(super) fn switch_on(&mut self, scene: &Scene<'_>) {
        self.registration.expires = self.plan.expires;
        self.keep_alive(scene);
        match self.plan.transport {
            Transport::Udp => self.register_now(scene),
            // Opening the stream registers.
            Transport::Tcp => self.connect(),
        }
    }

    /// Says nothing, so that boxes on the way remember the phone (RFC 5626 §3.5.1).
    pub(super) fn keep_alive(&mut self, scene: &Scene<'_>) {
        let Some(every) = self.plan.keep_alive.filter(|_| !self.registration.leaving) else { return };
        self.say_nothing();
        self.arm(scene.now + every, Timer::KeepAlive);
    }

    pub(super) fn register_now(&mut self, scene: &Scene<'_>) {
        self.registration.due = Some(scene.now);
        self.fire_register(scene);
    }

    pub(super) fn fire_register(&mut self, scene: &Scene<'_>) {
        let due = self.registration.due.is_some_and(|due| due <= scene.now);
        if due && !self.registration.busy {
            self.registration.due = None;
            self.registration.refused = false;
            self.send_register(scene);
        }
    }

    /// Unregisters, and closes the streams when that is answered.
    pub(super) fn leave(&mut self, scene: &Scene<'_>) {
        self.registration.leaving = true;
        self.registration.expires = 0;
        self.register_now(scene);
    }

    fn send_register(&mut self, scene: &Scene<'_>) {
        let branch = self.branch();
        let cnonce = self.name("c");
        self.registration.cseq += 1;
        self.registration.busy = true;
        let domain = self.domain();
        let address = format!("<sip:{}@{domain}>", self.plan.extension);
        let uri = format!("sip:{domain}");
        let registration = &mut self.registration;
        let mut build = Build::request("REGISTER", &uri);
        let authorization = registration
            .challenge
            .as_mut()
            .map(|c| c.answer(&self.plan.extension, &self.plan.secret(), "REGISTER", &uri, &cnonce));
        let (tag, cseq, expires) = (registration.tag.clone(), registration.cseq, registration.expires);
        build = build
            .header("Via", &self.via(&branch))
            .header("Max-Forwards", "70")
            .header("From", &format!("{address};tag={tag}"))
            .header("To", &address)
            .header("Call-ID", &self.registration.call_id)
            .header("CSeq", &format!("{cseq} REGISTER"))
            .header("Contact", &self.contact())
            .header("User-Agent", &format!("sim phone {}", self.index))
            .header("Expires", &expires.to_string());
        if let Some(authorization) = authorization {
            build = build.header("Authorization", &authorization);
        }
        self.begin(scene, "REGISTER", branch, build.body(""), Purpose::Register);
    }

    pub(super) fn registered(&mut self, scene: &Scene<'_>, answer: &Answer<'_>) {
        if matches!(answer, Answer::Provisional(_)) {
            return;
        }
        let now = scene.now;
        self.registration.busy = false;
        let Answer::Final(msg) = answer else {
            if self.registration.leaving && self.plan.transport == Transport::Udp {
                // It has tried long enough.
                return self.close_streams();
            }
            return self.register_later(now + AGAIN);
        };
        match msg.code().unwrap_or(0) {
            200 => {
                self.register_accepted(now, msg);
                if !self.registration.leaving {
                    self.register_oddly(scene);
                }
            }
            401 if self.take_challenge(msg) => self.send_register(scene),
            423 => {
                let least = msg.get("min-expires").and_then(|v| v.parse().ok());
                self.registration.expires = least.unwrap_or(3600).max(self.registration.expires);
                self.send_register(scene);
            }
            // It is not wanted here any more.
            _ if self.registration.leaving => self.close_streams(),
            _ => self.register_later(now + AGAIN),
        }
    }

    fn register_accepted(&mut self, now: Instant, msg: &Msg) {
        self.registration.successes += 1;
        if self.registration.leaving {
            if self.registration.expires == 0 && self.registration.due.is_none() {
                self.close_streams();
            } else {
                // The answer is to a REGISTER from before the phone was switched off.
                self.register_later(now);
            }
            return;
        }
        let own = self.contact();
        let own = own.trim_matches(['<', '>']);
        let granted = msg
            .all("contact")
            .flat_map(|value| value.split(','))
            .find(|contact| contact.contains(own))
            .and_then(|contact| parameter(contact, "expires"))
            .and_then(|text| text.parse::<u32>().ok());
        let seconds = u64::from(granted.unwrap_or(self.registration.expires));
        // Half-way, so that a lost REGISTER and its repetitions still come in time.
        let half = Duration::from_secs(seconds / 2);
        self.register_later(now + self.plan.refresh.map_or(half, |every| every.min(half)));
    }

    /// The stream of a REGISTER broke: its answer will not come.
    pub(super) fn forget_register(&mut self) {
        self.registration.busy = false;
        self.clients.retain(|c| c.purpose != Purpose::Register);
    }

    fn register_later(&mut self, at: Instant) {
        self.registration.due = Some(at);
        self.arm(at, Timer::Register);
    }

    /// Keeps the challenge. False when it comes for credentials that were right but for their age.
    fn take_challenge(&mut self, msg: &Msg) -> bool {
        let Some(challenge) = challenge_in(msg, "www-authenticate") else { return false };
        let again = self.registration.refused && !challenge.stale;
        self.registration.refused = true;
        self.registration.challenge = Some(challenge);
        !again
    }
}

/// The first challenge of a response that a phone can answer.
pub(super) fn challenge_in(msg: &Msg, header: &str) -> Option<Challenge> {
    msg.all(header).find_map(Challenge::read)
}
