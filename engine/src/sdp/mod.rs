//! Session descriptions (RFC 8866): bytes to values and back.
