//! Registrations in words.

use super::Registrar;
use crate::time::Instant;
use crate::view::{Armed, BindingView, Owner};

impl Registrar {
    /// All registrations, by extension.
    pub(crate) fn views(&self, now: Instant, armed: &Armed) -> Vec<BindingView> {
        let keys = self.aors.values().flatten().filter_map(|key| Some((*key, self.bindings.get(*key)?)));
        let view = |(key, binding): (_, &super::Binding)| BindingView {
            info: binding.info(now),
            timers: armed.timers(Owner::Binding(key)),
        };
        keys.map(view).collect()
    }
}
