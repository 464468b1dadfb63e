//! What holds for every plan, beyond the shape of each value.

use telex_engine::time::{Duration, Instant};

use super::words::Word as _;
use super::{PhonePlan, Plan};

/// The most phones a plan has: each has an address of its own in 10.0.0.0/8.
pub const MOST_PHONES: usize = 10_000;
/// The most calls a plan has.
pub const MOST_CALLS: usize = 200_000;
/// The most boxes: each has an address of its own in 203.0.113.0/24.
const MOST_NATS: usize = 250;
/// The longest name that a phone shows, in octets.
const LONGEST_NAME: usize = 2000;
/// The most media machines.
const MOST_SHARDS: u8 = 16;

/// What a phone repeats it repeats at most this often.
const SHORTEST_PERIOD: Duration = Duration::from_millis(100);

/// A step on the way to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(&'static str),
    At(usize),
}

/// Where something is wrong, and what.
pub(crate) type Wrong = (Vec<Step>, String);

/// The first thing that is wrong with a plan.
pub(crate) fn check(plan: &Plan) -> Result<(), Wrong> {
    use Step::Key;
    let (phones, calls) = (plan.phones.len(), plan.calls.len());
    wrong_if(phones > MOST_PHONES, &[Key("phones")], || {
        format!("there are {phones} phones; at most {MOST_PHONES} can be")
    })?;
    wrong_if(calls > MOST_CALLS, &[Key("calls")], || {
        format!("there are {calls} calls; at most {MOST_CALLS} can be")
    })?;
    let (calm, empty) = (plan.exchange.calm(), plan.exchange.empty());
    // Sooner, rules would be broken only because nothing has had the time to settle.
    wrong_if(plan.empty < plan.calm + calm, &[Key("empty")], || {
        format!("empty comes at least {} after calm", calm.write())
    })?;
    wrong_if(plan.end < plan.empty + empty, &[Key("end")], || {
        format!("end comes at least {} after empty", empty.write())
    })?;
    let shards = plan.exchange.shards;
    wrong_if(!(1..=MOST_SHARDS).contains(&shards), &[Key("exchange"), Key("shards")], || {
        format!("{shards} shards; there are 1 to {MOST_SHARDS}")
    })?;
    let realm = &plan.exchange.realm;
    let quotable = |b: u8| (b' '..127).contains(&b) && b != b'"' && b != b'\\';
    wrong_if(realm.is_empty() || !realm.bytes().all(quotable), &[Key("exchange"), Key("realm")], || {
        format!("`{realm}` is no realm; write visible ASCII without quotes")
    })?;
    plan.phones.iter().enumerate().try_for_each(|(n, p)| phone(plan, n, p))?;
    plan.calls.iter().enumerate().try_for_each(|(n, _)| call(plan, n))?;
    faults(plan)?;
    if !plan.dialplan.is_empty() {
        crate::exchange::dialplan_is_right(plan)
            .map_err(|wrong| (vec![Key("dialplan")], wrong.to_string()))?;
    }
    host(plan)
}

fn host(plan: &Plan) -> Result<(), Wrong> {
    use Step::{At, Key};
    let nats = plan.nats.len();
    wrong_if(nats > MOST_NATS, &[Key("nats")], || {
        format!("there are {nats} boxes; at most {MOST_NATS} can be")
    })?;
    for (n, act) in plan.operators.iter().enumerate() {
        before_end(plan, &[Key("operators"), At(n), Key("at")], act.at)?;
    }
    for (n, restart) in plan.host.restarts.iter().enumerate() {
        let back = restart.at + restart.away;
        before_end(plan, &[Key("host"), Key("restarts"), At(n), Key("away")], back)?;
    }
    Ok(())
}

fn phone(plan: &Plan, n: usize, phone: &PhonePlan) -> Result<(), Wrong> {
    let at = |key| [Step::Key("phones"), Step::At(n), Step::Key(key)];
    wrong_if(!is_number(&phone.extension), &at("extension"), || {
        format!(
            "phone {n} has the extension `{}`; write up to 32 letters, digits and +*#._-",
            phone.extension
        )
    })?;
    wrong_if(!phone.password.bytes().all(|b| b.is_ascii_graphic()), &at("password"), || {
        format!("the password of phone {n} has a character that is not visible ASCII")
    })?;
    wrong_if(phone.codecs.iter().any(|c| *c > 127), &at("codecs"), || {
        format!("phone {n} has a codec above 127; write RTP payload types, such as 0 or 8")
    })?;
    if let Some(nat) = phone.nat {
        let nats = plan.nats.len();
        wrong_if(nat >= nats, &at("nat"), || format!("there is no box {nat}; the plan has {nats}"))?;
    }
    let plain = phone.display.bytes().all(|b| b.is_ascii_alphanumeric() || b == b' ');
    wrong_if(!plain || phone.display.len() > LONGEST_NAME, &at("display"), || {
        format!(
            "the name that phone {n} shows has something else than letters, digits and spaces, or is too long"
        )
    })?;
    let fast = [phone.keep_alive, phone.refresh].into_iter().flatten().any(|every| every < SHORTEST_PERIOD);
    wrong_if(fast, &at("keep_alive"), || format!("phone {n} repeats itself more often than every 100ms"))?;
    wrong_if(!phone.group.bytes().all(|b| b.is_ascii_alphanumeric()), &at("group"), || {
        format!("the pick-up group of phone {n} has something else than letters and digits")
    })?;
    before_end(plan, &at("registers"), phone.registers)
}

fn call(plan: &Plan, n: usize) -> Result<(), Wrong> {
    let call = &plan.calls[n];
    let at = |key| [Step::Key("calls"), Step::At(n), Step::Key(key)];
    exists(plan, &at("caller"), call.caller)?;
    wrong_if(!is_number(&call.dial), &at("dial"), || {
        format!("call {n} dials `{}`; write up to 32 letters, digits and +*#._-", call.dial)
    })?;
    for (m, transfer) in call.transfers.iter().enumerate() {
        let at =
            |key| [at("transfers")[0], at("transfers")[1], at("transfers")[2], Step::At(m), Step::Key(key)];
        is_call(plan, &at("with"), transfer.with)?;
        wrong_if(transfer.with.is_none() && !is_place(&transfer.to), &at("to"), || {
            format!("call {n} is handed over to `{}`; write a number or a SIP URI", transfer.to)
        })?;
    }
    is_call(plan, &at("takes"), call.takes)?;
    before_end(plan, &at("at"), call.at)
}

/// Whether the plan has this call, if any is named.
fn is_call(plan: &Plan, path: &[Step], call: Option<usize>) -> Result<(), Wrong> {
    let calls = plan.calls.len();
    wrong_if(call.is_some_and(|call| call >= calls), path, || format!("there are {calls} calls"))
}

/// Whether a call can be sent there: a number, or a whole SIP URI.
pub(crate) fn is_place(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"+*#._-@:".contains(&b);
    is_number(text) || text.starts_with("sip:") && text.len() < 64 && text.bytes().all(fine)
}

fn faults(plan: &Plan) -> Result<(), Wrong> {
    use Step::{At, Key};
    let faults = &plan.faults;
    let at = |list, n, key| [Key("faults"), Key(list), At(n), Key(key)];
    for (n, p) in faults.partitions.iter().enumerate() {
        exists(plan, &at("partitions", n, "phone"), p.phone)?;
        wrong_if(p.until < p.from, &at("partitions", n, "until"), || "it ends before it begins".to_owned())?;
    }
    for (n, cut) in faults.cuts.iter().enumerate() {
        exists(plan, &at("cuts", n, "phone"), cut.phone)?;
    }
    for (n, clog) in faults.clogs.iter().enumerate() {
        exists(plan, &at("clogs", n, "phone"), clog.phone)?;
        wrong_if(clog.until < clog.from, &at("clogs", n, "until"), || "it ends before it begins".to_owned())?;
    }
    for (n, vanishing) in faults.vanishings.iter().enumerate() {
        exists(plan, &at("vanishings", n, "phone"), vanishing.phone)?;
    }
    for (n, exact) in faults.exact.iter().enumerate() {
        exists(plan, &at("exact", n, "phone"), exact.phone)?;
        wrong_if(exact.message == 0, &at("exact", n, "message"), || "messages count from 1".to_owned())?;
    }
    Ok(())
}

/// Whether `text` can be dialled.
pub(crate) fn is_number(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"+*#._-".contains(&b);
    (1..=32).contains(&text.len()) && text.bytes().all(fine)
}

/// Whether the plan has phone `index`.
pub(crate) fn exists(plan: &Plan, path: &[Step], index: usize) -> Result<(), Wrong> {
    let phones = plan.phones.len();
    wrong_if(index >= phones, path, || match phones {
        0 => format!("there is no phone {index}; the plan has none"),
        _ => format!("there is no phone {index}; the phones are 0 to {}", phones - 1),
    })
}

fn before_end(plan: &Plan, path: &[Step], at: Instant) -> Result<(), Wrong> {
    wrong_if(at >= plan.end, path, || "it comes after the end".to_owned())
}

pub(crate) fn wrong_if(is: bool, path: &[Step], what: impl FnOnce() -> String) -> Result<(), Wrong> {
    if is { Err((path.to_vec(), what())) } else { Ok(()) }
}
