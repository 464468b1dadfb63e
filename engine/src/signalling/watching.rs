//! Who watches what an extension does, and what they are told (RFC 6665).

use std::net::SocketAddr;

use smol_str::SmolStr;

use super::{Stopping, Tables};
use crate::border::Flow;
use crate::cx::{Cx, ServerKey};
use crate::dialog::screen;
use crate::sip::{Message, Status};
use crate::subscription::{Asking, Messages, Refusal, Standing, Subscriptions};

impl Tables {
    /// SUBSCRIBE. Every phone of the site may watch every other; whoever has not proved to be one learns nothing.
    pub(super) fn subscribe(
        &mut self,
        cx: &mut Cx<'_>,
        txn: ServerKey,
        request: &Message,
        flow: Flow,
        source: SocketAddr,
    ) {
        let stack = &mut self.below.stack;
        if let Some(reply) = screen::unreachable(request).or_else(|| screen::lost(stack, txn, request)) {
            return self.turn_away(cx, (txn, request, source), None, &reply);
        }
        let Some(watcher) = self.authorise(cx, txn, request, flow, source) else { return };
        let stack = &mut self.below.stack;
        let asking = Asking { txn, request, flow, watcher: &watcher };
        if self.subscriptions.knows(request) {
            return self.subscriptions.refresh(cx, stack, &asking);
        }
        if self.stopping != Stopping::No {
            let reply = Refusal::from(Status::SERVICE_UNAVAILABLE).answer();
            return self.turn_away(cx, (txn, request, source), Some(&watcher), &reply);
        }
        match Subscriptions::target(cx.config, &asking) {
            Ok(extension) => {
                let now = self.standing(cx, &extension);
                self.subscriptions.open(cx, &mut self.below.stack, &asking, now);
            }
            Err(refusal) => self.turn_away(cx, (txn, request, source), Some(&watcher), &refusal.answer()),
        }
    }

    /// Tells the watchers of all extensions that this input may have changed.
    pub(super) fn tell_watchers(&mut self, cx: &mut Cx<'_>) {
        let mut touched = Vec::new();
        self.calls.take_touched(&mut touched);
        self.below.registrar.take_touched(&mut touched);
        self.tell_of(cx, &touched);
    }

    /// Phones may have come, gone, or have got another contact.
    pub(super) fn watch_reconfigured(&mut self, cx: &mut Cx<'_>) {
        self.subscriptions.reconfigure(cx, &mut self.below.stack);
        let watched: Vec<_> = self.subscriptions.watched().cloned().collect();
        self.tell_of(cx, &watched);
    }

    fn tell_of(&mut self, cx: &mut Cx<'_>, extensions: &[SmolStr]) {
        for extension in extensions {
            if self.subscriptions.is_watched(extension) {
                let now = self.standing(cx, extension);
                self.subscriptions.changed(cx, &mut self.below.stack, extension, now);
            }
        }
    }

    fn standing(&self, cx: &Cx<'_>, extension: &SmolStr) -> Standing {
        let fixed = cx.config.phones.get(extension).is_some_and(|phone| phone.contact.is_some());
        Standing {
            reachable: fixed
                || cx.config.is_slot(extension)
                || self.below.registrar.lookup(extension).next().is_some(),
            lines: self.calls.lines(&self.below.sessions, extension),
            // There are no mailboxes yet, so that nothing waits in one.
            messages: Messages::default(),
        }
    }
}
