//! Threads of low priority for searches, so that neither the runtime nor a one-to-one request waits for one.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// By how much they are nicer than the rest of the node: a search takes what one-to-one requests leave over.
const NICE: i32 = 19;

type Work = Box<dyn FnOnce() + Send>;

/// A fixed number of threads with one queue, first come first served. Who uses it bounds what waits.
pub(super) struct Scanner(Mutex<Sender<Work>>);

impl Scanner {
    /// Starts the threads. They end when the scanner is dropped and its queue is empty.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(threads: usize) -> std::io::Result<Self> {
        let (queue, waiting) = channel::<Work>();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..threads {
            let waiting = Arc::clone(&waiting);
            std::thread::Builder::new().name("tumar-scan".to_owned()).spawn(move || {
                // Of this thread alone. Where it is not allowed, a search is as urgent as everything else.
                let _ = rustix::process::setpriority_process(None, NICE);
                loop {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(work) = next else { return };
                    work();
                }
            })?;
        }
        Ok(Self(Mutex::new(queue)))
    }

    /// Queues some work; its result comes by the receiver, if somebody still waits.
    pub(super) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
        let (done, result) = oneshot::channel();
        let work: Work = Box::new(move || {
            if !done.is_closed() {
                drop(done.send(work()));
            }
        });
        // Without threads, the receiver finds its sender gone.
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).send(work));
        result
    }
}
