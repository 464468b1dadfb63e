//! What a site writes down is what happens to its calls: a dialplan in the dialect of `extensions.conf`.
//!
//! A [`Dialplan`] is parsed whole from its sources and never changes. A [`Thread`] walks one channel through it: it
//! says with a [`Task`] what the exchange must do next, and goes on when it is told the [`Outcome`]. What it needs to
//! know of the exchange it asks a [`World`]. Everything here is pure: no file, no clock, no randomness of its own.
#![forbid(unsafe_code)]

pub mod app;
pub mod considered;
mod directory;
mod elsewhere;
pub mod explain;
mod expr;
pub mod find;
pub mod function;
pub mod help;
pub mod lacking;
pub mod limits;
pub mod names;
mod number;
pub mod parse;
pub mod pattern;
pub mod plan;
pub mod scene;
pub mod source;
pub mod task;
pub mod template;
pub mod thread;
mod tree;
pub mod vars;
pub mod when;
pub mod world;
pub mod write;

pub use self::considered::{Considered, Looked, Shut, Verdict};
pub use self::find::{Asked, At, Found};
pub use self::parse::Sources;
pub use self::pattern::{Dialled, Pattern};
pub use self::plan::{Context, Dialplan, Extension, Step};
pub use self::source::{Fault, Problem, Problems, Span};
pub use self::task::{Outcome, Task};
pub use self::thread::Thread;
pub use self::when::{Moment, When};
pub use self::world::World;
