//! NAT boxes, as plan data.

use serde::{Deserialize, Serialize};
use telex_engine::time::{Duration, Instant};

use super::words::{self, Word, of_table};

/// A NAT box (RFC 4787) with one public address. The phones behind it name it by its place in
/// [`Plan::nats`](super::Plan::nats).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nat {
    /// Which destinations share a mapping (RFC 4787 §4.1).
    #[serde(with = "words::word")]
    pub mapping: Sameness,
    /// Who may come in by a mapping (RFC 4787 §5).
    #[serde(with = "words::word")]
    pub filtering: Sameness,
    /// An idle mapping is forgotten after this.
    #[serde(with = "words::word")]
    pub timeout: Duration,
    /// Packets that come in keep a mapping alive, too (RFC 4787 §4.3).
    pub inbound_refreshes: bool,
    /// A public port is the private one while that is free.
    pub keeps_ports: bool,
    /// Phones behind it reach each other at its public address (RFC 4787 §6).
    pub hairpin: bool,
    /// It reads SIP and writes into it.
    #[serde(with = "words::optional", skip_serializing_if = "Option::is_none")]
    pub alg: Option<Alg>,
    /// Times when it reboots: every mapping is gone, every stream through it is dead.
    #[serde(with = "words::list")]
    pub reboots: Vec<Instant>,
}

/// What two destinations must have in common to count as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sameness {
    /// Nothing: all destinations are one.
    #[default]
    Independent,
    /// The address.
    Address,
    /// Address and port.
    AddressAndPort,
}

/// How an application layer gateway rewrites what the phones behind it send by datagram. Private addresses become
/// the public one in the places named; it does not touch what comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alg {
    /// Via, Contact and session description, all of it right.
    Good,
    /// The same, but Content-Length says what it said before.
    ForgetsLength,
    /// The Contact, and nothing else.
    ContactOnly,
    /// The same places as `Good`, but only addresses: every port stays the private one.
    BreaksPort,
    /// Nothing is rewritten, but `rport` is taken out of the Via.
    StripsRport,
}

impl Default for Nat {
    /// A full cone that forgets after 30 s.
    fn default() -> Self {
        Self {
            mapping: Sameness::Independent,
            filtering: Sameness::Independent,
            timeout: Duration::from_secs(30),
            inbound_refreshes: false,
            keeps_ports: false,
            hairpin: false,
            alg: None,
            reboots: Vec::new(),
        }
    }
}

const SAMENESS: [(&str, Sameness); 3] = [
    ("independent", Sameness::Independent),
    ("address", Sameness::Address),
    ("address-and-port", Sameness::AddressAndPort),
];

impl Word for Sameness {
    fn write(&self) -> String {
        words::name_in(&SAMENESS, self)
    }

    fn read(text: &str) -> Result<Self, String> {
        of_table(&SAMENESS, text)
    }
}

const ALGS: [(&str, Alg); 5] = [
    ("good", Alg::Good),
    ("forgets-length", Alg::ForgetsLength),
    ("contact-only", Alg::ContactOnly),
    ("breaks-port", Alg::BreaksPort),
    ("strips-rport", Alg::StripsRport),
];

impl Word for Alg {
    fn write(&self) -> String {
        words::name_in(&ALGS, self)
    }

    fn read(text: &str) -> Result<Self, String> {
        of_table(&ALGS, text)
    }
}
