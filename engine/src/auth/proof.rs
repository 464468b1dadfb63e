//! What a phone would have answered had it known another secret.

use super::digest::response;
use super::{Algorithm, Auth, Credentials, DigestCredentials, Given, Proof};

/// The response, in hexadecimal digits, that the owner of `secrets` would give to the challenge that `given` answers,
/// in a request of this method (RFC 7616 §3.4.1). `None` when the answer lacks what it takes, or the algorithm or its
/// form of the secret is not known.
pub fn right_response(secrets: &Credentials, method: &str, given: &DigestCredentials<'_>) -> Option<String> {
    let given = Given::read(given);
    let algorithm = Algorithm::parse(given.algorithm.as_deref())?;
    let (uri, nonce) = (given.uri?, given.nonce?);
    let auth = match given.qop {
        None => None,
        Some(_) => Some(Auth::read(given.nc, given.cnonce).ok()?),
    };
    let auth = auth.as_ref().map(|auth| (auth.nc.as_ref(), auth.cnonce.as_ref()));
    let proof = Proof { method, uri: &uri, nonce: &nonce, auth };
    Some(response(algorithm, &secrets.ha1(algorithm)?, &proof).to_string())
}
