//! Where phones are: on the open network, or behind a box.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use telex_engine::time::Instant;

use super::{NatBox, alg};
use crate::phone::SIP_PORT;
use crate::plan::Plan;

/// All boxes, and every phone's place.
#[derive(Debug)]
pub(crate) struct Sites {
    boxes: Vec<NatBox>,
    homes: Vec<Home>,
}

#[derive(Clone, Copy, Debug)]
struct Home {
    /// The phone's own address.
    address: IpAddr,
    nat: Option<usize>,
}

/// What is found at an address, seen from the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// This port of this phone.
    Phone(usize, u16),
    /// A public port of a box that nobody may use now; perhaps the one that a phone had.
    Closed(Option<usize>),
    /// An address inside a box: nothing leads there.
    Inside,
    /// Nothing at all.
    Nobody,
}

impl Sites {
    pub(crate) fn new(plan: &Plan) -> Self {
        let boxes =
            plan.nats.iter().enumerate().map(|(n, nat)| NatBox::new(nat.clone(), public(n))).collect();
        let homes = (0..plan.phones.len()).map(|n| home(plan, n)).collect();
        Self { boxes, homes }
    }

    /// The address that a phone itself has.
    pub(crate) fn address(&self, phone: usize) -> IpAddr {
        self.homes[phone].address
    }

    /// The address that streams of a phone come from.
    pub(crate) fn outside(&self, phone: usize) -> IpAddr {
        self.box_of(phone).map_or(self.homes[phone].address, |n| self.boxes[n].public())
    }

    fn box_of(&self, phone: usize) -> Option<usize> {
        self.homes[phone].nat
    }

    /// The phone whose SIP port streams can be opened to at this address.
    pub(crate) fn listening(&self, at: SocketAddr) -> Option<usize> {
        let here = |h: &Home| h.nat.is_none() && h.address == at.ip() && at.port() == SIP_PORT;
        self.homes.iter().position(here)
    }

    /// Phones whose packets have this source address outside.
    pub(crate) fn at_address(&self, address: IpAddr) -> impl Iterator<Item = usize> {
        (0..self.homes.len()).filter(move |phone| self.outside(*phone) == address)
    }

    /// Whether packets for another phone may reach this one, by no fault of the exchange: its box gives one port to
    /// several phones in turn, or writes ports into messages that are not the phone's.
    pub(crate) fn is_ambiguous(&self, phone: usize) -> bool {
        let plan = self.box_of(phone).map(|n| self.boxes[n].plan());
        plan.is_some_and(|nat| nat.keeps_ports || nat.alg.is_some())
    }

    /// Phones behind a box.
    pub(crate) fn behind(&self, nat: usize) -> Vec<usize> {
        (0..self.homes.len()).filter(|phone| self.box_of(*phone) == Some(nat)).collect()
    }

    /// A datagram leaves a phone's port: the source address it has outside.
    pub(crate) fn leave(&mut self, now: Instant, phone: usize, port: u16, to: SocketAddr) -> SocketAddr {
        let own = SocketAddr::new(self.homes[phone].address, port);
        match self.box_of(phone) {
            Some(n) => self.boxes[n].outbound(now, own, to),
            None => own,
        }
    }

    /// A SIP message as it leaves the phone's box.
    pub(crate) fn rewritten(
        &mut self,
        now: Instant,
        phone: usize,
        bytes: &Bytes,
        outside: SocketAddr,
    ) -> Bytes {
        let address = self.homes[phone].address;
        let Some(nat) = self.box_of(phone).map(|n| &mut self.boxes[n]) else { return bytes.clone() };
        let Some(alg) = nat.plan().alg else { return bytes.clone() };
        let mut pinhole = |port: u16| nat.pinhole(now, SocketAddr::new(address, port));
        alg::rewrite(alg, bytes, SocketAddr::new(address, SIP_PORT), outside, &mut pinhole)
    }

    /// A datagram arrives for `to`: what is there.
    pub(crate) fn arrive(&mut self, now: Instant, to: SocketAddr, from: SocketAddr) -> Place {
        if let Some(phone) = self.homes.iter().position(|h| h.nat.is_none() && h.address == to.ip()) {
            return Place::Phone(phone, to.port());
        }
        if let Some(n) = self.boxes.iter().position(|b| b.public() == to.ip()) {
            let inside = self.boxes[n].inbound(now, to.port(), from);
            let phone = |at: SocketAddr| self.at(n, at.ip());
            return match inside {
                Some(at) => phone(at).map_or(Place::Nobody, |phone| Place::Phone(phone, at.port())),
                None => Place::Closed(self.boxes[n].owner(to.port()).and_then(phone)),
            };
        }
        match self.homes.iter().any(|h| h.nat.is_some() && h.address == to.ip()) {
            true => Place::Inside,
            false => Place::Nobody,
        }
    }

    /// A datagram from a phone to a public address of its own box: the port of the phone it reaches.
    pub(crate) fn turn(
        &mut self,
        now: Instant,
        phone: usize,
        port: u16,
        to: SocketAddr,
    ) -> Option<(usize, u16)> {
        let n = self.box_of(phone).filter(|n| self.boxes[*n].public() == to.ip())?;
        let own = SocketAddr::new(self.homes[phone].address, port);
        let (inside, _) = self.boxes[n].hairpin(now, own, to.port())?;
        self.at(n, inside.ip()).map(|phone| (phone, inside.port()))
    }

    /// Phones that have this address inside their box.
    pub(crate) fn inside(&self, address: IpAddr) -> impl Iterator<Item = usize> {
        let here = move |home: &Home| home.nat.is_some() && home.address == address;
        self.homes.iter().enumerate().filter(move |(_, home)| here(home)).map(|(phone, _)| phone)
    }

    /// A box reboots.
    pub(crate) fn reboot(&mut self, nat: usize) {
        if let Some(nat) = self.boxes.get_mut(nat) {
            nat.reboot();
        }
    }

    fn at(&self, nat: usize, address: IpAddr) -> Option<usize> {
        self.homes.iter().position(|h| h.nat == Some(nat) && h.address == address)
    }
}

/// The public address of box `n`.
fn public(n: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, u8::try_from(n % 250 + 1).unwrap_or(1)))
}

/// A phone's place. Boxes give out the same few addresses, as they do in life: longer and shorter ones than their
/// own by turns.
fn home(plan: &Plan, phone: usize) -> Home {
    let nat = plan.phones[phone].nat.filter(|n| *n < plan.nats.len());
    let Some(n) = nat else {
        let [high, low] = u16::try_from(phone).unwrap_or(u16::MAX).to_be_bytes();
        return Home { address: IpAddr::V4(Ipv4Addr::new(10, 1, high, low)), nat: None };
    };
    let place = plan.phones[..phone].iter().filter(|p| p.nat == nat).count();
    let place = u8::try_from(place % 200).unwrap_or(0);
    let address = if n % 2 == 0 {
        Ipv4Addr::new(192, 168, 1, 10 + place)
    } else {
        Ipv4Addr::new(172, 16, 0, 2 + place)
    };
    Home { address: IpAddr::V4(address), nat }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{Settings, draw};
    use crate::plan::Nat;

    const EXCHANGE: &str = "10.0.0.1:5060";

    /// Phones 0 and 1 behind box 0, phone 2 behind box 2, phone 3 on the open network.
    fn sites() -> Sites {
        let mut plan = draw(1, &Settings { phones: 4, ..Settings::default() });
        plan.nats = vec![Nat { hairpin: true, ..Nat::default() }, Nat::default(), Nat::default()];
        for (phone, nat) in [(0, Some(0)), (1, Some(0)), (2, Some(2)), (3, None)] {
            plan.phones[phone].nat = nat;
        }
        Sites::new(&plan)
    }

    #[test]
    fn phones_behind_different_boxes_may_have_one_address() {
        let sites = sites();
        assert_eq!(sites.address(0), sites.address(2));
        assert_ne!(sites.address(0), sites.address(1));
        assert_eq!(sites.outside(0), sites.outside(1));
        assert_ne!(sites.outside(0), sites.outside(2));
        assert_eq!(sites.outside(3), sites.address(3));
        assert_eq!(sites.behind(0), [0, 1]);
    }

    #[test]
    fn what_leaves_can_be_answered_and_nothing_else() {
        let (mut sites, now) = (sites(), Instant::ZERO);
        let exchange: SocketAddr = EXCHANGE.parse().unwrap();
        for phone in 0..4 {
            let source = sites.leave(now, phone, 5060, exchange);
            assert_eq!(sites.arrive(now, source, exchange), Place::Phone(phone, 5060));
        }
        let own = SocketAddr::new(sites.address(0), 5060);
        assert_eq!(sites.arrive(now, own, exchange), Place::Inside);
        assert_eq!(sites.arrive(now, SocketAddr::new(sites.outside(0), 9), exchange), Place::Closed(None));
        assert_eq!(sites.arrive(now, "10.9.9.9:5060".parse().unwrap(), exchange), Place::Nobody);
    }

    #[test]
    fn neighbours_reach_each_other_where_the_box_turns_packets_round() {
        let (mut sites, now) = (sites(), Instant::ZERO);
        let public = sites.leave(now, 1, 20_000, EXCHANGE.parse().unwrap());
        assert_eq!(sites.turn(now, 0, 20_000, public), Some((1, 20_000)));
        assert_eq!(sites.turn(now, 2, 20_000, public), None, "another box");
    }
}
