//! Proof that Telex keeps to the standards and to its own rules.
//!
//! The library holds what tests with real clients need: an exchange started as its user starts it ([`exchange`]),
//! phones and load tools that nobody here wrote ([`sipp`], [`baresip`], [`linphone`]), room for them on the loopback
//! network ([`ground`]) and an ear for what they recorded ([`wav`], [`tone`]). Everything here panics when it fails,
//! with a message that says what was awaited: it is for tests only.
//!
//! What `telex-conformance` is made of does not panic: the engine in virtual time ([`virtual_exchange`]), recorded
//! conversations ([`recorded`]) and the [`ledger`] of clauses.

pub mod baresip;
pub mod exchange;
pub mod ground;
pub mod ledger;
pub mod linphone;
pub mod peers;
pub mod phone;
pub mod program;
pub mod recorded;
pub mod sipp;
pub mod speech;
pub mod tone;
pub mod virtual_exchange;
pub mod wav;
