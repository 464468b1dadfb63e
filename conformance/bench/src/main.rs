//! Telex's parsers beside `rsip`, `rsipstack`, `ezk-sip-types` and `sdp-types`: one process, the same octets, every
//! value checked before anything is timed. And dialplans of ten to ten thousand extensions, beside each other. Prints
//! Markdown tables.
//!
//! ```sh
//! cargo run --release --manifest-path conformance/bench/Cargo.toml [words of the titles wanted]
//! ```

mod dialplan;
mod harness;
mod sdp;
mod sip;

#[global_allocator]
static ALLOCATOR: harness::Counting = harness::Counting;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let wants = |title: &str| words.is_empty() || words.iter().any(|w| title.contains(w.as_str()));
    println!(
        "Median of 21 rounds in turns, CPU time of one thread. A value that is wrong or missing is named."
    );
    sip::run(&wants);
    sdp::run(&wants);
    dialplan::run(&wants);
}
