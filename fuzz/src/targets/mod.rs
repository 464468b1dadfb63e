//! The targets, one file each.

pub(crate) mod capture;
pub(crate) mod config;
pub(crate) mod control;
pub(crate) mod dialplan;
pub(crate) mod digest;
pub(crate) mod framer;
pub(crate) mod header;
pub(crate) mod message;
pub(crate) mod peer;
pub(crate) mod plan;
pub(crate) mod playout;
pub(crate) mod recording;
pub(crate) mod rtcp;
pub(crate) mod rtp;
pub(crate) mod sdp;
pub(crate) mod sound;
pub(crate) mod uri;
pub(crate) mod wav;
