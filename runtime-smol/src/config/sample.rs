//! The configuration that `telex` writes when there is none.

/// The text of a first configuration with phones 100 and 101.
pub(crate) fn sample(password_100: &str, password_101: &str) -> String {
    include_str!("sample.toml").replace("{100}", password_100).replace("{101}", password_101)
}
