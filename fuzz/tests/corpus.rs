//! What is kept in `corpus/` holds, also where no fuzzer can be built.

use std::path::Path;

#[test]
fn every_kept_input_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, check) in telex_fuzz::TARGETS {
        let count = telex_fuzz::replay(*check, &[corpus.join(name)]).expect("a corpus can be read");
        assert!(count > 0, "corpus/{name} holds nothing");
    }
}
