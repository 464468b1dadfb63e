//! The signalling machine.

/// One exchange: SIP, registrar and calls.
#[derive(Debug)]
pub struct Signalling;
