//! Why what the caller brought makes no request.

use crate::party::Party;
use crate::seal::NoRandomness;
use crate::share::ShapeError;
use crate::template::Shape;
use crate::wire::RequestError;

/// What the caller brought does not make a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The nodes serve no such model.
    #[error("the nodes serve no model of this name")]
    Model,
    /// A template of a shape that the model does not make.
    #[error("the model is not for {0}")]
    Template(Shape),
    /// Packed nibbles of a number that no template of the model has.
    #[error("the model has no templates of {0} bytes")]
    Packed(usize),
    /// The configuration does not say how this node is called.
    #[error("client.toml has no address, base and certificate of node {0}")]
    NoAddress(Party),
    /// Bytes that no request was kept as, or none of this version.
    #[error("the bytes are not a request saved by this version")]
    Saved,
    /// A token holds characters that no header takes.
    #[error("the token is not one line of visible characters")]
    Token,
    /// The request is not well formed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The template can not be shared.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The operating system gave no random bytes.
    #[error("the operating system's random number generator failed")]
    Randomness,
}

impl From<NoRandomness> for InputError {
    fn from(NoRandomness: NoRandomness) -> Self {
        Self::Randomness
    }
}
