//! Few lines of each kind on standard error, however often others give cause for them.
//!
//! A kind is one place in the code. So many lines of it are written in each stretch of ten seconds; how many more there would have been,
//! one line tells when the stretch is over.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

/// How long a stretch is.
pub(super) const STRETCH: Duration = Duration::from_secs(10);

/// Lines of one kind in one stretch.
const LINES: u32 = 5;

/// What is told of lines that were left out is never left out.
const TOLD: &str = "tumar::left_out";

/// What was said of each kind in this stretch. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Quiet(Arc<Mutex<HashMap<Identifier, Kind>>>);

#[derive(Default)]
struct Kind {
    lines: u32,
    left_out: u64,
    /// Of the first that was left out.
    message: String,
}

impl Quiet {
    fn kinds(&self) -> MutexGuard<'_, HashMap<Identifier, Kind>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stretch is over: says how much was left out.
    pub(super) fn tell(&self) {
        let kinds = std::mem::take(&mut *self.kinds());
        for Kind { left_out, message, .. } in kinds.into_values().filter(|kind| kind.left_out > 0) {
            let seconds = STRETCH.as_secs();
            tracing::warn!(target: TOLD, lines = left_out, seconds, like = message, "more lines of one kind were left out");
        }
    }

    fn takes(&self, callsite: Identifier, message: impl FnOnce() -> String) -> bool {
        let mut kinds = self.kinds();
        let kind = kinds.entry(callsite).or_default();
        if kind.lines < LINES {
            kind.lines += 1;
            return true;
        }
        if kind.left_out == 0 {
            kind.message = message();
        }
        kind.left_out += 1;
        false
    }
}

impl<S: Subscriber> Filter<S> for Quiet {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        metadata.target() == TOLD || self.takes(metadata.callsite(), || message_of(event))
    }
}

/// The text of an event, without its fields.
fn message_of(event: &Event<'_>) -> String {
    struct Message(String);

    impl Visit for Message {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            if field.name() == "message" {
                // A text takes what is written to it.
                let _ = write!(self.0, "{value:?}");
            }
        }
    }

    let mut message = Message(String::new());
    event.record(&mut message);
    message.0
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::{EnvFilter, Layer as _, fmt};

    use super::*;
    use tracing_subscriber::layer::Layered;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn flood(count: usize) {
        for number in 0..count {
            tracing::warn!(number, "somebody else's fault");
        }
    }

    #[test]
    fn a_flood_of_one_kind_leaves_few_lines_and_a_count_and_other_kinds_are_heard() {
        let (quiet, lines) = (Quiet::default(), Lines::default());
        let to = lines.clone();
        let written = fmt::layer().with_ansi(false).with_writer(move || to.clone());
        let filter = written.with_filter(super::super::node::filter_of(quiet.clone(), EnvFilter::new("info")));
        let subscriber: Layered<_, _> = tracing_subscriber::registry().with(filter);
        tracing::subscriber::with_default(subscriber, || {
            flood(10_000);
            tracing::debug!("not asked for");
            tracing::error!("the node's own");
            quiet.tell();
            flood(1);
            quiet.tell();
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let count = |what: &str| text.lines().filter(|line| line.contains(what)).count();
        assert_eq!(count("number="), 5 + 1, "{text}");
        assert_eq!(count("the node's own"), 1);
        assert_eq!(count("were left out lines=9995 seconds=10 like=\"somebody else's fault\""), 1, "{text}");
        assert_eq!(text.lines().count(), 5 + 1 + 1 + 1, "{text}");
    }
}
