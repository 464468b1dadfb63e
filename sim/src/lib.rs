//! A simulated world.

mod draw;
mod luck;
mod net;
mod phone;
mod plan;
mod text;
mod voice;
