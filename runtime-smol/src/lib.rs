//! Telex, a telephone exchange on real sockets.
