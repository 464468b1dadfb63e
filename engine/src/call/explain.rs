//! How a call went through the dialplan, for those who ask why.
