//! What the three parties compute together: a batch of requests is one run over one [`Session`].
pub mod session;

pub use session::{Came, Meter, Round, Session};
