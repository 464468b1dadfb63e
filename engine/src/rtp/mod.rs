//! RTP, RTCP and first-byte demultiplexing: bytes to values and back.
