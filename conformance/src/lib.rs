//! Proof that Telex keeps to the standards and to its own rules.
