//! The network: when, and how often, a packet arrives. Datagrams may be lost, doubled, damaged and overtaken;
//! streams keep order and lose nothing, but come in pieces and late.

mod fate;

use telex_engine::time::{Duration, Instant};

pub(crate) use fate::{Fate, Why, damaged};

use crate::expect;
use crate::luck::{Kind, below, happens, luck};
use crate::plan::{ExactFault, ExactKind, Faults, Plan, Way};

/// One direction of one phone's traffic with the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkId {
    /// The phone.
    pub(crate) phone: usize,
    /// Towards the exchange, rather than from it.
    pub(crate) inward: bool,
    /// What travels.
    pub(crate) channel: Channel,
}

/// What travels on a link. Media and signalling do not share their luck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// SIP in datagrams.
    Sip,
    /// RTP and RTCP.
    Media,
    /// SIP in streams.
    Stream,
}

impl LinkId {
    const PER_PHONE: usize = 6;

    fn index(self) -> usize {
        self.phone * Self::PER_PHONE + usize::from(self.inward) * 3 + self.channel as usize
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Link {
    /// How many packets were sent.
    ordinal: u64,
    /// Packets up to this one are lost in a burst.
    burst_until: u64,
    /// When the latest packet that keeps its place arrives.
    latest: Instant,
}

/// A phone, or each of them, cannot be relied on for a while.
#[derive(Clone, Copy, Debug)]
struct Gap {
    phone: Option<usize>,
    from: Instant,
    until: Instant,
}

/// All links.
#[derive(Debug)]
pub(crate) struct Network {
    seed: u64,
    faults: Faults,
    calm: Instant,
    latency: Vec<(Duration, Duration)>,
    mtu: Vec<usize>,
    /// Times when a phone is out of touch for a reason of its own: its box reboots, or the exchange is away.
    gaps: Vec<Gap>,
    /// What the luck of each link is called.
    names: Vec<u64>,
    links: Vec<Link>,
    /// Datagrams that did not arrive.
    pub(crate) lost: u64,
    /// Datagrams that were sent.
    pub(crate) sent: u64,
}

/// A packet that is overtaken arrives up to this much later than its place.
const OVERTAKEN_BY: Duration = Duration::from_millis(250);
/// The second copy of a doubled packet arrives up to this much after the first.
const DOUBLE_AFTER: Duration = Duration::from_millis(60);
/// The second copy of a message that the plan doubles arrives this much after the first.
const EXACT_DOUBLE_AFTER: Duration = Duration::from_millis(1);
/// A stream's lost segment is sent again after this.
const SEGMENT_AGAIN: Duration = Duration::from_millis(220);

impl Network {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            seed: plan.seed,
            faults: plan.faults.clone(),
            calm: plan.calm,
            latency: plan.phones.iter().map(|p| (p.latency, p.jitter)).collect(),
            mtu: plan.phones.iter().map(|p| p.mtu.map_or(usize::MAX, usize::from)).collect(),
            gaps: gaps(plan),
            names: names(plan),
            links: vec![Link::default(); plan.phones.len() * LinkId::PER_PHONE],
            lost: 0,
            sent: 0,
        }
    }

    /// Whether nothing keeps `phone` from the exchange at `now`.
    pub(crate) fn reachable(&self, phone: usize, now: Instant) -> bool {
        self.partition_end(phone, now).is_none()
    }

    /// Whether `phone` was reachable all the time from `from` to `until`.
    pub(crate) fn reachable_between(&self, phone: usize, from: Instant, until: Instant) -> bool {
        let cut_off =
            self.faults.partitions.iter().any(|p| p.phone == phone && p.from < until && from < p.until);
        let gap = |g: &Gap| g.phone.is_none_or(|p| p == phone) && g.from < until && from < g.until;
        !cut_off && !self.is_clogged(phone, from, until) && !self.gaps.iter().any(gap)
    }

    /// Whether what `phone` sent or was sent waited at any time from `from` to `until`.
    pub(crate) fn is_clogged(&self, phone: usize, from: Instant, until: Instant) -> bool {
        self.faults.clogs.iter().any(|c| c.phone == phone && c.from < until && from < c.until)
    }

    /// How many datagrams were sent on a link.
    pub(crate) fn sent_on(&self, id: LinkId) -> u64 {
        self.links[id.index()].ordinal
    }

    /// Sends one datagram of so many octets.
    pub(crate) fn datagram(&mut self, now: Instant, id: LinkId, octets: usize) -> Fate {
        let cut_off = !self.reachable(id.phone, now);
        let (latency, jitter) = self.latency[id.phone];
        let (seed, name) = (self.seed, self.names[id.index()]);
        let link = &mut self.links[id.index()];
        link.ordinal += 1;
        self.sent += 1;
        let ordinal = link.ordinal;
        let draw = |kind| luck(seed, name, ordinal, kind);
        let storm = now < self.calm;
        let faults = &self.faults;
        if octets > self.mtu[id.phone] {
            self.lost += 1;
            return Fate::Lost(Why::TooLong);
        }
        if let Some(kind) = exact(faults, id, ordinal) {
            let at = now + latency;
            return match kind {
                ExactKind::Lose => {
                    self.lost += 1;
                    Fate::Lost(Why::Exact)
                }
                ExactKind::Double => Fate::Twice(at, at + EXACT_DOUBLE_AFTER),
                ExactKind::Delay(by) => Fate::Arrives(at + by),
            };
        }
        if storm {
            if happens(faults.burst, draw(Kind::Burst)) {
                link.burst_until = link.burst_until.max(ordinal + 1 + below(7, draw(Kind::BurstLength)));
            }
            let why = if cut_off {
                Some(Why::Partition)
            } else if ordinal <= link.burst_until {
                Some(Why::Burst)
            } else if happens(faults.loss, draw(Kind::Loss)) {
                Some(Why::Loss)
            } else if happens(faults.corrupt, draw(Kind::Corrupt)) {
                Some(Why::Checksum)
            } else {
                None
            };
            if let Some(why) = why {
                self.lost += 1;
                return Fate::Lost(why);
            }
        }
        let sent = clog_end(faults, id.phone, now).unwrap_or(now);
        let plain = sent + latency + part_of(jitter, draw(Kind::Jitter));
        if storm && happens(faults.garble, draw(Kind::Garble)) {
            return Fate::Damaged(plain, draw(Kind::Bit));
        }
        if storm && happens(faults.reorder, draw(Kind::Reorder)) {
            return Fate::Arrives(plain + part_of(OVERTAKEN_BY, draw(Kind::ReorderDelay)));
        }
        // Whoever is not overtaken keeps its place.
        let at = plain.max(link.latest);
        link.latest = at;
        if storm && happens(faults.duplicate, draw(Kind::Duplicate)) {
            return Fate::Twice(at, at + part_of(DOUBLE_AFTER, draw(Kind::DuplicateDelay)));
        }
        Fate::Arrives(at)
    }

    /// Writes `length` octets to a stream: where each piece ends, and when it arrives.
    pub(crate) fn stream(
        &mut self,
        now: Instant,
        id: LinkId,
        length: usize,
        pieces: &mut Vec<(usize, Instant)>,
    ) {
        pieces.clear();
        let wait = self.partition_end(id.phone, now);
        let (latency, jitter) = self.latency[id.phone];
        let (seed, name) = (self.seed, self.names[id.index()]);
        let link = &mut self.links[id.index()];
        link.ordinal += 1;
        let ordinal = link.ordinal;
        let draw = |kind| luck(seed, name, ordinal, kind);
        let storm = now < self.calm;
        let mut start = wait.map_or(now, |until| until + SEGMENT_AGAIN);
        start = clog_end(&self.faults, id.phone, start).unwrap_or(start);
        if storm && happens(self.faults.loss, draw(Kind::Loss)) {
            start += SEGMENT_AGAIN;
        }
        link.latest = link.latest.max(start + latency + part_of(jitter, draw(Kind::Jitter)));
        if storm && length > 1 && happens(self.faults.split, draw(Kind::Pieces)) {
            let count = 1 + below(6, draw(Kind::BurstLength));
            for n in 0..count {
                let at = luck(seed, name ^ (n << 32), ordinal, Kind::Cut);
                let end = 1 + usize::try_from(below(length as u64 - 1, at)).unwrap_or(0);
                pieces.push((end, Instant::ZERO));
            }
            pieces.sort_unstable();
            pieces.dedup();
        }
        if pieces.last().is_none_or(|(end, _)| *end < length) {
            pieces.push((length, Instant::ZERO));
        }
        for (_, at) in pieces.iter_mut() {
            *at = link.latest;
            link.latest += Duration::from_micros(700);
        }
    }

    /// From the exchange back to `phone`, for what is known to arrive.
    pub(crate) fn rest_of_round_trip(&self, phone: usize) -> Duration {
        self.latency[phone].0
    }

    /// Counts a datagram that does not get onto its link.
    pub(crate) fn stopped(&mut self, why: Why) -> Fate {
        self.lost += 1;
        Fate::Lost(why)
    }

    /// The longest that a packet is under way to or from `phone` when nothing happens to it.
    pub(crate) fn longest(&self, phone: usize) -> Duration {
        let (latency, jitter) = self.latency[phone];
        latency + jitter
    }

    /// Whether a write to a stream is damaged, and by which luck.
    pub(crate) fn garbled(&self, now: Instant, id: LinkId) -> Option<u64> {
        let ordinal = self.links[id.index()].ordinal;
        let draw = |kind| luck(self.seed, id.index() as u64, ordinal, kind);
        let hit = now < self.calm && happens(self.faults.garble, draw(Kind::Garble));
        hit.then(|| draw(Kind::Bit))
    }

    /// How much of a message of so many octets gets through a stream that breaks in it.
    pub(crate) fn broken_off(&self, id: LinkId, octets: usize) -> usize {
        let ordinal = self.links[id.index()].ordinal;
        let draw = luck(self.seed, id.index() as u64, ordinal, Kind::BreakOff);
        usize::try_from(below(octets as u64, draw)).unwrap_or(0)
    }

    /// Opens a stream: when the other end knows.
    pub(crate) fn handshake(&mut self, now: Instant, phone: usize) -> Instant {
        let (latency, _) = self.latency[phone];
        let start = self.partition_end(phone, now).map_or(now, |until| until + SEGMENT_AGAIN);
        clog_end(&self.faults, phone, start).unwrap_or(start) + latency
    }

    fn partition_end(&self, phone: usize, now: Instant) -> Option<Instant> {
        let windows = self.faults.partitions.iter();
        windows.filter(|p| p.phone == phone && p.from <= now && now < p.until).map(|p| p.until).max()
    }
}

/// A new mapping is learnt by the exchange within this: five seconds of silence from the old one, then four packets
/// in sequence from a phone that may send only one in a second.
const RELEARNT: Duration = Duration::from_secs(12);

/// A process takes this long to start.
const PROCESS_STARTS: Duration = Duration::from_secs(1);

/// When phones cannot be relied on although the network is fine.
fn gaps(plan: &Plan) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for (index, phone) in plan.phones.iter().enumerate() {
        let nat = phone.nat.and_then(|n| plan.nats.get(n));
        let reboots = nat.map_or(&[][..], |nat| &nat.reboots);
        gaps.extend(reboots.iter().map(|at| Gap { phone: Some(index), from: *at, until: *at + RELEARNT }));
    }
    let restarts = plan.host.restarts.iter();
    gaps.extend(restarts.map(|r| Gap { phone: None, from: r.at, until: r.at + r.away + PROCESS_STARTS }));
    gaps.extend(expect::drains(plan).map(|(from, until)| Gap { phone: None, from, until }));
    gaps
}

/// When what is sent to or by `phone` at `now` gets on its way, if it has to wait.
fn clog_end(faults: &Faults, phone: usize, now: Instant) -> Option<Instant> {
    let here = faults.clogs.iter().filter(|c| c.phone == phone && c.from <= now && now < c.until);
    here.map(|c| c.until).max()
}

fn names(plan: &Plan) -> Vec<u64> {
    let per_phone = LinkId::PER_PHONE as u64;
    (0..plan.phones.len())
        .flat_map(|phone| (0..per_phone).map(move |n| plan.luck_of(phone) * per_phone + n))
        .collect()
}

/// What the plan says about this very message.
fn exact(faults: &Faults, id: LinkId, ordinal: u64) -> Option<ExactKind> {
    let here = |f: &&ExactFault| {
        f.phone == id.phone
            && (f.way == Way::In) == id.inward
            && u64::from(f.message) == ordinal
            && id.channel == Channel::Sip
    };
    faults.exact.iter().find(here).map(|fault| fault.kind)
}

fn part_of(whole: Duration, luck: u64) -> Duration {
    Duration::from_nanos(below(u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX), luck))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{Settings, draw};
    use crate::plan::Partition;

    const SIP_IN: LinkId = LinkId { phone: 0, inward: true, channel: Channel::Sip };

    fn network(change: impl FnOnce(&mut Faults)) -> Network {
        let mut plan = draw(3, &Settings { storms: false, ..Settings::default() });
        plan.calm = Instant::from_millis(1_000_000);
        change(&mut plan.faults);
        Network::new(&plan)
    }

    fn fates(net: &mut Network, id: LinkId, count: u64) -> Vec<Fate> {
        (0..count).map(|n| net.datagram(Instant::from_millis(n * 20), id, 500)).collect()
    }

    #[test]
    fn traffic_on_one_link_leaves_the_luck_of_another() {
        let change = |f: &mut Faults| f.loss = 200_000;
        let (mut one, mut two) = (network(change), network(change));
        fates(&mut two, LinkId { phone: 1, ..SIP_IN }, 500);
        fates(&mut two, LinkId { channel: Channel::Media, ..SIP_IN }, 500);
        assert_eq!(fates(&mut one, SIP_IN, 500), fates(&mut two, SIP_IN, 500));
    }

    #[test]
    fn packets_keep_their_order_unless_reordering_is_asked_for() {
        let arrivals = |net: &mut Network| -> Vec<Instant> {
            (0..500)
                .filter_map(|n| match net.datagram(Instant::from_millis(n), SIP_IN, 500) {
                    Fate::Arrives(at) | Fate::Twice(at, _) | Fate::Damaged(at, _) => Some(at),
                    Fate::Lost(_) => None,
                })
                .collect()
        };
        assert!(arrivals(&mut network(|f| f.loss = 100_000)).is_sorted());
        assert!(!arrivals(&mut network(|f| f.reorder = 100_000)).is_sorted());
    }

    #[test]
    fn bursts_lose_neighbours() {
        let mut net = network(|f| f.burst = 20_000);
        let lost: Vec<bool> =
            fates(&mut net, SIP_IN, 5000).iter().map(|f| *f == Fate::Lost(Why::Burst)).collect();
        let runs = lost.split(|lost| !lost).map(<[bool]>::len).filter(|len| *len > 0);
        let (shortest, longest) = runs.fold((usize::MAX, 0), |(lo, hi), len| (lo.min(len), hi.max(len)));
        assert!(shortest >= 2 && longest >= 7, "bursts of {shortest} to {longest}");
    }

    #[test]
    fn a_partition_loses_datagrams_and_delays_streams() {
        let (from, until) = (Instant::from_millis(100), Instant::from_millis(900));
        let mut net = network(|f| f.partitions.push(Partition { phone: 0, from, until }));
        let mut pieces = Vec::new();
        let stream = LinkId { channel: Channel::Stream, ..SIP_IN };
        for fate in fates(&mut net, SIP_IN, 50).iter().enumerate() {
            let during = (5..45).contains(&fate.0);
            assert_eq!(during, *fate.1 == Fate::Lost(Why::Partition), "{fate:?}");
        }
        net.stream(Instant::from_millis(150), stream, 10, &mut pieces);
        assert!(pieces.iter().all(|(_, at)| *at > until));
    }

    #[test]
    fn a_split_stream_loses_no_octet_and_keeps_order() {
        let mut net = network(|f| f.split = 1_000_000);
        let mut pieces = Vec::new();
        for n in 0..200 {
            net.stream(
                Instant::from_millis(n),
                LinkId { channel: Channel::Stream, ..SIP_IN },
                400,
                &mut pieces,
            );
            assert_eq!(pieces.last().map(|p| p.0), Some(400));
            assert!(pieces.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1), "{pieces:?}");
        }
    }

    #[test]
    fn damage_is_either_noticed_or_delivered() {
        let mut net = network(|f| (f.corrupt, f.garble) = (100_000, 100_000));
        let fates = fates(&mut net, SIP_IN, 1000);
        let noticed = fates.iter().filter(|f| **f == Fate::Lost(Why::Checksum)).count();
        let delivered = fates.iter().filter(|f| matches!(f, Fate::Damaged(..))).count();
        assert!((60..140).contains(&noticed) && (60..140).contains(&delivered), "{noticed} {delivered}");
    }

    #[test]
    fn what_is_too_long_is_lost_in_calm_as_in_storm() {
        let mut net = network(|_| ());
        net.mtu[0] = 800;
        for at in [0, 2_000_000] {
            let at = Instant::from_millis(at);
            assert_eq!(net.datagram(at, SIP_IN, 801), Fate::Lost(Why::TooLong));
            assert!(matches!(net.datagram(at, SIP_IN, 800), Fate::Arrives(_)));
        }
    }

    #[test]
    fn what_waits_in_a_clog_arrives_afterwards_and_in_order() {
        let (from, until) = (Instant::from_millis(100), Instant::from_millis(900));
        let mut net = network(|f| f.clogs.push(crate::plan::Clog { phone: 0, from, until }));
        let fates = fates(&mut net, SIP_IN, 50);
        let arrivals: Vec<Instant> = fates.iter().flat_map(|f| f.arrivals()).collect();
        assert!(arrivals.is_sorted() && arrivals.len() == 50);
        assert!(arrivals[5..45].iter().all(|at| *at >= until));
        assert!(!net.reachable_between(0, Instant::ZERO, from + Duration::from_millis(1)));
        assert!(net.reachable_between(1, Instant::ZERO, until));
    }

    #[test]
    fn calm_means_no_faults() {
        let mut net = network(|f| {
            f.loss = 1_000_000;
            f.duplicate = 1_000_000;
        });
        net.calm = Instant::ZERO;
        assert!(fates(&mut net, SIP_IN, 100).iter().all(|f| matches!(f, Fate::Arrives(_))));
    }
}
