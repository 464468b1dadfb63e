//! The media machine.
