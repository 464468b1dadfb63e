//! Asking others for a call, at any time of it: whom a Dial means, how each is reached, and the hunt that follows.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use smallvec::{SmallVec, smallvec};
use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::task::Routine;

use super::app::{App, AppEvent, CALLER, PartyId};
use super::hunt::Hunt;
use super::identity::{Diversion, Identity};
use super::party::Party;
use super::screening::before_asking;
use super::walks::Live;
use super::{Below, Call, Calls};
use crate::border::{Flow, QueryId, ResolveError, Transport};
use crate::config::{Config, FixedContact};
use crate::cx::{CallKey, CallTimer, Cx};
use crate::dialog::{Invitation, without_tag};
use crate::event::Event;
use crate::limits;
use crate::planted::{self, Fault};
use crate::registrar::{Reach, Registrar};
use crate::sip::{EscapedUser, Host, Message, Status, Uri};
use crate::time::{Duration, Instant};

/// What an INVITE says that every callee of its call is told, whenever it is asked.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Asking {
    /// To, a name-addr without tag; empty when no INVITE says one.
    to: SmolStr,
    /// Max-Forwards left.
    hops: u32,
    /// When the INVITE runs out by its own word (RFC 3261 §13.3.1).
    expires: Option<Instant>,
}

impl Asking {
    /// For a call that begins here: To is whom a callee is asked as.
    pub(super) fn own() -> Self {
        Self { to: SmolStr::default(), hops: 70, expires: None }
    }

    /// What it says.
    pub(super) fn of(invite: &Message, now: Instant) -> Self {
        let hops = invite.max_forwards().and_then(Result::ok).unwrap_or(70);
        let seconds = invite.expires().and_then(Result::ok);
        Self {
            to: invite.to().map(|to| without_tag(&to)).unwrap_or_default(),
            hops: u32::from(hops).saturating_sub(1),
            expires: seconds.map(|seconds| now + Duration::from_secs(seconds.into())),
        }
    }
}

/// A host name that a contact gave instead of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Named {
    /// The name.
    pub(crate) host: SmolStr,
    /// The port.
    pub(crate) port: u16,
    /// What to speak.
    pub(crate) transport: Transport,
}

/// Route header field values, first hop first.
pub(super) type Routes = SmallVec<[SmolStr; 1]>;

/// A contact to ask.
#[derive(Debug)]
pub(super) struct Target {
    /// The extension it belongs to; `user@host` of nobody here.
    extension: SmolStr,
    pub(super) uri: SmolStr,
    /// To of its INVITE, a name-addr; empty for what the caller's INVITE says.
    pub(super) to: SmolStr,
    pub(super) reach: Reach,
    pub(super) routes: Routes,
    /// What its INVITE carries beside that of the others.
    pub(super) headers: Vec<(SmolStr, SmolStr)>,
    /// Who sent the call on to it, the last first.
    pub(super) diversions: Vec<Diversion>,
}

impl Target {
    /// A contact of this extension, with nothing special to it.
    pub(super) fn new(extension: &SmolStr, uri: SmolStr, reach: Reach, routes: Routes) -> Self {
        let (to, headers, diversions) = (SmolStr::default(), Vec::new(), Vec::new());
        Self { extension: extension.clone(), uri, to, reach, routes, headers, diversions }
    }

    /// Who is asked, for people.
    pub(super) fn told(&self) -> SmolStr {
        if self.to.is_empty() { format_smolstr!("PJSIP/{}", self.extension) } else { self.uri.clone() }
    }

    /// The extension it belongs to.
    pub(super) const fn extension(&self) -> &SmolStr {
        &self.extension
    }
}

impl Calls {
    /// Asks all these contacts. The app is a hunt then; what fails at once has been told to it. Whoever calls lets the
    /// script go on and settles.
    pub(super) fn hunt(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        targets: &[Target],
        patience: Duration,
        refused: Option<Status>,
    ) {
        let (mut callees, mut failed) = self.ask_all(cx, below, key, targets);
        let patience = if cx.planted.is(Fault::RingsForEver) { planted::NEVER } else { patience };
        let call = &mut self.all[key];
        let expires = call.asking_ends(cx.now);
        call.arm(cx, key, patience.min(expires), CallTimer::NoAnswer);
        // A hunt that could ask nobody at all is refused like one whose last callee failed.
        if callees.is_empty() {
            callees.push(CALLER);
            failed.push((CALLER, None));
        }
        let dial = call.script.as_ref().and_then(|script| script.dial.as_ref());
        let screens = dial.is_some_and(|dial| dial.on_answer.is_some() || dial.announcement.is_some());
        let hunt = Hunt::among(callees).expiring(expires < patience).screening(screens);
        call.app = App::Hunt(match refused {
            Some(status) => hunt.refused_by(status),
            None => hunt,
        });
        for (party, status) in failed {
            self.apply(cx, below, key, AppEvent::Refused { party, status });
        }
    }

    /// Asks all these contacts, as many as there is room for: who may answer now, and who could not be asked.
    pub(super) fn ask_all(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        targets: &[Target],
    ) -> (Vec<PartyId>, Vec<(PartyId, Option<Status>)>) {
        let call = &mut self.all[key];
        // Those of the hunt that has just failed are settled with later, and too late for this one.
        for at in call.idle() {
            call.give_back(&mut self.ports, at, cx.planted);
        }
        call.make_room(targets.len());
        let mut callees = Vec::new();
        let mut failed = Vec::new();
        let dial = self.all[key].script.as_ref().and_then(|script| script.dial.as_ref());
        let before = dial.and_then(|dial| dial.before.clone());
        for (at, target) in targets.iter().enumerate() {
            if self.all[key].parties.len() >= limits::LEGS_PER_CALL {
                break;
            }
            let others = targets
                .iter()
                .enumerate()
                .filter(|(n, other)| *n != at && other.extension == target.extension);
            let Some(party) = self.add_callee(cx, key, target, others.count() == 0) else {
                below.stack.transport.no_room(cx, "RTP ports");
                break;
            };
            self.all[key].parties[party].diversions.clone_from(&target.diversions);
            callees.push(party);
            self.all[key].add_headers(party, &target.headers);
            let prepared = before.as_ref().is_none_or(|routine| self.prepare(cx, below, key, party, routine));
            let reached = if prepared { self.reach(cx, below, key, party, target) } else { Err(None) };
            if let Err(status) = reached {
                failed.push((party, status));
            }
        }
        (callees, failed)
    }

    /// Runs a subroutine for a callee before it is asked. False when that hangs up on it.
    fn prepare(
        &mut self,
        cx: &mut Cx<'_>,
        below: &Below,
        key: CallKey,
        party: PartyId,
        routine: &Routine,
    ) -> bool {
        let phone = self.all[key].parties[party].extension.clone();
        let mut live = Live { calls: self, below, key };
        let Some(headers) = before_asking(&mut live, cx, &phone, routine) else { return false };
        let headers = self.all[key].allowed(cx, &headers);
        self.all[key].add_headers(party, &headers);
        true
    }

    fn add_callee(&mut self, cx: &mut Cx<'_>, key: CallKey, target: &Target, alone: bool) -> Option<PartyId> {
        let shard = self.all[key].shard;
        let port = self.ports.take(cx, shard)?;
        let caller = self.all[key].parties.first();
        let address = caller.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), Party::address);
        let session = super::open::session_id(cx);
        let party = Party::new(target.uri.clone(), self.ports.leg(key), (shard, port), address, session);
        let mut party = party.configured(cx.config, &target.extension);
        party.alone = alone;
        party.to.clone_from(&target.to);
        party.asked = cx.wall;
        self.lines.insert(key, &target.extension);
        let call = &mut self.all[key];
        call.parties.push(party);
        Some(call.parties.len() - 1)
    }

    /// Asks a contact the way it is reached, or finds that out first.
    fn reach(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        party: PartyId,
        target: &Target,
    ) -> Result<(), Option<Status>> {
        match &target.reach {
            Reach::Flow(flow) => self.ask(cx, below, key, party, Some(*flow), target.routes.clone()),
            Reach::Address { transport, remote } => {
                let flow = below.stack.transport.target(cx, *transport, *remote);
                self.ask(cx, below, key, party, flow, target.routes.clone())
            }
            Reach::Name { transport, host, port } => {
                let query = self.query(cx, key, host.clone());
                let named = Named { host: host.clone(), port: *port, transport: *transport };
                self.all[key].waiting.push((query, party, named, target.routes.clone()));
                Ok(())
            }
            Reach::Unreachable => Err(None),
        }
    }

    /// Invites a callee through this flow; `Err` with what is as good as its answer when that cannot be done.
    fn ask(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        party: PartyId,
        flow: Option<Flow>,
        routes: Routes,
    ) -> Result<(), Option<Status>> {
        let flow = flow.ok_or(None)?;
        let local = below.stack.transport.local_of(&flow);
        let call = &mut self.all[key];
        let callee = &mut call.parties[party];
        callee.near = Some(below.stack.transport.remote_of(&flow).ip());
        callee.reached_at(cx.config.media_address.unwrap_or(local.ip()));
        // Several phones of one extension need not be alike.
        let known = self.spoken.of(&callee.extension).filter(|_| callee.alone).map(|(codecs, _)| codecs);
        callee.again = known.map(|_| (flow, routes.clone()));
        let offer = call.describe_to_callee(cx, party, known).ok_or(Status::NOT_ACCEPTABLE_HERE)?;
        let invitation = call.invitation(cx.config, party, flow, routes, local, offer);
        cx.report(Event::Asking { call: call.id, contact: invitation.uri.clone() });
        let leg = below.sessions.invite(cx, &mut below.stack, key, invitation);
        self.all[key].parties[party].leg = Some(leg);
        Ok(())
    }

    /// A callee that was offered less than there is, by what it named before, refuses that: it is asked again at once
    /// with all there is. False when it was offered that already.
    pub(super) fn ask_again(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        party: PartyId,
    ) -> bool {
        let Some(call) = self.all.get_mut(key) else { return false };
        self.spoken.forget(&call.parties[party].extension);
        let Some((flow, routes)) = call.parties[party].again.take() else { return false };
        let (caller, callee) = (&call.parties[CALLER], &call.parties[party]);
        let all = callee.offer_for(cx.config, caller.their_codecs(), None);
        let hunts = matches!(call.app, App::Hunt(_)) && call.cause.is_none() && call.peer != Some(party);
        if !hunts || !caller.has_spoken() || all == callee.our_codecs() {
            return false;
        }
        self.ask(cx, below, key, party, Some(flow), routes).is_ok()
    }

    /// A phone that declines does so for its extension: what else rings of that is let go. The numbers that are called
    /// through one trunk have nothing to do with each other.
    pub(super) fn declines_for_others(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        event: AppEvent,
    ) {
        let AppEvent::Refused { party, status: Some(status) } = event else { return };
        let Some(call) = self.all.get(key).filter(|_| status.code() >= 600) else { return };
        let whose = &call.parties[party].extension;
        if cx.config.phones.get(whose).is_none_or(|phone| phone.trusted) {
            return;
        }
        let same = |&at: &PartyId| at != party && call.parties[at].extension == *whose && call.app.asks(at);
        let others: Vec<PartyId> = (CALLER + 1..call.parties.len()).filter(same).collect();
        for party in others {
            self.apply(cx, below, key, AppEvent::Declined { party });
        }
    }

    /// A host name was looked up.
    pub(crate) fn resolved(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        query: QueryId,
        answer: &Result<Vec<IpAddr>, ResolveError>,
    ) {
        let Some(key) = self.by_query.remove(&query) else { return };
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(at) = call.waiting.iter().position(|w| w.0 == query) else { return };
        let (_, party, named, routes) = call.waiting.remove(at);
        // The hunt that wanted it may be over, and another one may have begun.
        let wanted = call.app.asks(party);
        if call.cause.is_some() || !wanted {
            return self.settle(cx, key);
        }
        let address = answer.as_ref().ok().and_then(|addresses| addresses.first().copied());
        let flow = address.and_then(|ip| {
            below.stack.transport.target(cx, named.transport, SocketAddr::new(ip, named.port))
        });
        if let Err(status) = self.ask(cx, below, key, party, flow, routes) {
            self.decide(cx, below, key, AppEvent::Refused { party, status });
        }
    }
}

impl Call {
    /// How long the INVITE itself allows to look for somebody.
    pub(super) fn asking_ends(&self, now: Instant) -> Duration {
        let expires = self.asking.expires.filter(|_| self.answered.is_none());
        expires.map_or(Duration::MAX, |at| at.since(now))
    }

    /// Forgets callees of an earlier hunt to ask so many, when there would be too many and none of them is there any
    /// more. Whom media has not let go of yet, who talked a moment ago, stays for that.
    pub(super) fn make_room(&mut self, for_more: usize) {
        let gone = |party: &Party| party.leg.is_none() && !party.media.put && !party.media.held;
        let full = self.parties.len() + for_more > limits::LEGS_PER_CALL;
        let left = || self.parties.iter().skip(CALLER + 1).all(|party| party.leg.is_none());
        if full && self.waiting.is_empty() && left() {
            let mut at = 0..;
            self.parties.retain(|party| at.next() == Some(CALLER) || !gone(party));
            self.peer = None;
            // Who handed the call over and is gone must not be taken for a callee that gets its place.
            if let Some(transfer) = &mut self.transfer {
                transfer.by = PartyId::MAX;
            }
        }
    }

    /// The INVITE of a callee carries these, too.
    fn add_headers(&mut self, party: PartyId, headers: &[(SmolStr, SmolStr)]) {
        let dial = self.script.as_mut().and_then(|script| script.dial.as_mut());
        if let Some(dial) = dial.filter(|_| !headers.is_empty()) {
            dial.own_headers.entry(party).or_default().extend_from_slice(headers);
        }
    }

    /// Who calls, as callees are told.
    fn shown_as(&self) -> Identity {
        let dial = self.script.as_ref().and_then(|script| script.dial.as_ref());
        let who = dial.and_then(|dial| dial.caller.as_ref()).or(self.summons.as_deref());
        who.cloned().unwrap_or_else(|| self.presented())
    }

    /// The same for those who watch a callee and may answer in its place: number and name.
    pub(super) fn shown_to_callees(&self) -> (SmolStr, SmolStr) {
        let Identity { number, name, private } = self.shown_as();
        if private { (SmolStr::new_static("anonymous"), SmolStr::default()) } else { (number, name) }
    }

    /// How a callee is asked.
    fn invitation(
        &self,
        config: &Config,
        party: PartyId,
        flow: Flow,
        routes: Routes,
        local: SocketAddr,
        offer: bytes::Bytes,
    ) -> Invitation {
        let Asking { to, hops, .. } = &self.asking;
        let own = &self.parties[party].to;
        let to = if own.is_empty() { to } else { own };
        let dial = self.script.as_ref().and_then(|script| script.dial.as_ref());
        let who = self.shown_as();
        let mut headers = dial.map(|dial| dial.headers_for(party)).unwrap_or_default();
        headers.extend(self.tells(config, party, &who, local.ip()));
        Invitation {
            uri: self.parties[party].contact.clone(),
            flow,
            routes,
            from: who.shown(&in_uri(local.ip())),
            to: if to.is_empty() { format_smolstr!("<{}>", self.parties[party].contact) } else { to.clone() },
            // The Contact must not tell the number that From hides.
            user: who.user(),
            max_forwards: *hops,
            offer,
            headers,
            answers: None,
        }
    }
}

/// Every contact of a phone: its fixed one and those registered, most preferred first.
pub(super) fn targets(config: &Config, registrar: &Registrar, extension: &SmolStr) -> Vec<Target> {
    let fixed = config.phones.get(extension).and_then(|phone| phone.contact.as_ref());
    let mut targets: Vec<Target> =
        fixed.map(|contact| fixed_target(extension, contact)).into_iter().collect();
    for binding in registrar.lookup(extension) {
        let (reach, uri) = (binding.reach(), Uri::parse(&binding.contact));
        if let (true, Ok(uri)) = (reach != Reach::Unreachable, uri) {
            let routes = binding.route_set().map(SmolStr::new).collect();
            let uri = SmolStr::new(uri.without_headers());
            targets.push(Target::new(extension, uri, reach, routes));
        }
    }
    targets
}

/// The same for a number that is reached through another contact: a trunk.
pub(super) fn through(
    config: &Config,
    registrar: &Registrar,
    trunk: &SmolStr,
    number: &SmolStr,
) -> Vec<Target> {
    let mut targets = targets(config, registrar, trunk);
    for target in &mut targets {
        let scheme = target.uri.find(':').map_or(0, |at| at + 1);
        let (scheme, rest) = target.uri.split_at(scheme);
        let host = rest.split_once('@').map_or(rest, |(_, host)| host);
        target.uri = format_smolstr!("{scheme}{}@{host}", EscapedUser(number));
    }
    targets
}

fn fixed_target(extension: &SmolStr, contact: &FixedContact) -> Target {
    let uri = Uri::parse(&contact.uri).ok();
    let tcp = uri
        .as_ref()
        .and_then(|u| u.param("transport").flatten())
        .is_some_and(|t| t.eq_ignore_ascii_case("tcp"));
    let transport = if tcp { Transport::Tcp } else { Transport::Udp };
    let reach = match (contact.address, uri) {
        (Some(remote), _) => Reach::Address { transport, remote },
        (None, Some(uri)) => {
            let host = match uri.host() {
                Host::Name(name) => SmolStr::new(name),
                Host::V4(_) | Host::V6(_) => SmolStr::new(uri.host_text()),
            };
            Reach::Name { transport, host, port: uri.port().unwrap_or(5060) }
        }
        (None, None) => Reach::Unreachable,
    };
    let (uri, routes) = (contact.uri.clone(), smallvec![]);
    Target::new(extension, uri, reach, routes)
}

/// An extension as it stands in a URI.
pub(super) fn escaped(extension: &SmolStr) -> SmolStr {
    format_smolstr!("{}", EscapedUser(extension))
}

pub(super) fn host_for_uri(local: SocketAddr) -> SmolStr {
    in_uri(local.ip())
}

/// An address as it stands in a URI.
pub(super) fn in_uri(ip: IpAddr) -> SmolStr {
    match ip {
        IpAddr::V4(ip) => format_smolstr!("{ip}"),
        IpAddr::V6(ip) => format_smolstr!("[{ip}]"),
    }
}
