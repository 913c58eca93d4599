//! Errors, told to an operator.

/// An error with its causes, in one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        // An error that hands on another often says the same.
        if text.ends_with(&cause) { text } else { format!("{text}: {cause}") }
    })
}
