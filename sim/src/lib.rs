//! A simulated world for the Telex engine: scripted telephones, a network that loses, doubles and delays, and
//! a clock that jumps from one event to the next.
//!
//! A seed draws a [`Plan`]: phones, calls and faults, as data, which is TOML when it is written down.
//! [`run()`] executes it against a whole exchange, with rules ([`ORACLES`]) checked at every step. Storm comes
//! first, then calm, in which everything has to settle, then everybody hangs up and nothing may be left. Two
//! runs of a plan do the same, octet for octet, and end with the same [`Outcome::state_hash`].
//!
//! [`shrink`] takes out of a plan that breaks a rule whatever the failure does not need. [`faults_every`] runs one
//! scenario with every single message lost, doubled, delayed or swapped, and tells who was stuck for how long.
//! `telex sim` is all this on the command line; bugs that were found are kept in `plans/`.
//!
//! ```
//! let plan = telex_sim::draw(42, &telex_sim::Settings { calls: 3, loss: Some(50_000), ..Default::default() });
//! let outcome = telex_sim::run(&plan);
//! assert!(outcome.broken.is_none(), "{outcome:?}");
//! assert_eq!(outcome.state_hash, telex_sim::run(&plan).state_hash);
//! ```

mod attacker;
mod checker;
mod correlate;
mod digest;
mod draw;
mod exchange;
mod expect;
mod faults_every;
mod host;
mod ladder;
mod luck;
mod many;
mod nat;
mod net;
mod operators;
mod oracle;
mod phone;
pub mod plan;
mod record;
mod report;
mod run;
mod shrink;
mod store;
mod streams;
mod text;
mod tone;
mod voice;
mod waits;
mod watch;
mod wire;
mod world;

pub use draw::{FEATURES, Settings, Site, Swarm, draw};
pub use faults_every::{
    DELAY, FaultsEvery, FaultsReport, MessageReport, Mishap, SCENARIOS, Stuck, faults_every,
};
pub use many::in_order;
pub use oracle::{Broken, ORACLES};
pub use plan::{Plan, PlanError};
pub use record::run_recorded;
pub use report::{BrokenPlan, Summary};
#[cfg(feature = "planted")]
pub use run::run_planted;
pub use run::{Failure, Outcome, run, run_traced, run_watched, run_with_ladder};
pub use shrink::{Bounds, Shrunk, shrink, shrink_while};
pub use watch::Watch;
