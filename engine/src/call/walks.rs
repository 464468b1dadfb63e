//! The dialplan of a call at work: for its caller, and for whom it dials. A call that is only foretold walks by the
//! same functions as one that is made; what differs between the two is [`Walks`].

use std::collections::BTreeMap;

use smol_str::SmolStr;
use telex_dialplan::{Dialplan, Thread, World};

use super::park::Parked;
use super::script::Script;
use super::standing::Lines;
use super::world::{Sight, Values};
use super::{Below, Call, Calls};
use crate::cx::{CallKey, Cx};
use crate::registrar::Registrar;
use crate::slots::Slots;

/// What a channel knows of itself, as the dialplan has set it.
pub(super) type Facts = BTreeMap<SmolStr, SmolStr>;

/// What a dialplan does with the thread of its call.
pub(super) type Work<'a> = &'a mut dyn FnMut(&mut Thread, &Dialplan, &mut dyn World);

/// A call whose dialplan is at work.
pub(super) trait Walks {
    /// The call; `None` once it is gone.
    fn call(&self) -> Option<&Call>;
    /// The same, to be changed.
    fn call_mut(&mut self) -> Option<&mut Call>;
    /// Where phones are.
    fn registrar(&self) -> &Registrar;
    /// Whether a phone is in as many calls as it may be when one more is put through.
    fn is_full(&self, cx: &Cx<'_>, extension: &SmolStr) -> bool;
    /// Lets the dialplan work, for a callee that has these facts or, without any, for the caller.
    fn look(&mut self, cx: &mut Cx<'_>, facts: Option<&mut Facts>, work: Work<'_>);

    /// The walk of the call.
    fn script(&mut self) -> Option<&mut Script> {
        self.call_mut().and_then(|call| call.script.as_deref_mut())
    }

    /// Adds to the trail, for those who ask how it went.
    fn remark(&mut self, text: SmolStr) {
        if let Some(script) = self.script() {
            script.thread.remark(text);
        }
    }
}

/// A call that is made.
pub(super) struct Live<'a> {
    pub(super) calls: &'a mut Calls,
    pub(super) below: &'a Below,
    pub(super) key: CallKey,
}

impl Walks for Live<'_> {
    fn call(&self) -> Option<&Call> {
        self.calls.all.get(self.key)
    }

    fn call_mut(&mut self) -> Option<&mut Call> {
        self.calls.all.get_mut(self.key)
    }

    fn registrar(&self) -> &Registrar {
        &self.below.registrar
    }

    fn is_full(&self, cx: &Cx<'_>, extension: &SmolStr) -> bool {
        self.calls.is_full(cx, extension)
    }

    fn look(&mut self, cx: &mut Cx<'_>, facts: Option<&mut Facts>, work: Work<'_>) {
        let _ = self.calls.with_thread(cx, self.below, self.key, facts, work);
    }
}

/// What the dialplan of a call sees of the exchange.
pub(super) struct Eyes<'a> {
    pub(super) registrar: &'a Registrar,
    pub(super) values: &'a mut Values,
    pub(super) calls: &'a Slots<CallKey, Call>,
    pub(super) lines: &'a Lines,
    pub(super) parked: &'a Parked,
    /// For a call that is only foretold, and so is not among the calls: the phones that ring for it.
    pub(super) foretold: Option<&'a [SmolStr]>,
}

impl Eyes<'_> {
    /// Lets the dialplan work. A callee has facts of its own, and knows nothing of the INVITE and of Dials before.
    pub(super) fn look<R>(
        self,
        cx: &mut Cx<'_>,
        call: &Call,
        script: &mut Script,
        facts: Option<&mut Facts>,
        work: impl FnOnce(&mut Thread, &mut dyn World) -> R,
    ) -> R {
        let Script { thread, groups, facts: own, headers, failed, .. } = script;
        let (facts, headers, failed) = match facts {
            Some(facts) => (facts, &[][..], None),
            None => (own, headers.as_slice(), failed.as_ref().map(|(_, cause)| cause)),
        };
        let Eyes { registrar, values, calls, lines, parked, foretold } = self;
        let mut sight = Sight {
            cx,
            registrar,
            values,
            calls,
            lines,
            parked,
            foretold,
            call,
            failed,
            groups,
            facts,
            headers,
        };
        work(thread, &mut sight)
    }
}

impl Calls {
    /// Lets the dialplan of a call work, for a callee that has these facts or, without any, for the caller.
    pub(super) fn with_thread<R>(
        &mut self,
        cx: &mut Cx<'_>,
        below: &Below,
        key: CallKey,
        facts: Option<&mut Facts>,
        work: impl FnOnce(&mut Thread, &Dialplan, &mut dyn World) -> R,
    ) -> Option<R> {
        let mut script = self.all.get_mut(key)?.script.take()?;
        let plan = self.plans.get(script.plan);
        let call = self.all.get(key)?;
        let eyes = Eyes {
            registrar: &below.registrar,
            values: &mut self.values,
            calls: &self.all,
            lines: &self.lines,
            parked: &self.parked,
            foretold: None,
        };
        let done = eyes.look(cx, call, &mut script, facts, |thread, world| work(thread, &plan, world));
        self.all.get_mut(key)?.script = Some(script);
        Some(done)
    }
}
