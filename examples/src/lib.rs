//! How to embed the Telex engine: see the programs beside this file.
