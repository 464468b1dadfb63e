//! SIP messages (RFC 3261): bytes to values and back.
