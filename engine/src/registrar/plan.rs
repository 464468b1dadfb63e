//! What a REGISTER would do to the bindings of its address-of-record (RFC 3261 §10.3 steps 6 and 7). A plan is made
//! whole or not at all, so that a request is carried out whole or not at all.

use std::net::IpAddr;

use smallvec::SmallVec;

use super::Refusal;
use super::binding::Binding;
use super::request::{Contact, Wanted, Wish, same_uri};
use crate::cx::BindingKey;
use crate::time::{Duration, Instant};

/// What is to be done, in this order.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// These go.
    pub(super) remove: SmallVec<[BindingKey; 1]>,
    /// These come, each in place of the binding named with it.
    pub(super) put: SmallVec<[(Option<BindingKey>, Contact); 1]>,
}

impl Plan {
    fn touches(&self, key: BindingKey) -> bool {
        self.remove.contains(&key) || self.put.iter().any(|(known, _)| *known == Some(key))
    }
}

/// The bindings of one address-of-record.
pub(super) struct Present<'a> {
    pub(super) bindings: SmallVec<[(BindingKey, &'a Binding); 2]>,
    pub(super) now: Instant,
    /// Where the request came from.
    pub(super) source: IpAddr,
    /// How many bindings there may be.
    pub(super) limit: usize,
}

impl Present<'_> {
    /// The plan for what is wished, or why there is none.
    pub(super) fn plan(&self, wish: Wish) -> Result<Plan, Refusal> {
        let order = Order { call_id: &wish.call_id, cseq: wish.cseq };
        let mut plan = Plan::default();
        match wish.contacts {
            Wanted::Fetch => {}
            Wanted::RemoveAll => {
                for (key, binding) in &self.bindings {
                    order.check(binding)?;
                    plan.remove.push(*key);
                }
            }
            Wanted::These(contacts) => {
                let replaced = self.replaced_devices(&contacts);
                for (key, binding) in &replaced {
                    order.check(binding)?;
                    plan.remove.push(*key);
                }
                for contact in contacts {
                    let known = self.find(&contact.uri, &plan);
                    if let Some((_, binding)) = known {
                        order.check(binding)?;
                    }
                    match (known, contact.expires.is_zero()) {
                        (Some((key, _)), true) => plan.remove.push(key),
                        (None, true) => {}
                        (known, false) => plan.put.push((known.map(|(key, _)| key), contact)),
                    }
                }
                self.make_room(&mut plan)?;
            }
        }
        Ok(plan)
    }

    /// Bindings of devices that register now with another address: a phone that came back with a new port is one phone
    /// and has to ring once.
    fn replaced_devices(&self, contacts: &[Contact]) -> SmallVec<[(BindingKey, &Binding); 1]> {
        let stays = |b: &Binding| contacts.iter().any(|c| same_uri(&b.contact, &c.uri));
        let returns = |b: &Binding| contacts.iter().any(|c| !c.expires.is_zero() && c.instance == b.instance);
        let left = self.bindings.iter().filter(|(_, b)| !b.instance.is_empty() && returns(b) && !stays(b));
        left.copied().collect()
    }

    /// The binding of this URI: one of the very same text before one that is equivalent. None twice, for equivalence
    /// is not transitive (RFC 3261 §19.1.4).
    fn find(&self, uri: &str, plan: &Plan) -> Option<(BindingKey, &Binding)> {
        let mut free = self.bindings.iter().copied().filter(|(key, _)| !plan.touches(*key));
        free.clone().find(|(_, b)| b.contact == uri).or_else(|| free.find(|(_, b)| same_uri(&b.contact, uri)))
    }

    /// When there would be too many bindings, those go that came longest ago from the address of the request: most
    /// likely they are what a phone without a device name left behind. A phone elsewhere is not pushed out.
    fn make_room(&self, plan: &mut Plan) -> Result<(), Refusal> {
        let added = plan.put.iter().filter(|(known, _)| known.is_none()).count();
        let after = self.bindings.len() + added - plan.remove.len();
        if added == 0 || after <= self.limit {
            return Ok(());
        }
        let mut idle: SmallVec<[_; 8]> = self
            .bindings
            .iter()
            .filter(|(key, b)| !plan.touches(*key) && b.source.ip() == self.source)
            .collect();
        idle.sort_by_key(|(_, binding)| binding.refreshed);
        let excess = after - self.limit;
        if idle.len() < excess {
            let first_end = self.bindings.iter().map(|(_, b)| b.expires.since(self.now)).min();
            return Err(Refusal::TooMany { retry_after: first_end.unwrap_or(Duration::ZERO) });
        }
        plan.remove.extend(idle.iter().take(excess).map(|(key, _)| *key));
        Ok(())
    }
}

/// The place of a request in the sequence of its phone.
struct Order<'a> {
    call_id: &'a str,
    cseq: u32,
}

impl Order<'_> {
    /// An older request that was overtaken must not undo what the newer one did (RFC 3261 §10.3 step 7).
    fn check(&self, binding: &Binding) -> Result<(), Refusal> {
        if binding.call_id == self.call_id && binding.cseq >= self.cseq {
            Err(Refusal::OutOfOrder)
        } else {
            Ok(())
        }
    }
}
