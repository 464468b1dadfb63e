//! What a recorder and its reader may ask and change. A machine in use is fed by [`Signalling::handle`] alone.

use std::sync::Arc;

use super::Signalling;
use crate::border::StreamId;
use crate::config::Config;
use crate::time::{Instant, WallTime};

impl Signalling {
    /// The moment of the last input.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The wall clock at `now`, as far as the machine was told.
    pub fn wall_at(&self, now: Instant) -> WallTime {
        self.wall.1 + now.since(self.wall.0)
    }

    /// The configuration in force.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Puts another configuration in the place of the present one, as if it had been so from the start. Nobody notices
    /// as long as both differ only in secrets.
    pub fn assume_config(&mut self, config: Arc<Config>) {
        self.config = config;
    }

    /// Octets that streams have brought and that do not make a whole message yet.
    pub fn unfinished(&self) -> impl Iterator<Item = (StreamId, &[u8])> {
        self.tables.below.stack.transport.unfinished()
    }

    /// Puts other octets, as many, in the place of those that a stream has brought. In between, for writing the state
    /// without them, there may be none.
    pub fn assume_unfinished(&mut self, stream: StreamId, octets: &[u8]) {
        self.tables.below.stack.transport.assume_unfinished(stream, octets);
    }
}
