//! What galleries cost: as much as the people in them, and nothing once the last has gone.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

use tumar::gallery::Galleries;
use tumar::log::ledger::Position;
use tumar::name::{GalleryName, ModelId, Subject};
use tumar::party::Party;
use tumar::share::PointShare;
use tumar::template::Shape;

/// Galleries that a bank might make.
const GALLERIES: usize = 400;

/// People in each.
const PEOPLE: u64 = 200;

/// KiB of this process by a line of the kernel's: `VmLck` what is locked, `VmSize` all that is mapped, `RssAnon` what is in memory
/// and came from no file.
fn kib(line: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let value = status.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':'));
    value.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}

fn name(number: usize) -> GalleryName {
    format!("banks/b17/g-{number}").parse().unwrap()
}

fn person(number: u64) -> Subject {
    format!("c-{number}").parse().unwrap()
}

/// Set where this test runs by itself in a process.
const BY_ITSELF: &str = "TUMAR_TEST_BY_ITSELF";

#[test]
fn a_gallery_of_few_costs_what_they_do_and_empty_ones_cost_nothing() {
    if std::env::var_os(BY_ITSELF).is_some() {
        return measure();
    }
    // What other tests have left to the allocator of this process would be counted.
    let (_, module) = module_path!().split_once("::").unwrap();
    let name = format!("{module}::a_gallery_of_few_costs_what_they_do_and_empty_ones_cost_nothing");
    let output = Command::new(std::env::current_exe().unwrap())
        .args([&name, "--exact", "--nocapture"])
        .env(BY_ITSELF, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{:?}", output.status);
}

fn measure() {
    let model: ModelId = "fr512".parse().unwrap();
    let share = PointShare::from_unsealed_bytes(Party::A, Shape::vector(512).unwrap(), &[7; 1024]).unwrap();
    let mut galleries = Galleries::new();
    let enrol = |galleries: &mut Galleries, number: usize, place: u64| {
        let at = (Position(place), u64::MAX);
        galleries.insert(&name(number), at, &person(place), &[(&model, &share)]).unwrap();
    };
    let before = ["VmSize", "VmLck", "RssAnon"].map(kib);
    for number in 0..GALLERIES {
        enrol(&mut galleries, number, 0);
    }
    let few = ["VmSize", "VmLck", "RssAnon"].map(kib);
    println!("{GALLERIES} galleries of one: {before:?} KiB before, {few:?} with them (mapped, locked, in memory)");
    // 64 rows of a KiB, and less than half as much again for pages that are their own.
    assert!(few[0] - before[0] < GALLERIES * 96 + 8192, "{} KiB are mapped", few[0] - before[0]);
    assert!(few[1] - before[1] <= GALLERIES * 64, "{} KiB are locked", few[1] - before[1]);

    for number in 0..GALLERIES {
        for place in 1..PEOPLE {
            enrol(&mut galleries, number, place);
        }
    }
    let many = ["VmSize", "VmLck", "RssAnon"].map(kib);
    assert!(many[2] - before[2] > GALLERIES * 200, "they are there");
    for number in 0..GALLERIES {
        for place in 0..PEOPLE {
            assert!(galleries.remove(&name(number), &person(place)));
        }
    }
    assert_eq!(galleries.count(), 0);
    let after = ["VmSize", "VmLck", "RssAnon"].map(kib);
    println!("{PEOPLE} in each: {many:?} KiB, {after:?} when all have gone");
    assert_eq!(after[1], before[1], "KiB are locked for nobody");
    // What malloc keeps of the smallest blocks, for whoever comes next, and the program's own pages that were touched first.
    let kept = after[2].saturating_sub(before[2]);
    assert!(kept < GALLERIES * 72 + 8192, "{kept} KiB are kept for nobody");
}
