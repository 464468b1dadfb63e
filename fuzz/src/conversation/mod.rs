//! Whole conversations: octets, time and everything else that a driver may hand in, into a whole exchange, signalling
//! and media, in any order.
//!
//! An input is one octet of options and then steps of four octets each. Steps speak of what was said before ("answer
//! the third latest request", "send that message again, late and from elsewhere"), and phones fill in the tags,
//! branches, nonces and session descriptions, so that any octets get deep into calls. What is asserted after every
//! step and at the end stands in `judge.rs`.

mod body;
mod judge;
mod media;
pub mod mutate;
mod phone;
mod steps;
pub mod tally;
mod twist;
mod world;

use world::World;

/// Steps of one input that are looked at.
const STEPS: usize = 200;

/// Octets of a step.
pub const STEP: usize = 4;

pub(crate) fn check(octets: &[u8]) {
    let Some((&options, octets)) = octets.split_first() else { return };
    let mut world = World::new(options);
    let (steps, _) = octets.as_chunks::<STEP>();
    let mut steps = steps.iter().take(STEPS);
    while let Some(&step) = steps.next() {
        world.step(step, &mut steps);
    }
    world.end();
}
