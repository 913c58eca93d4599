//! What a node says on standard error. A reader that has gone, that has stopped, or a disk that is full costs lines of the log and
//! nothing else: whoever says something hands it to a thread, and never waits for it.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait to be written; then they are lost.
const WAITING: usize = 4096;

/// How long the last lines may take at the end.
const PATIENCE: Duration = Duration::from_secs(1);

enum Item {
    Line(Vec<u8>),
    /// All lines before this one are to be written.
    Flush(SyncSender<()>),
}

/// The way to the thread that writes. Dropped, it waits a moment for the last lines.
pub(super) struct Lines(Queue);

/// The same for `tracing`.
#[derive(Clone)]
pub(super) struct Queue {
    items: SyncSender<Item>,
    lost: Arc<AtomicU64>,
}

impl Lines {
    /// Writes to `out`, which may fail or take its time.
    pub(super) fn to(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (items, taken) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let writes = Arc::clone(&lost);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write_all(out, &taken, &writes))?;
        Ok(Self(Queue { items, lost }))
    }

    /// Where `tracing` writes.
    pub(super) fn queue(&self) -> Queue {
        self.0.clone()
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let (done, written) = sync_channel(1);
        // With a queue that is full nobody reads: there is nothing to wait for.
        if self.0.items.try_send(Item::Flush(done)).is_ok() {
            let _ = written.recv_timeout(PATIENCE);
        }
    }
}

/// Takes lines until there is nobody left to hand one in.
fn write_all(mut out: impl Write, taken: &Receiver<Item>, lost: &AtomicU64) {
    for item in taken {
        match item {
            Item::Flush(done) => {
                let _ = out.flush();
                let _ = done.send(());
            }
            Item::Line(line) if out.write_all(&line).is_err() => {
                lost.fetch_add(1, Ordering::Relaxed);
            }
            Item::Line(_) => {
                let missing = lost.swap(0, Ordering::Relaxed);
                if missing > 0 {
                    // By the way of all others, so that it has their form.
                    tracing::warn!(lines = missing, "log lines were lost: standard error was blocked");
                }
            }
        }
    }
}

/// One line.
pub(super) struct Line<'a> {
    queue: &'a Queue,
    bytes: Vec<u8>,
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { queue: self, bytes: Vec::new() }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let line = Item::Line(std::mem::take(&mut self.bytes));
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.queue.items.try_send(line) {
            self.queue.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Fails as often as it is told, and keeps the rest.
    #[derive(Clone)]
    struct Full(Arc<Mutex<(u32, Vec<u8>)>>);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut state = self.0.lock().unwrap();
            if state.0 > 0 {
                state.0 -= 1;
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn say(queue: &Queue, text: &str) {
        queue.make_writer().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn lines_that_a_full_disk_does_not_take_are_lost_and_the_next_ones_are_not() {
        let full = Full(Arc::new(Mutex::new((2, Vec::new()))));
        let lines = Lines::to(full.clone()).unwrap();
        for text in ["one\n", "two\n", "three\n", "four\n"] {
            say(&lines.queue(), text);
        }
        drop(lines);
        assert_eq!(full.0.lock().unwrap().1, b"three\nfour\n");
    }

    /// Takes nothing until it is let.
    struct Stopped(Receiver<()>);

    impl Write for Stopped {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Once its sender has gone, it is let for good.
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_stopped_holds_up_nobody() {
        let (go, stopped) = sync_channel(0);
        let lines = Lines::to(Stopped(stopped)).unwrap();
        let queue = lines.queue();
        for _ in 0..WAITING + 100 {
            say(&queue, "a line\n");
        }
        // One may be with the reader already.
        let lost = queue.lost.load(Ordering::Relaxed);
        assert!((99..=100).contains(&lost), "{lost}");
        drop(go);
    }
}
