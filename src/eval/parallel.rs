//! Work on all processors, with the same outcome as on one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does steps `0..count`, each once, on as many threads as there are processors; returns what each thread made of its state.
///
/// # Panics
/// When a step does.
pub fn fold<S: Send>(count: usize, state: impl Fn() -> S + Sync, step: impl Fn(&mut S, usize) + Sync) -> Vec<S> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut own = state();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= count {
                return own;
            }
            step(&mut own, place);
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a step that panics is a bug")).collect()
    })
}

/// What `of` gives for each of `0..count`, in order.
///
/// # Panics
/// When `of` does.
pub fn map<T: Send>(count: usize, of: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let parts = fold(count, Vec::new, |found, place| found.push((place, of(place))));
    let mut all: Vec<(usize, T)> = parts.into_iter().flatten().collect();
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn everything_is_done_once_and_comes_back_in_order() {
        assert_eq!(super::map(1000, |place| 3 * place), (0..1000).map(|place| 3 * place).collect::<Vec<_>>());
        let sums = super::fold(1000, || 0, |sum, place| *sum += place);
        assert_eq!(sums.iter().sum::<usize>(), 499_500);
    }
}
