//! Recorded conversations, said again to the engine in virtual time.
//!
//! The exchange stands between a caller and a callee. A [`Script`] has what each of them and the exchange said, in
//! order. [`run()`] says the parts of caller and callee to the engine, changed where the engine's own tags, branches,
//! nonces, Call-IDs and contacts differ from those of the record ([`rewrite`]), and compares what the engine says with
//! what the record has, header by header ([`compare`]), by rules that say what may differ and why ([`rules`]).

pub mod compare;
mod identities;
pub mod pcap;
pub mod rewrite;
pub mod rules;
mod run;
pub mod script;
pub mod show;
pub mod site;

pub use run::{Outcome, Report, Verdict, run};
pub use script::{Link, Script, Step};
