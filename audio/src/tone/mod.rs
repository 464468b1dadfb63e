//! Tones: sines, and what countries tell callers with them.

pub(crate) mod edge;
pub mod sine;
