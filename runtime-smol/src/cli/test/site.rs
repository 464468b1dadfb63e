//! A configuration as scenarios use it: where its telephones are, and what the exchange is started with.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use smol_str::SmolStr;
use telex_dialplan::Dialplan;
use telex_engine::border::{Boot, Interface, Listener, ListenerId, StoredBinding, Transport};
use telex_engine::config::{Config, Credentials, FixedContact};
use telex_engine::sip::Uri;
use telex_engine::time::WallTime;

use super::clock::Clock;
use super::phone::{EXCHANGE, LONG, PASSWORD, Phone, contact, usual_address};
use crate::config::Settings;

/// A configuration as scenarios use it.
#[derive(Debug)]
pub(super) struct Site {
    /// As it is called in what is told.
    pub(super) name: String,
    /// What becomes of calls.
    pub(super) plan: Dialplan,
    /// Its clock.
    pub(super) clock: Clock,
    /// What the exchange knows.
    pub(super) engine: Arc<Config>,
    /// Its phones by their extensions.
    phones: BTreeMap<SmolStr, Place>,
    /// Extensions by the addresses of their phones.
    by_address: BTreeMap<IpAddr, SmolStr>,
    /// Addresses of hosts that contacts name.
    hosts: BTreeMap<String, IpAddr>,
}

/// Where a phone is.
#[derive(Clone, Copy, Debug)]
struct Place {
    number: u32,
    address: SocketAddr,
    /// The configuration says where it is, so that it need not register.
    fixed: bool,
    /// It is there, and not where the phones of scenarios are.
    own: bool,
}

impl Site {
    /// The site that a configuration describes. Every phone is let in with a password that is known here, and nobody
    /// has to send media. Who has a fixed contact is there, all others are registered.
    pub(super) fn of(name: &str, settings: &Settings) -> Self {
        let mut engine = (*settings.engine).clone();
        let plan = settings.plan();
        engine.dialplan = Some(plan.clone());
        engine.media_timeout = None;
        engine.registrar.max_expires = LONG;
        let (mut phones, mut by_address, mut hosts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let usual_ones: BTreeSet<IpAddr> =
            engine.phones.keys().zip(0..).map(|(_, number)| usual_address(number).ip()).collect();
        for ((extension, phone), number) in engine.phones.iter_mut().zip(0..) {
            phone.credentials = Some(Credentials::from_password(extension, &engine.realm, PASSWORD));
            let usual = usual_address(number);
            let place = phone.contact.as_ref().and_then(|contact| place(contact, usual, &mut hosts));
            let free = |ip: IpAddr| {
                !by_address.contains_key(&ip)
                    && ip != EXCHANGE.ip()
                    && (ip == usual.ip() || !usual_ones.contains(&ip))
            };
            let place = place.filter(|place| free(place.ip()));
            let (fixed, own) = (phone.contact.is_some(), place.is_some());
            let address = place.unwrap_or(usual);
            if !own {
                phone.contact = None;
            }
            by_address.insert(address.ip(), extension.clone());
            phones.insert(extension.clone(), Place { number, address, fixed, own });
        }
        let clock = Clock::of(&engine.zone);
        let name = name.to_owned();
        Self { name, plan, clock, engine: Arc::new(engine), phones, by_address, hosts }
    }

    /// Extensions of its phones.
    pub(super) fn phones(&self) -> impl Iterator<Item = &str> {
        self.phones.keys().map(SmolStr::as_str)
    }

    /// Those that have a fixed contact.
    pub(super) fn trunks(&self) -> impl Iterator<Item = &str> {
        self.phones.iter().filter(|(_, place)| place.fixed).map(|(name, _)| name.as_str())
    }

    /// The phone of an extension, as new.
    pub(super) fn phone(&self, name: &str) -> Option<Phone> {
        let (name, place) = self.phones.get_key_value(name)?;
        let codecs = self.engine.phones.get(name).and_then(|phone| phone.codecs.as_deref());
        Some(Phone::new(name, place.number, place.address, codecs))
    }

    /// The extension of the phone at an address.
    pub(super) fn phone_at(&self, address: SocketAddr) -> Option<&SmolStr> {
        self.by_address.get(&address.ip())
    }

    /// The address of a host that is the contact of a phone.
    pub(super) fn host(&self, name: &str) -> Option<IpAddr> {
        self.hosts.get(&name.to_ascii_lowercase()).copied()
    }

    /// What the exchange is started with.
    pub(super) fn boot(&self, wall: WallTime) -> Boot {
        let expires = WallTime::from_unix_millis(
            wall.as_unix_millis() + u64::try_from(LONG.as_millis()).unwrap_or(u64::MAX / 2),
        );
        let bindings =
            self.phones.iter().filter(|(_, place)| !place.own).map(|(name, place)| StoredBinding {
                aor: name.clone(),
                contact: contact(name, place.address),
                transport: Transport::Udp,
                source: place.address,
                local: EXCHANGE,
                expires,
                call_id: name.clone(),
                cseq: 1,
                q: 1000,
                path: SmolStr::default(),
                user_agent: SmolStr::default(),
                instance: SmolStr::default(),
            });
        Boot {
            wall,
            listeners: vec![Listener { id: ListenerId(0), transport: Transport::Udp, local: EXCHANGE }],
            interfaces: vec![Interface { address: EXCHANGE.ip(), prefix: 24 }],
            shards: 1,
            bindings: bindings.collect(),
            ..Boot::default()
        }
    }
}

/// Where a fixed contact is on the network of scenarios, which has datagrams and IPv4: its own address, or for a name
/// one that the name has from now on. `None` puts the phone where the others are.
fn place(
    contact: &FixedContact,
    usual: SocketAddr,
    hosts: &mut BTreeMap<String, IpAddr>,
) -> Option<SocketAddr> {
    let uri = Uri::parse(&contact.uri).ok()?;
    let transport = uri.param("transport").flatten().unwrap_or("udp");
    if !transport.eq_ignore_ascii_case("udp") {
        return None;
    }
    if uri.host().ip().is_some() {
        return contact.address.filter(SocketAddr::is_ipv4);
    }
    let name = uri.host_text().to_ascii_lowercase();
    if hosts.contains_key(&name) {
        return None;
    }
    hosts.insert(name, usual.ip());
    Some(SocketAddr::new(usual.ip(), uri.port().unwrap_or(usual.port())))
}
