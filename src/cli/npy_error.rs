//! Why a file is no array.

/// Why a file is no array of embeddings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NpyError {
    /// It begins as something else does.
    #[error("not an NPY file, but {0}")]
    Other(&'static str),
    /// It begins as an NPY file, and goes on as none.
    #[error("the header of the NPY file can not be read")]
    Header,
    /// Numbers of another type, or none.
    #[error("the array is of {name} (`{descr}`): save it as float32, float64 or float16")]
    Type {
        /// In words.
        name: &'static str,
        /// As the header has it.
        descr: String,
    },
    /// More dimensions than two, or none.
    #[error("the array has the shape {0}: it must be an embedding [d], or many [n, d]")]
    Dimensions(String),
    /// Bytes are missing.
    #[error("the file ends early: its array needs {wanted} bytes, found {found}")]
    Short {
        /// By its shape.
        wanted: usize,
        /// Behind the header.
        found: usize,
    },
    /// Bytes are left.
    #[error("{0} bytes follow the array")]
    Long(usize),
}
