//! Who may do what: digest credentials, computed here from the plan's secrets (RFC 7616 §3.4).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

use md5::{Digest as _, Md5};
use telex_engine::time::{Duration, Instant};

use super::requests::Requests;
use super::{Cause, Entry, Exit, Verdict, broken};
use crate::plan::{Plan, walks};
use crate::text::{Msg, Start, Transaction, elements};

/// How long a nonce is good.
const NONCE_LIFE: Duration = Duration::from_secs(300);
/// A source that has proved nothing gets so many octets for each that it sent, and this much besides.
const FACTOR: u64 = 3;
const SLACK: u64 = 1500;

/// What a request proves.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Proof {
    user: String,
    /// Nonce and nonce count.
    use_of: (String, String),
}

/// Octets to and from one address.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    received: u64,
    sent: u64,
    proven: bool,
}

/// Watches credentials.
#[derive(Debug)]
pub(crate) struct Access {
    secrets: BTreeMap<String, String>,
    /// Whose calls lead into a dialplan that asks others when somebody is gone.
    walkers: BTreeSet<String>,
    /// Nonces that the exchange gave out, and when.
    nonces: BTreeMap<String, Instant>,
    proofs: BTreeMap<Transaction, Proof>,
    /// Uses of nonces that were accepted.
    used: BTreeSet<(String, String)>,
    accepted: BTreeSet<Transaction>,
    accounts: BTreeMap<IpAddr, Account>,
    overheard: Option<Msg>,
}

impl Access {
    pub(crate) fn new(plan: &Plan) -> Self {
        let secret = |phone: &crate::plan::PhonePlan| (phone.extension.clone(), phone.secret());
        let walk = plan.calls.iter().filter(|call| walks(&call.dial));
        Self {
            secrets: plan.phones.iter().map(secret).collect(),
            walkers: walk.map(|call| plan.phones[call.caller].extension.clone()).collect(),
            nonces: BTreeMap::new(),
            proofs: BTreeMap::new(),
            used: BTreeSet::new(),
            accepted: BTreeSet::new(),
            accounts: BTreeMap::new(),
            overheard: None,
        }
    }

    /// The exchange was started again. It knows no nonce; who has proved what stays.
    pub(crate) fn restarted(&mut self) {
        self.nonces.clear();
        self.proofs.clear();
        self.used.clear();
        self.accepted.clear();
    }

    /// These passwords are good from now on.
    pub(crate) fn secrets(&mut self, secrets: &BTreeMap<String, String>) {
        self.secrets.clone_from(secrets);
    }

    /// A message arrives. A request that is challenged is forgotten, and judged anew when it comes again.
    pub(crate) fn enter(&mut self, entry: &Entry<'_>) {
        let Some(proof) = self.proof(entry.msg, entry.now) else { return };
        let key = entry.msg.transaction(entry.msg.method());
        if self.proofs.insert(key, proof).is_none() {
            self.overheard = Some(entry.msg.clone());
        }
    }

    /// Octets arrive from an address.
    pub(crate) fn received(&mut self, from: IpAddr, octets: usize) {
        self.accounts.entry(from).or_default().received += octets as u64;
    }

    /// A message leaves.
    pub(crate) fn exit(&mut self, exit: &Exit<'_>, requests: &Requests) -> Verdict {
        let msg = exit.msg;
        for challenge in msg.all("www-authenticate").chain(msg.all("proxy-authenticate")) {
            if let Some(nonce) = parameter(challenge, "nonce") {
                self.nonces.entry(nonce).or_insert(exit.now);
            }
        }
        self.accepts(exit, requests)?;
        self.invites(exit)?;
        self.no_amplification(exit)
    }

    /// `credentials_come_first` and `nonces_count_once`: what is accepted was asked for by somebody who knows the
    /// secret.
    fn accepts(&mut self, exit: &Exit<'_>, requests: &Requests) -> Verdict {
        let (msg, method) = (exit.msg, exit.msg.method());
        let Some(asked) = requests.asked(msg, method).filter(|_| !msg.is_request()) else { return Ok(()) };
        let code = msg.code().unwrap_or(0);
        let guarded = match method {
            "INVITE" => asked.msg.tag("to").is_none() && matches!(code, 101..300),
            "REGISTER" => matches!(code, 200..300),
            _ => false,
        };
        let key = msg.transaction(method);
        if !guarded || !self.accepted.insert(key.clone()) {
            return Ok(());
        }
        let Some(proof) = self.proofs.get(&key) else {
            let reason = format!("{} for a request without good credentials", msg.summary());
            return Err(broken("credentials_come_first", exit.now, reason));
        };
        let aor = asked.msg.user("to");
        if method == "REGISTER" && proof.user != aor {
            let reason = format!("{} registers for {aor}", proof.user);
            return Err(broken("credentials_come_first", exit.now, reason));
        }
        if !self.used.insert(proof.use_of.clone()) {
            let reason = format!("{} for a nonce count that was used before", msg.summary());
            return Err(broken("nonces_count_once", exit.now, reason));
        }
        self.accounts.entry(asked.from).or_default().proven = true;
        Ok(())
    }

    /// `credentials_come_first`, at the called phone: an INVITE leaves while one is handled that comes from its caller.
    fn invites(&self, exit: &Exit<'_>) -> Verdict {
        let msg = exit.msg;
        let opens = msg.is_request() && msg.method() == "INVITE" && msg.tag("to").is_none();
        let Cause::Messages(causes) = exit.cause else { return Ok(()) };
        if !opens || !causes.iter().any(Msg::is_request) {
            return Ok(());
        }
        let by = |cause: &Msg| self.proofs.get(&cause.transaction("INVITE")).map(|proof| proof.user.as_str());
        if causes.iter().any(|cause| by(cause) == Some(msg.user("from"))) {
            return Ok(());
        }
        // A party hands its call over: the other is put through.
        if causes.iter().any(|cause| cause.is_request() && cause.method() == "REFER") {
            return Ok(());
        }
        // A dialplan goes on when the one whom its caller talked with is gone.
        let goes_on = causes.iter().all(|cause| !cause.is_request() || cause.method() == "BYE");
        if goes_on && self.walkers.contains(msg.user("from")) {
            return Ok(());
        }
        let reason = format!("{} from {}, who did not ask for it", msg.summary(), msg.user("from"));
        Err(broken("credentials_come_first", exit.now, reason))
    }

    fn no_amplification(&mut self, exit: &Exit<'_>) -> Verdict {
        let account = self.accounts.entry(exit.remote.ip()).or_default();
        account.sent += exit.raw.len() as u64;
        if account.proven || account.sent <= account.received * FACTOR + SLACK {
            return Ok(());
        }
        let reason = format!("{} octets to {} for {}", account.sent, exit.remote.ip(), account.received);
        Err(broken("no_amplification", exit.now, reason))
    }

    /// The last request with good credentials.
    pub(crate) fn overheard(&self) -> Option<&Msg> {
        self.overheard.as_ref()
    }

    fn proof(&self, msg: &Msg, now: Instant) -> Option<Proof> {
        let Start::Request { method, .. } = &msg.start else { return None };
        msg.all("authorization").find_map(|value| self.right(value, method, now))
    }

    fn right(&self, value: &str, method: &str, now: Instant) -> Option<Proof> {
        let get = |name: &str| parameter(value, name);
        let (user, realm, nonce, uri) = (get("username")?, get("realm")?, get("nonce")?, get("uri")?);
        let secret = self.secrets.get(&user)?;
        let issued = self.nonces.get(&nonce)?;
        if realm != "telex" || now.since(*issued) > NONCE_LIFE {
            return None;
        }
        let ha1 = md5(&format!("{user}:{realm}:{secret}"));
        let ha2 = md5(&format!("{method}:{uri}"));
        let (wanted, count) = match (get("qop"), get("nc"), get("cnonce")) {
            (Some(qop), Some(nc), Some(cnonce)) => {
                (md5(&format!("{ha1}:{nonce}:{nc}:{cnonce}:{qop}:{ha2}")), nc)
            }
            _ => (md5(&format!("{ha1}:{nonce}:{ha2}")), String::new()),
        };
        (get("response")? == wanted).then_some(Proof { user, use_of: (nonce, count) })
    }
}

/// The value of a parameter of Digest credentials or of a challenge, without quotes.
fn parameter(value: &str, name: &str) -> Option<String> {
    let rest = value.trim_start().split_once([' ', '\t'])?.1;
    elements(rest).find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().fold(String::with_capacity(32), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
