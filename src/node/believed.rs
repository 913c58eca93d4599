//! Whose tokens a node believes, and whose approvals, as its configuration says.

use super::{Config, NodeError};
use crate::token::{Officers, TrustError, TrustedIssuer, Unused, Verifier};

/// Whose tokens are believed, and whose approvals.
pub(super) fn verifier(config: &Config) -> Result<Verifier, NodeError> {
    let jwks: Vec<String> =
        config.issuers.iter().map(|issuer| config.text(&issuer.jwks)).collect::<Result<_, NodeError>>()?;
    let trusted = config.issuers.iter().zip(&jwks).map(|(issuer, jwks)| TrustedIssuer {
        issuer: &issuer.name,
        relying_parties: &issuer.relying_parties,
        galleries: &issuer.galleries,
        jwks,
    });
    let issuers: Vec<_> = trusted.collect();
    let officers = match &config.officers {
        Some(path) => {
            Officers::parse(&config.text(path)?).map_err(|error| NodeError::Officers(config.path(path), error))?
        }
        None => Officers::default(),
    };
    let verifier = Verifier::new(&config.deployment, &issuers, config.bases.clone(), officers).map_err(|error| {
        let of = |name: &String| config.issuers.iter().find(|issuer| issuer.name == *name);
        match &error {
            TrustError::Keys { issuer, .. } => match of(issuer) {
                Some(at) => NodeError::Issuer(config.path(&at.jwks), error),
                None => error.into(),
            },
            TrustError::NoIssuer
            | TrustError::IssuerName
            | TrustError::IssuerTwice
            | TrustError::RelyingParties
            | TrustError::Gallery { .. }
            | TrustError::NoBase
            | TrustError::Base => error.into(),
        }
    })?;
    for (issuer, Unused { kid, why }) in verifier.unused() {
        tracing::warn!(%issuer, %kid, why, "a key in the issuer's JWK set is skipped");
    }
    Ok(verifier)
}
