//! Of a run that failed, the few steps that it takes.

use std::time::{Duration, Instant};

/// How long is looked for a shorter run.
const PATIENCE: Duration = Duration::from_mins(5);

/// Leaves out of `items` whatever can be left out so that `fails` still holds: halves first, then smaller and smaller parts.
pub(crate) fn minimal<T: Clone>(items: Vec<T>, mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let deadline = Instant::now() + PATIENCE;
    let mut items = items;
    let mut part = items.len().div_ceil(2);
    while part > 0 && items.len() > 1 {
        let mut from = 0;
        let before = items.len();
        while from < items.len() {
            if Instant::now() > deadline {
                return items;
            }
            let rest = [&items[..from], &items[(from + part).min(items.len())..]].concat();
            if !rest.is_empty() && fails(&rest) {
                items = rest;
            } else {
                from += part;
            }
        }
        if part == 1 && items.len() == before {
            break;
        }
        part = (part / 2).max(1);
    }
    items
}

#[test]
fn what_is_not_needed_to_fail_is_left_out() {
    let needed = [17, 90, 91];
    let fails = |items: &[i32]| needed.iter().all(|one| items.contains(one));
    assert_eq!(minimal((0..100).collect(), fails), needed);
    assert_eq!(minimal(vec![5], |_| true), [5]);
}
