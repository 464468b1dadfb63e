//! A seeded world that runs the Telex engine, its phones, its network and its faults.
