//! The sounds that can be played by name: those that are part of the program, and the site's own.

use std::sync::{Arc, LazyLock};

use telex_engine::mediactl::Library;

/// The sounds that are part of the program.
pub(crate) fn builtin() -> Arc<Library> {
    static BUILTIN: LazyLock<Arc<Library>> = LazyLock::new(Arc::default);
    Arc::clone(&BUILTIN)
}
