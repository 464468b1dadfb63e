//! Somebody who watches the machines of the exchange while a plan is run: a recorder, a test.

use telex_engine::media::{MediaInput, MediaOut, MediaShard};
use telex_engine::mediactl::ShardId;
use telex_engine::time::Instant;
use telex_engine::{Action, Input, Signalling};

/// Is told every input of the machines and what came of it. It may put an equal machine in the place of the present
/// one; it must not do anything else to it.
pub trait Watch {
    /// Nothing has happened yet, to this machine: an exchange that is started again has another.
    fn begin(&mut self, machine: &mut Signalling) {
        let _ = machine;
    }

    /// Signalling is about to be handed `input`.
    fn before_signalling(&mut self, machine: &mut Signalling, now: Instant, input: &Input) {
        let _ = (machine, now, input);
    }

    /// Signalling was handed `input` and wants `actions` done.
    fn signalling(&mut self, machine: &mut Signalling, now: Instant, input: &Input, actions: &[Action]);

    /// A shard is about to be handed `input`.
    fn before_media(
        &mut self,
        shard: ShardId,
        machine: &mut MediaShard,
        now: Instant,
        input: &MediaInput<'_>,
    ) {
        let _ = (shard, machine, now, input);
    }

    /// This is what came of it.
    fn after_media(&mut self, shard: ShardId, machine: &mut MediaShard, out: &MediaOut) {
        let _ = (shard, machine, out);
    }
}
