//! In which ways a phone is not like the others: see [`Habit`].

use bytes::Bytes;
use telex_engine::time::Duration;

use super::leg::{LegTimer, State};
use super::register::Registration;
use super::transaction::Purpose;
use super::{Phone, Scene, Timer, dress};
use crate::luck::{Kind, below, luck};
use crate::plan::Habit;
use crate::text::Build;

/// What phones can do, as they say in Allow.
const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE";
/// The same without UPDATE, so that sessions are refreshed by re-INVITE.
const ALLOW_NO_UPDATE: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK";
/// How late a slow phone says everything.
const LATE: Duration = Duration::from_millis(2500);
/// One message in so many is overlooked.
const OVERLOOKED: u64 = 3;
/// What does not belong into a call is sent this long after its answer.
const ODD_AFTER: Duration = Duration::from_millis(1200);

impl Phone {
    /// Whether it has this habit.
    pub(super) fn has(&self, habit: Habit) -> bool {
        self.plan.habits.contains(&habit)
    }

    pub(super) fn allow(&self) -> &'static str {
        if self.has(Habit::Glare) { ALLOW_NO_UPDATE } else { ALLOW }
    }

    /// A branch (RFC 3261 §8.1.1.7), or one of before there was a cookie.
    pub(super) fn branch(&mut self) -> String {
        let cookie = if self.has(Habit::NoCookie) { "old-" } else { "z9hG4bK" };
        self.name(cookie)
    }

    /// Sends a message as this phone writes it, and when it does.
    pub(super) fn transmit(&mut self, bytes: Bytes, stream: Option<u64>) {
        let bytes = dress::dressed(&self.plan.habits, bytes);
        if self.has(Habit::Slow) {
            let post = self.unique();
            self.posts.insert(post, (bytes, stream));
            self.arm(self.now + LATE, Timer::Post(post));
        } else {
            self.put_out(bytes, stream);
        }
    }

    pub(super) fn fire_post(&mut self, post: u64) {
        if let Some((bytes, stream)) = self.posts.remove(&post) {
            self.put_out(bytes, stream);
        }
    }

    /// Whether the phone overlooks the datagram that has just come.
    pub(super) fn overlooks(&mut self, scene: &Scene<'_>) -> bool {
        if !self.has(Habit::Overlooks) || scene.now >= scene.plan.calm {
            return false;
        }
        let (link, count) = (scene.plan.luck_of(self.index), self.unique());
        below(OVERLOOKED, luck(scene.plan.seed, link, count, Kind::Overlook)) == 0
    }

    /// The Record-Route of the proxies on the way, the last one first.
    pub(super) fn recorded(&self) -> Vec<String> {
        if !self.has(Habit::Routed) {
            return Vec::new();
        }
        let tcp = if self.contact().contains("transport=tcp") { ";transport=tcp" } else { "" };
        (1..3).rev().map(|n| format!("<sip:proxy{n}@{}:5060{tcp};lr>", self.address)).collect()
    }

    /// A 200 to an INVITE that was refused.
    pub(super) fn answer_after_all(&mut self, leg: usize) {
        let body = self.describe(leg, self.legs[leg].mine, None);
        if let Some((bytes, stream)) = self.compose(self.legs[leg].invite, 200, &[], &body) {
            self.transmit(bytes, stream);
        }
    }

    /// A second 200 to an INVITE, from what looks like another phone.
    pub(super) fn answer_again(&mut self, leg: usize) {
        let Some(ok) = self.legs[leg].unacknowledged.clone() else { return };
        let text = String::from_utf8_lossy(&ok.bytes).into_owned();
        let tag = format!(";tag={}", self.legs[leg].local_tag);
        let other = text.replacen(&tag, &format!("{tag}-other"), 1);
        self.transmit(Bytes::from(other), ok.stream);
    }

    pub(super) fn arm_oddities(&mut self, scene: &Scene<'_>, leg: usize) {
        if self.has(Habit::OutOfDialog) {
            self.arm_leg(leg, LegTimer::Odd, scene.now + ODD_AFTER);
        }
    }

    /// Requests in the name of a call that are not of it: nothing must come of them.
    pub(super) fn send_oddities(&mut self, scene: &Scene<'_>, n: usize) {
        if self.legs[n].state != State::Up {
            return;
        }
        let branch = self.branch();
        let right = std::mem::replace(&mut self.legs[n].local_tag, "nobody".to_owned());
        let cseq = self.legs[n].cseq;
        self.legs[n].cseq = cseq + 100;
        let bytes = self.in_dialog(n, "BYE", &branch).body("");
        self.legs[n].local_tag = right;
        self.begin(scene, "BYE", branch, bytes, Purpose::Ignored);
        // Only a caller has said something before.
        if self.legs[n].invite_cseq > 0 {
            let branch = self.branch();
            self.legs[n].cseq = self.legs[n].invite_cseq;
            let bytes = self.in_dialog(n, "OPTIONS", &branch).body("");
            self.begin(scene, "OPTIONS", branch, bytes, Purpose::Ignored);
        }
        self.legs[n].cseq = cseq;
    }

    /// After its BYE it says another one.
    pub(super) fn bye_again(&mut self, scene: &Scene<'_>, n: usize) {
        let branch = self.branch();
        self.legs[n].cseq += 1;
        let bytes = self.in_dialog(n, "BYE", &branch).body("");
        self.begin(scene, "BYE", branch, bytes, Purpose::Ignored);
    }

    /// REGISTERs that must be refused: an old one that unregisters, and one for somebody else.
    pub(super) fn register_oddly(&mut self, scene: &Scene<'_>) {
        if !self.has(Habit::OddRegisters) || self.registration.cseq < 2 {
            return;
        }
        let own = self.plan.extension.clone();
        let somebody = scene.plan.phones.iter().map(|p| p.extension.clone()).find(|e| *e != own);
        self.odd_register(scene, 1, 0, &own);
        if let Some(somebody) = somebody {
            self.odd_register(scene, 1000, 60, &somebody);
        }
    }

    fn odd_register(&mut self, scene: &Scene<'_>, cseq: u32, expires: u32, aor: &str) {
        let (branch, cnonce, domain) = (self.branch(), self.name("c"), self.domain());
        let uri = format!("sip:{domain}");
        let (user, secret) = (self.plan.extension.clone(), self.plan.secret());
        let Some(challenge) = self.registration.challenge.as_mut() else { return };
        let authorization = challenge.answer(&user, &secret, "REGISTER", &uri, &cnonce);
        let call_id =
            if aor == user { self.registration.call_id.clone() } else { format!("{cnonce}@elsewhere") };
        let bytes = Build::request("REGISTER", &uri)
            .header("Via", &self.via(&branch))
            .header("Max-Forwards", "70")
            .header("From", &format!("<sip:{user}@{domain}>;tag=odd"))
            .header("To", &format!("<sip:{aor}@{domain}>"))
            .header("Call-ID", &call_id)
            .header("CSeq", &format!("{cseq} REGISTER"))
            .header("Contact", &self.contact())
            .header("Expires", &expires.to_string())
            .header("Authorization", &authorization)
            .body("");
        self.begin(scene, "REGISTER", branch, bytes, Purpose::Ignored);
    }

    /// Power goes, or comes back.
    pub(super) fn fire_power(&mut self, scene: &Scene<'_>, n: usize) {
        let Some(outage) = self.plan.outages.get(n).copied() else { return };
        if self.off {
            self.off = false;
            if self.gone {
                return;
            }
            return self.switch_on(scene);
        }
        self.off = true;
        self.clients.clear();
        self.servers.clear();
        self.posts.clear();
        for leg in 0..self.legs.len() {
            if self.legs[leg].state != State::Ended {
                self.legs[leg].cut_short = true;
            }
            self.end_leg(scene, leg);
        }
        let successes = self.registration.successes;
        self.registration = Registration::new(self.name("reg"));
        self.registration.successes = successes;
        self.lose_streams();
        self.arm(outage.at + outage.lasts, Timer::Power(n));
    }
}
