//! Offer and answer (RFC 3264) as pure functions.
