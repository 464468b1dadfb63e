//! Tones: sines, and what countries tell callers with them.

mod cadence;
pub(crate) mod edge;
mod plan;
mod player;
pub mod sine;

pub use cadence::{BadCadence, Cadence};
pub use plan::{BEEP, Plan, RECORDING, Signal};
pub use player::Player;
