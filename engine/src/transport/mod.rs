//! Flows, streams and Via (RFC 3261 §18).
