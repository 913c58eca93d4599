//! Which memory a call reads, and which it writes: what is written is nothing else of the call.

use crate::fault::Fault;

/// Some bytes of the caller's: where they begin, and where they end.
#[derive(Clone, Copy)]
struct Span {
    from: usize,
    to: usize,
    is_written: bool,
}

/// The memory of one call.
#[derive(Default)]
pub(crate) struct Spans(Vec<Span>);

impl Spans {
    /// Adds room for so many values.
    ///
    /// # Errors
    /// [`Fault::Null`], [`Fault::Alignment`]; [`Fault::Length`] if they go beyond the end of memory; [`Fault::Overlap`] if they are
    /// written and something else of the call, or the other way round.
    pub(crate) fn lent<T>(
        &mut self,
        what: &'static str,
        data: *const T,
        count: usize,
        is_written: bool,
    ) -> Result<(), Fault> {
        if data.is_null() {
            return Err(Fault::Null { what });
        }
        if !data.is_aligned() {
            return Err(Fault::Alignment { what });
        }
        let length = count.checked_mul(size_of::<T>()).ok_or(Fault::Length { what })?;
        self.add(what, data.addr(), length, is_written)
    }

    /// Adds some bytes; nothing of no bytes.
    fn add(&mut self, what: &'static str, from: usize, length: usize, is_written: bool) -> Result<(), Fault> {
        // No object is larger.
        let most = isize::MAX.unsigned_abs();
        let to = from.checked_add(length).filter(|_| length <= most).ok_or(Fault::Length { what })?;
        let meets = |other: &Span| from < other.to && other.from < to && (is_written || other.is_written);
        if length > 0 && self.0.iter().any(meets) {
            return Err(Fault::Overlap { what });
        }
        if length > 0 {
            self.0.push(Span { from, to, is_written });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_nothing_else_of_the_call() {
        let mut spans = Spans::default();
        spans.add("read", 100, 10, false).unwrap();
        spans.add("read twice", 105, 10, false).unwrap();
        spans.add("written", 115, 5, true).unwrap();
        spans.add("nothing", 117, 0, true).unwrap();
        for (from, length, is_written) in [(114, 1, true), (119, 1, false), (90, 100, false), (100, 1, true)] {
            let fault = spans.add("more", from, length, is_written).unwrap_err();
            assert!(matches!(fault, Fault::Overlap { what: "more" }), "{from} {length}");
        }
        spans.add("beside", 120, 5, true).unwrap();
        spans.add("before", 99, 1, true).unwrap();
    }

    #[test]
    fn no_length_goes_beyond_the_end_of_memory() {
        for (from, length) in [(usize::MAX, 1), (16, usize::MAX), (16, usize::MAX / 2 + 1)] {
            let fault = Spans::default().add("it", from, length, false).unwrap_err();
            assert!(matches!(fault, Fault::Length { what: "it" }), "{from} {length}");
        }
    }
}
