//! RTP and RTCP: bytes to values and back (RFC 3550), what else arrives on the same port (RFC 7983), and the
//! payload of telephone events (RFC 4733).

mod demux;
mod packet;
mod rtcp;

pub use demux::{Kind, classify};
pub use packet::{Header, Packet, RtpError};
pub use rtcp::{Compound, ControlPacket, ReportBlock, ReportBlocks, RtcpError, RtcpWriter, SenderInfo};
pub use telex_audio::dtmf::events::TelephoneEvent;
