//! From a seed and a few settings to a plan.

mod calls;
mod characters;
mod codecs;
mod features;
mod hazards;
mod host;
mod nat;
mod network;
mod operators;
mod swarm;
mod walk;

use telex_engine::border::Transport;
use telex_engine::config::Config;
use telex_engine::time::{Duration, Instant};

pub use swarm::{FEATURES, Swarm};

use crate::luck::Draw;
use crate::plan::{BrokenTimer, CallPlan, ExchangePlan, HostPlan, PhonePlan, Plan, TAIL, is_number};

/// What a person chooses; the seed decides the rest. Probabilities are in parts of a million.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many calls are made.
    pub calls: usize,
    /// How many phones there are; 0 lets the seed decide.
    pub phones: usize,
    /// Packets lost one by one; `None` lets the seed decide, as in the next two.
    pub loss: Option<u32>,
    /// Packets that arrive twice.
    pub duplicate: Option<u32>,
    /// Packets that later ones overtake.
    pub reorder: Option<u32>,
    /// Latency of every link; `None` lets the seed decide.
    pub latency: Option<Duration>,
    /// The most that packets take longer than the latency of their link; `None` lets the seed decide.
    pub jitter: Option<Duration>,
    /// Whether the seed may add faults that no setting names: loss, partitions, broken streams and so on.
    pub storms: bool,
    /// What every seed has, by its name in [`FEATURES`].
    pub with: Vec<String>,
    /// What no seed has. It outweighs [`Settings::with`].
    pub without: Vec<String>,
    /// A timer of the engine to break.
    pub broken: Option<BrokenTimer>,
    /// The site whose phones and times these are.
    pub site: Option<Site>,
}

/// What a plan takes from the configuration of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The extensions that phones register, at least one.
    pub extensions: Vec<String>,
    /// Times and limits.
    pub exchange: ExchangePlan,
}

impl Site {
    /// The site of `config`: the extensions that register and that a simulated phone can have. `None` if there
    /// is none.
    pub fn of(config: &Config) -> Option<Self> {
        let registers = config.phones.iter().filter(|(_, phone)| phone.contact.is_none());
        let extensions: Vec<String> =
            registers.map(|(extension, _)| extension.to_string()).filter(|e| is_number(e)).collect();
        (!extensions.is_empty()).then(|| Self { extensions, exchange: ExchangePlan::of(config) })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            calls: 20,
            phones: 0,
            loss: None,
            duplicate: None,
            reorder: None,
            latency: None,
            jitter: None,
            storms: true,
            with: Vec::new(),
            without: Vec::new(),
            broken: None,
            site: None,
        }
    }
}

/// Phones register before this; calls begin after it.
const OPENING: Duration = Duration::from_secs(8);
/// Draws the plan of `seed`.
pub fn draw(seed: u64, settings: &Settings) -> Plan {
    let mut d = Draw::new(seed, "plan", 0);
    let swarm = Swarm::new(seed, settings);
    let drawn = phones_for(settings.calls, &mut d);
    let count = match &settings.site {
        _ if settings.phones > 0 => settings.phones,
        Some(site) => site.extensions.len(),
        None => drawn,
    };
    let phones: Vec<PhonePlan> = (0..count).map(|i| phone(seed, i, settings, swarm)).collect();
    // About one new call a second keeps a few of them alive at any time.
    let busy = Duration::from_millis(settings.calls as u64 * d.between(400, 1600));
    let call = |index| calls::call(seed, index, busy, &phones, swarm);
    let mut calls: Vec<CallPlan> = (0..settings.calls).map(call).collect();
    calls.sort_by_key(|c| c.at);
    let calm = Instant::ZERO + OPENING + busy + TAIL;
    let exchange = exchange(settings, &mut d);
    let empty = calm + exchange.calm();
    let mut plan = Plan {
        seed,
        calm,
        empty,
        end: empty + exchange.empty(),
        faults: network::faults(seed, settings, &phones, calm, swarm),
        exchange,
        phones,
        calls,
        nats: Vec::new(),
        host: HostPlan::default(),
        operators: Vec::new(),
        attacks: Vec::new(),
        dialplan: Vec::new(),
    };
    nat::add(&mut plan, swarm);
    hazards::add(&mut plan, swarm);
    characters::add(&mut plan, swarm);
    codecs::add(&mut plan, swarm);
    host::add(&mut plan, swarm);
    operators::add(&mut plan, swarm);
    walk::add(&mut plan, swarm);
    features::add(&mut plan, swarm);
    plan
}

fn exchange(settings: &Settings, d: &mut Draw) -> ExchangePlan {
    let drawn = ExchangePlan {
        shards: if d.percent(30) { 2 } else { 1 },
        ring: Duration::from_secs(d.between(5, 20)),
        media_timeout: Duration::from_secs(d.between(15, 30)),
        session: Duration::from_secs(if d.percent(30) { 90 } else { 1800 }),
        broken: settings.broken,
        ..ExchangePlan::default()
    };
    match &settings.site {
        Some(site) => ExchangePlan { shards: drawn.shards, broken: drawn.broken, ..site.exchange.clone() },
        None => drawn,
    }
}

/// Few phones for few calls; for many calls so many that a phone is not in dozens of them at once.
fn phones_for(calls: usize, d: &mut Draw) -> usize {
    usize::try_from(d.between(3, 8)).unwrap_or(3) + calls / 50
}

fn phone(seed: u64, index: usize, settings: &Settings, swarm: Swarm<'_>) -> PhonePlan {
    let mut d = Draw::new(seed, "phone", index as u64);
    // Some extensions have two phones: the second shares the first's number.
    let twin = index > 1 && d.percent(20) && swarm.on("twins");
    let place = if twin { index - 1 } else { index };
    let extension = match &settings.site {
        Some(site) => site.extensions[place % site.extensions.len()].clone(),
        None => (100 + place).to_string(),
    };
    let drawn = Duration::from_millis(d.between(1, 80));
    let latency = settings.latency.unwrap_or(drawn);
    let transport = if d.percent(25) && swarm.on("tcp") { Transport::Tcp } else { Transport::Udp };
    let codecs = d.pick::<&[u8]>(&[&[0, 8], &[8, 0], &[0], &[0, 8], &[8, 0], &[9, 8, 0]]).to_vec();
    let drawn = Duration::from_micros(d.between(0, 20_000)).min(latency);
    PhonePlan {
        extension,
        password: String::new(),
        transport,
        codecs,
        latency,
        jitter: settings.jitter.unwrap_or(drawn),
        registers: Instant::from_millis(d.between(0, 3000)),
        expires: u32::try_from(d.pick(&[60, 90, 120, 600, 3600])).unwrap_or(3600),
        session_timers: d.percent(40) && swarm.on("timers"),
        ..PhonePlan::default()
    }
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_a_function_of_its_seed() {
        let settings = Settings { loss: Some(50_000), ..Settings::default() };
        assert_eq!(draw(7, &settings), draw(7, &settings));
        assert_ne!(draw(7, &settings), draw(8, &settings));
    }

    #[test]
    fn nothing_is_planned_after_the_storm() {
        for seed in 0..200 {
            let plan = draw(seed, &Settings { loss: Some(50_000), ..Settings::default() });
            assert!(plan.calls.iter().all(|c| c.at + TAIL <= plan.calm), "{plan}");
            assert!(plan.faults.partitions.iter().all(|p| p.until <= plan.calm), "{plan}");
            assert!(plan.calls.iter().all(|c| plan.phones[c.caller].extension != c.dial));
        }
    }
}
