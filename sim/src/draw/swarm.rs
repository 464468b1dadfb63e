//! Which kinds of fault and which features a seed has at all. A run with everything on hides what a run with
//! one thing shows: so each seed draws its own set first, and every draw after it asks here.

use crate::luck::Draw;

use super::Settings;

/// What can be on or off: its name, in how many of a hundred seeds it is on, and what it is.
pub const FEATURES: &[(&str, u32, &str)] = &[
    ("loss", 70, "datagrams lost one by one"),
    ("burst", 25, "datagrams lost in bursts"),
    ("duplicate", 50, "datagrams that arrive twice"),
    ("reorder", 50, "datagrams that later ones overtake"),
    ("split", 70, "streams that arrive in pieces"),
    ("partition", 40, "phones that are cut off for a while"),
    ("cut", 40, "streams that break"),
    ("tcp", 80, "phones that speak SIP over TCP"),
    ("twins", 75, "several phones with one extension"),
    ("timers", 80, "phones with session timers (RFC 4028)"),
    ("cancel", 85, "callers that give up"),
    ("refuse", 85, "called phones that refuse, or ring for ever"),
    ("hold", 80, "parties that hold and resume"),
    ("late-offer", 50, "calls without an offer in the INVITE"),
    ("service", 70, "calls to the echo, the tone and to nobody"),
    ("nat", 35, "phones behind NAT boxes"),
    ("alg", 30, "boxes that write into SIP messages"),
    ("reboot", 40, "boxes that reboot"),
    ("corrupt", 30, "datagrams that are damaged and dropped"),
    ("garble", 6, "packets that are damaged and delivered: only survival is asked for then"),
    ("mtu", 25, "links that long datagrams do not pass"),
    ("clog", 25, "links that hold everything back for a while"),
    ("long-partition", 20, "phones that are cut off for longer than the exchange waits"),
    ("vanish", 30, "streams that die without a word"),
    ("slow", 15, "phones that answer late"),
    ("overlook", 15, "phones that overlook messages"),
    ("no-ack", 15, "phones that acknowledge nothing"),
    ("odd-answers", 25, "phones that answer late, twice, or a call that is cancelled"),
    ("odd-byes", 20, "phones that say BYE twice, or before their answer is acknowledged"),
    ("glare", 25, "phones that re-invite while they are re-invited"),
    ("oddities", 25, "requests with old numbers, wrong tags, for somebody else"),
    ("odd-syntax", 40, "odd but legal ways to write"),
    ("old-branches", 15, "phones of before there were cookies (RFC 2543)"),
    ("reliable", 35, "reliable provisional responses (RFC 3262)"),
    ("routes", 25, "proxies that record their routes"),
    ("transcode", 20, "phones that share no codec: sound is decoded and coded anew"),
    ("digits", 50, "keys pressed during calls (RFC 4733)"),
    ("outage", 20, "phones that lose power"),
    ("attack", 30, "strangers who probe, guess, replay and flood"),
    ("tear", 30, "streams that break inside a message"),
    ("late", 25, "a host that wakes the exchange late"),
    ("wall", 25, "a wall clock that is set"),
    ("store", 30, "a store that is slow, or full for a while"),
    ("restart", 20, "an exchange that stops dead and starts again"),
    ("query", 40, "operators who ask"),
    ("hangup", 25, "operators who end calls"),
    ("reload", 30, "configurations that are loaded"),
    ("dialplan", 20, "dialplans of random steps, and callers who press random keys in them"),
    ("transfer", 25, "calls that are handed over by REFER, alone or with another (RFC 3515, RFC 3891)"),
    ("divert", 20, "phones that send calls elsewhere by 302"),
    ("park", 20, "callers who park, and others who come for them"),
    ("pickup", 25, "calls that others pick up, by code or by an INVITE with Replaces, and who may not"),
    ("drain", 15, "a stop that lets calls end"),
];

/// Those that are faults of the network: a plain run has none of them unless a setting asks for it.
const STORMS: &[&str] = &[
    "burst",
    "split",
    "partition",
    "cut",
    "nat",
    "alg",
    "reboot",
    "corrupt",
    "garble",
    "mtu",
    "clog",
    "long-partition",
    "vanish",
    "tear",
    "outage",
    "attack",
    "late",
    "wall",
    "store",
    "restart",
    "query",
    "hangup",
    "reload",
    "drain",
];

/// The set of one seed.
#[derive(Clone, Copy, Debug)]
pub struct Swarm<'a> {
    seed: u64,
    settings: &'a Settings,
}

impl<'a> Swarm<'a> {
    pub(super) fn new(seed: u64, settings: &'a Settings) -> Self {
        Self { seed, settings }
    }

    /// Whether the network may be bad in ways that nobody asked for.
    pub(super) fn is_stormy(self) -> bool {
        self.settings.storms
    }

    /// Whether the seed has the feature `name`, which is in [`FEATURES`].
    pub fn on(self, name: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|n| n == name);
        let Some((_, percent, _)) = FEATURES.iter().find(|(known, ..)| *known == name) else { return false };
        if named(&self.settings.without) {
            return false;
        }
        if named(&self.settings.with) {
            return true;
        }
        if !self.settings.storms && STORMS.contains(&name) {
            return false;
        }
        Draw::new(self.seed, name, SWARM).percent(*percent)
    }
}

/// The place of these draws among those of the same name.
const SWARM: u64 = u64::MAX;
