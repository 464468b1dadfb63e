//! Subscriptions to what an extension does (RFC 6665): busy lamps, presence and message waiting.
//!
//! A subscription is a dialog of its own. Its watcher is told the full state at once, and again whenever it has
//! changed, at most once in [`limits::NOTIFY_GAP`]: of changes in between the last one counts. Nothing is kept over a
//! restart: phones subscribe again when theirs ends, [`limits::SUBSCRIPTION_MOST`] later at most.

mod body;
mod request;
mod standing;

use std::collections::{BTreeMap, BTreeSet};

use slotmap::SecondaryMap;
use smol_str::SmolStr;

use self::body::Subject;
pub(crate) use self::request::Refusal;
use self::request::{Package, Wish};
pub(crate) use self::standing::{Line, LineState, Messages, Ring, Standing};
use crate::border::Flow;
use crate::config::Config;
use crate::cx::{ClientKey, Cx, ServerKey, SubscriptionKey, SubscriptionTimer, Timer};
use crate::dialog::{AGENT, Dialog, EVENTS, Stack};
use crate::index::Index;
use crate::limits;
use crate::rng::Rng;
use crate::sip::{EscapedUser, HeaderName, Message, Method, Status};
use crate::slots::Slots;
use crate::time::{Duration, Instant};
use crate::timers::TimerKey;
use crate::transaction::{Draft, Reply};

/// One watcher of one extension.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Subscription {
    dialog: Dialog,
    package: Package,
    /// The `id` of its Event; empty without.
    id: SmolStr,
    /// The extension that watches.
    watcher: SmolStr,
    /// The extension that is watched.
    watched: SmolStr,
    /// The host it is known at.
    host: SmolStr,
    /// Our Contact.
    contact: SmolStr,
    expires: Instant,
    expiry: TimerKey,
    /// Documents sent.
    version: u32,
    /// What the last one said.
    told: Standing,
    /// The NOTIFY that is not answered yet.
    telling: Option<ClientKey>,
    /// Before it fires nothing is sent.
    gap: Option<TimerKey>,
}

/// An extension that somebody watches.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Watched {
    now: Standing,
    watchers: BTreeSet<SubscriptionKey>,
}

/// All subscriptions.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Subscriptions {
    all: Slots<SubscriptionKey, Subscription>,
    /// By our tag.
    by_tag: Index<SmolStr, SubscriptionKey>,
    by_client: SecondaryMap<ClientKey, SubscriptionKey>,
    /// No entry is without watchers.
    watched: BTreeMap<SmolStr, Watched>,
    /// How many each extension has. No entry is zero.
    shares: BTreeMap<SmolStr, usize>,
}

/// A SUBSCRIBE of an extension that has proved itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    /// Its transaction.
    pub(crate) txn: ServerKey,
    /// The message.
    pub(crate) request: &'a Message,
    /// The way it came.
    pub(crate) flow: Flow,
    /// Who asks.
    pub(crate) watcher: &'a SmolStr,
}

impl Subscriptions {
    /// Nobody watches.
    pub(crate) fn new(rng: &mut Rng) -> Self {
        Self {
            all: Slots::new(),
            by_tag: Index::new(rng),
            by_client: SecondaryMap::new(),
            watched: BTreeMap::new(),
            shares: BTreeMap::new(),
        }
    }

    /// Takes a new key for what is hashed. O(n).
    pub(crate) fn rekey(&mut self, rng: &mut Rng) {
        self.by_tag.rekey(rng);
    }

    /// Subscriptions that live.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether anybody watches this extension.
    pub(crate) fn is_watched(&self, extension: &str) -> bool {
        self.watched.contains_key(extension)
    }

    /// Whether a request with a To tag belongs to a subscription.
    pub(crate) fn knows(&self, request: &Message) -> bool {
        self.find(request).is_some()
    }

    /// Whether this request is a NOTIFY that is waited for.
    pub(crate) fn is_telling(&self, txn: ClientKey) -> bool {
        self.by_client.contains_key(txn)
    }

    /// The subscription a request belongs to (RFC 3261 §12.2.2).
    fn find(&self, request: &Message) -> Option<SubscriptionKey> {
        let (to, from) = (request.to().ok()?, request.from().ok()?);
        let key = *self.by_tag.get(to.tag()?)?;
        let dialog = &self.all.get(key)?.dialog;
        let own = request.call_id().is_ok_and(|id| dialog.call_id == id) && dialog.has_remote_tag(from.tag());
        own.then_some(key)
    }

    /// The extension that a first SUBSCRIBE wants to watch.
    ///
    /// # Errors
    /// With the refusal.
    pub(crate) fn target(config: &Config, asking: &Asking<'_>) -> Result<SmolStr, Refusal> {
        let wish = Wish::read(asking.request)?;
        if !config.phones.contains_key(&wish.watched) && !config.is_slot(&wish.watched) {
            return Err(Status::NOT_FOUND.into());
        }
        // A mailbox is its owner's.
        if wish.package == Package::MessageSummary && wish.watched != *asking.watcher {
            return Err(Status::FORBIDDEN.into());
        }
        Ok(wish.watched)
    }

    /// Begins a subscription, or tells once when it is to end at once. `now` is what [`Subscriptions::target`] does.
    pub(crate) fn open(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, asking: &Asking<'_>, now: Standing) {
        if let Err(refusal) = self.try_open(cx, stack, asking, now) {
            stack.refuse(cx, asking.txn, &refusal.answer());
        }
    }

    fn try_open(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        asking: &Asking<'_>,
        now: Standing,
    ) -> Result<(), Refusal> {
        let Asking { txn, request, flow, watcher } = *asking;
        let wish = Wish::read(request)?;
        if let Some(what) = self.full(watcher, &wish) {
            stack.transport.no_room(cx, what);
            return Err(Status::SERVICE_UNAVAILABLE.into());
        }
        let tag = cx.rng.tag.token::<12>();
        let dialog = Dialog::as_uas(request, flow, tag.clone()).map_err(|_| Status::BAD_REQUEST)?;
        let key = self.all.insert(Subscription {
            dialog,
            package: wish.package,
            id: wish.id,
            watcher: watcher.clone(),
            watched: wish.watched.clone(),
            host: wish.host,
            contact: stack.contact(flow, &EscapedUser(&wish.watched).to_string()),
            expires: cx.now,
            expiry: TimerKey::default(),
            version: 0,
            told: now.clone(),
            telling: None,
            gap: None,
        });
        self.by_tag.insert(tag, key);
        *self.shares.entry(watcher.clone()).or_default() += 1;
        let watched = self.watched.entry(wish.watched);
        let watched =
            watched.or_insert_with(|| Watched { now: Standing::default(), watchers: BTreeSet::new() });
        watched.now = now;
        watched.watchers.insert(key);
        pin(stack, flow);
        self.grant(cx, stack, key, txn, wish.expires);
        Ok(())
    }

    /// What there is no room for.
    fn full(&self, watcher: &str, wish: &Wish) -> Option<&'static str> {
        if self.all.len() >= limits::SUBSCRIPTIONS {
            Some("subscriptions")
        } else if self.shares.get(watcher).is_some_and(|share| *share >= limits::SUBSCRIPTIONS_OF_ONE) {
            Some("subscriptions of one extension")
        } else if self.watched.get(&wish.watched).is_some_and(|w| w.watchers.len() >= limits::WATCHERS) {
            Some("watchers of one extension")
        } else {
            None
        }
    }

    /// A SUBSCRIBE inside a subscription: a refresh, or its end.
    pub(crate) fn refresh(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, asking: &Asking<'_>) {
        let Asking { txn, request, flow, watcher } = *asking;
        let Some(key) = self.find(request) else {
            return stack.refuse(cx, txn, &Reply::new(Status::NO_SUCH_TRANSACTION));
        };
        let Some(subscription) = self.all.get_mut(key) else { return };
        let admitted =
            request.cseq().map_or(Err(Status::BAD_REQUEST), |c| subscription.dialog.admit(c.number));
        let wish = match (admitted, Wish::read(request)) {
            _ if subscription.watcher != *watcher => Err(Status::FORBIDDEN.into()),
            (Err(status), _) => Err(status.into()),
            (_, Ok(wish)) if (wish.package, &wish.id) != (subscription.package, &subscription.id) => {
                Err(Refusal::SHARED)
            }
            (_, wish) => wish,
        };
        let wish = match wish {
            Ok(wish) => wish,
            Err(refusal) => return stack.refuse(cx, txn, &refusal.answer()),
        };
        unpin(cx, stack, subscription.dialog.flow);
        subscription.dialog.refresh_target(request, flow);
        pin(stack, flow);
        self.grant(cx, stack, key, txn, wish.expires);
    }

    /// Accepts a SUBSCRIBE and tells its sender how it stands (RFC 6665 §4.2.1.2).
    fn grant(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        key: SubscriptionKey,
        txn: ServerKey,
        expires: Duration,
    ) {
        let Some(subscription) = self.all.get_mut(key) else { return };
        let reply = Reply::new(Status::OK)
            .tagged(subscription.dialog.local_tag.clone())
            .header(HeaderName::Expires, expires.as_secs())
            .header(HeaderName::Contact, format_args!("<{}>", subscription.contact))
            .header(HeaderName::AllowEvents, EVENTS);
        stack.respond(cx, txn, &reply);
        if expires.is_zero() {
            return self.end(cx, stack, key, "timeout");
        }
        cx.timers.cancel(subscription.expiry);
        subscription.expires = cx.now + expires;
        let expiry = Timer::Subscription(key, SubscriptionTimer::Expired);
        subscription.expiry = cx.timers.arm(subscription.expires, expiry);
        self.tell(cx, stack, key);
    }

    /// What an extension does may have changed.
    pub(crate) fn changed(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, extension: &str, now: Standing) {
        let Some(watched) = self.watched.get_mut(extension) else { return };
        if watched.now == now {
            return;
        }
        watched.now = now;
        let watchers: Vec<_> = watched.watchers.iter().copied().collect();
        for key in watchers {
            self.tell_change(cx, stack, key);
        }
    }

    /// Tells a watcher unless it knows, or has to wait.
    fn tell_change(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, key: SubscriptionKey) {
        let Some(subscription) = self.all.get(key) else { return };
        let Some(watched) = self.watched.get(&subscription.watched) else { return };
        let waits = subscription.gap.is_some() || subscription.telling.is_some();
        if !waits && subscription.package.differs(&subscription.told, &subscription.seen(cx, &watched.now)) {
            self.tell(cx, stack, key);
        }
    }

    /// Sends a NOTIFY with the state of now.
    fn tell(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, key: SubscriptionKey) {
        let Some(subscription) = self.all.get_mut(key) else { return };
        let Some(watched) = self.watched.get(&subscription.watched) else { return };
        let left = subscription.expires.since(cx.now).as_secs().max(1);
        let state = format!("active;expires={left}");
        let txn = subscription.notify(cx, stack, &watched.now, &state);
        if let Some(before) = subscription.telling.replace(txn) {
            self.by_client.remove(before);
        }
        if let Some(gap) = subscription.gap.take() {
            cx.timers.cancel(gap);
        }
        let gap = Timer::Subscription(key, SubscriptionTimer::Gap);
        subscription.gap = Some(cx.timers.arm(cx.now + limits::NOTIFY_GAP, gap));
        self.by_client.insert(txn, key);
    }

    /// A NOTIFY was answered; `None` when it was not. Those who do not know it any more are told nothing more
    /// (RFC 6665 §4.2.2, RFC 5057 §5.1).
    pub(crate) fn answered(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        txn: ClientKey,
        status: Option<Status>,
    ) {
        if status.is_some_and(Status::is_provisional) {
            return;
        }
        let Some(key) = self.by_client.remove(txn) else { return };
        if let Some(subscription) = self.all.get_mut(key) {
            subscription.telling = None;
        }
        let lost = status.is_none_or(|status| {
            matches!(status.code(), 404 | 405 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 604)
        });
        if lost {
            self.remove(cx, stack, key);
        } else {
            self.tell_change(cx, stack, key);
        }
    }

    /// A timer of a subscription fired.
    pub(crate) fn fire(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        key: SubscriptionKey,
        timer: SubscriptionTimer,
    ) {
        match timer {
            SubscriptionTimer::Expired => self.end(cx, stack, key, "timeout"),
            SubscriptionTimer::Gap => {
                if let Some(subscription) = self.all.get_mut(key) {
                    subscription.gap = None;
                }
                self.tell_change(cx, stack, key);
            }
        }
    }

    /// Ends the subscriptions of extensions that are gone, and those to them. O(n).
    pub(crate) fn reconfigure(&mut self, cx: &mut Cx<'_>, stack: &mut Stack) {
        let exists = |extension: &SmolStr| cx.config.phones.contains_key(extension);
        let is_watchable = |extension: &SmolStr| exists(extension) || cx.config.is_slot(extension);
        let gone: Vec<_> = (self.all.iter())
            .filter_map(|(key, s)| match (exists(&s.watcher), is_watchable(&s.watched)) {
                (false, _) => Some((key, "rejected")),
                (_, false) => Some((key, "noresource")),
                _ => None,
            })
            .collect();
        for (key, reason) in gone {
            self.end(cx, stack, key, reason);
        }
    }

    /// All that are watched.
    pub(crate) fn watched(&self) -> impl Iterator<Item = &SmolStr> {
        self.watched.keys()
    }

    /// Tells the watcher that it is over; nobody waits for the answer.
    fn end(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, key: SubscriptionKey, reason: &'static str) {
        let Some(subscription) = self.all.get_mut(key) else { return };
        if let Some(watched) = self.watched.get(&subscription.watched) {
            let state = format!("terminated;reason={reason}");
            subscription.notify(cx, stack, &watched.now, &state);
        }
        self.remove(cx, stack, key);
    }

    fn remove(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, key: SubscriptionKey) {
        let Some(subscription) = self.all.remove(key) else { return };
        cx.timers.cancel(subscription.expiry);
        if let Some(gap) = subscription.gap {
            cx.timers.cancel(gap);
        }
        if let Some(txn) = subscription.telling {
            self.by_client.remove(txn);
        }
        self.by_tag.remove(&subscription.dialog.local_tag);
        unpin(cx, stack, subscription.dialog.flow);
        if let Some(watched) = self.watched.get_mut(&subscription.watched) {
            watched.watchers.remove(&key);
            if watched.watchers.is_empty() {
                self.watched.remove(&subscription.watched);
            }
        }
        if let Some(share) = self.shares.get_mut(&subscription.watcher) {
            *share -= 1;
            if *share == 0 {
                self.shares.remove(&subscription.watcher);
            }
        }
    }

    /// Asserts that the tables agree.
    pub(crate) fn check(&self, armed: impl Fn(TimerKey) -> bool) {
        assert_eq!(self.by_tag.len(), self.all.len(), "every subscription has one tag");
        assert_eq!(self.shares.values().sum::<usize>(), self.all.len(), "every subscription has one watcher");
        let watchers = self.watched.values().map(|watched| watched.watchers.len());
        assert_eq!(watchers.sum::<usize>(), self.all.len(), "every subscription watches one");
        for (key, subscription) in self.all.iter() {
            let Subscription { dialog, watched, expiry, gap, telling, .. } = subscription;
            assert_eq!(self.by_tag.get(&dialog.local_tag), Some(&key), "its tag leads to it");
            assert!(self.watched.get(watched).is_some_and(|w| w.watchers.contains(&key)), "it is listed");
            assert!(armed(*expiry), "every subscription ends");
            assert!(gap.is_none_or(&armed), "a gap ends");
            assert!(telling.is_none_or(|txn| self.by_client.get(txn) == Some(&key)), "an answer finds it");
        }
    }
}

impl Subscription {
    /// What its watcher may see.
    fn seen(&self, cx: &Cx<'_>, now: &Standing) -> Standing {
        now.seen(cx.config.may_pick_up(&self.watcher, &self.watched))
    }

    fn notify(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, now: &Standing, state: &str) -> ClientKey {
        let subject = Subject { extension: &self.watched, host: &self.host, version: self.version };
        let now = self.seen(cx, now);
        let document = body::write(self.package, subject, &self.told, &now);
        self.version = self.version.wrapping_add(1);
        self.told = now;
        let hop = self.dialog.next_hop(cx, &mut stack.transport);
        let mut writer = self.dialog.request(Method::Notify, None);
        writer.header(HeaderName::Contact, format_args!("<{}>", self.contact));
        if self.id.is_empty() {
            writer.header(HeaderName::Event, self.package.as_str());
        } else {
            writer.header(HeaderName::Event, format_args!("{};id={}", self.package.as_str(), self.id));
        }
        writer.header(HeaderName::SubscriptionState, state);
        writer.header(HeaderName::UserAgent, AGENT);
        let bytes = writer.body(self.package.content_type(), document.as_bytes());
        stack.request(cx, Draft::new(Method::Notify, bytes), hop)
    }
}

/// A watcher's stream is not closed as idle.
fn pin(stack: &mut Stack, flow: Flow) {
    if let Flow::Stream { stream } = flow {
        stack.transport.pin(stream);
    }
}

fn unpin(cx: &Cx<'_>, stack: &mut Stack, flow: Flow) {
    if let Flow::Stream { stream } = flow {
        stack.transport.unpin(cx, stream);
    }
}
