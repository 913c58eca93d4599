use super::*;
use crate::party::Party;
use crate::template::ROW;

const EXPIRES: u64 = 6000;

fn subject(number: usize) -> Subject {
    format!("c-{number}").parse().unwrap()
}

fn at(number: usize) -> Position {
    Position(number as u64)
}

/// A share of which each word tells whose it is.
fn share(number: usize, rows: usize, columns: usize) -> PointShare {
    let words = (0..rows * columns).map(|k| u16::try_from((number * 64 + k) & 0xffff).unwrap());
    let bytes: Vec<u8> = words.flat_map(u16::to_le_bytes).collect();
    PointShare::from_unsealed_bytes(Party::A, Shape::new(rows, columns).unwrap(), &bytes).unwrap()
}

fn vector(number: usize) -> PointShare {
    share(number, 1, 64)
}

fn insert(gallery: &mut Gallery, number: usize, share: &PointShare) {
    gallery.insert(at(number), EXPIRES, &[share]).unwrap();
}

/// The one reference that stands at a position.
fn only(gallery: &Gallery, number: usize) -> Option<Vec<u16>> {
    match gallery.references(at(number)).as_slice() {
        [] => None,
        [reference] => Some(reference.words.to_vec()),
        more => panic!("{more:?}"),
    }
}

fn of(share: &PointShare) -> Vec<u16> {
    share.words().to_vec()
}

fn all_rows(gallery: &Gallery) -> Vec<Vec<u16>> {
    gallery
        .blocks(0..usize::MAX)
        .flat_map(|block| block.outer_iter().map(|row| row.to_vec()).collect::<Vec<_>>())
        .collect()
}

fn positions(gallery: &Gallery, roll: &GallerySnapshot) -> Vec<u64> {
    roll.rows(0).iter().map(|row| gallery.position(*row).unwrap().0).collect()
}

#[test]
fn every_row_is_found_again_across_blocks() {
    let mut gallery = Gallery::new(64);
    for number in 0..ROWS + 3 {
        insert(&mut gallery, number, &vector(number));
    }
    for number in [0, 1, ROWS - 1, ROWS, ROWS + 2] {
        assert_eq!(only(&gallery, number), Some(of(&vector(number))));
    }
    let shapes: Vec<_> = gallery.blocks(0..usize::MAX).map(|block| block.dim()).collect();
    assert_eq!(shapes, [(ROWS, 64), (3, 64)]);
    let within: Vec<_> = gallery.blocks(ROWS - 2..ROWS + 1).map(|block| block.dim()).collect();
    assert_eq!(within, [(2, 64), (1, 64)]);
    assert_eq!(gallery.blocks(ROWS - 1..ROWS).next().unwrap().row(0).to_vec(), vector(ROWS - 1).words());
    assert_eq!(gallery.blocks(0..0).count(), 0);
}

#[test]
fn a_set_that_begins_in_one_block_and_ends_in_the_next_is_found_and_wiped_whole() {
    let mut gallery = Gallery::new(ROW);
    // 102 sets of 40 rows leave 16 rows of the first block: the next one goes over its end.
    for number in 0..104 {
        insert(&mut gallery, number, &share(number, 40, ROW));
    }
    for number in [0, 101, 102, 103] {
        assert_eq!(only(&gallery, number), Some(of(&share(number, 40, ROW))), "{number}");
    }
    assert!(gallery.remove(at(102)));
    let rows = all_rows(&gallery);
    assert_eq!(rows.len(), 104 * 40);
    for (row, words) in rows.iter().enumerate() {
        assert_eq!(words.iter().all(|word| *word == 0), row / 40 == 102, "row {row}");
    }
    assert_eq!((only(&gallery, 102), only(&gallery, 103)), (None, Some(of(&share(103, 40, ROW)))));
}

#[test]
fn who_was_given_an_earlier_position_and_comes_later_stands_in_the_order_of_positions() {
    let mut gallery = Gallery::new(64);
    let mut later = Vec::new();
    for number in 0..2 * ROWS {
        // Every 500th comes after the next six.
        if number % 500 == 0 {
            later.push(number);
        } else {
            insert(&mut gallery, number, &vector(number));
        }
        if number % 500 == 6 {
            later.drain(..).for_each(|number| insert(&mut gallery, number, &vector(number)));
        }
    }
    let mut sets = Gallery::new(ROW);
    for number in [3, 1, 2] {
        insert(&mut sets, number, &share(number, 4 + number, ROW));
    }
    for number in 0..2 * ROWS {
        assert_eq!(only(&gallery, number), Some(of(&vector(number))), "{number}");
    }
    let expected: Vec<Vec<u16>> = (0..2 * ROWS).map(|number| vector(number).words().to_vec()).collect();
    assert_eq!(all_rows(&gallery), expected);
    for number in 1..4 {
        assert_eq!(only(&sets, number), Some(of(&share(number, 4 + number, ROW))));
    }
}

#[test]
fn a_subject_has_several_references_of_several_models_that_come_and_go_together() {
    let name: GalleryName = "banks/b17/customers".parse().unwrap();
    let (face, finger): (ModelId, ModelId) = ("fr64".parse().unwrap(), "rows".parse().unwrap());
    let (one, two, three) = (share(1, 4, ROW), vector(2), share(3, 40, ROW));
    let mut galleries = Galleries::new();
    let all = [(&finger, &one), (&face, &two), (&finger, &three)];
    galleries.insert(&name, (at(7), EXPIRES), &subject(0), &all).unwrap();
    let fingers = galleries.of(&name, &finger).unwrap();
    for (copied, share) in fingers.references(at(7)).iter().zip([&one, &three]) {
        assert_eq!((copied.shape, copied.words.as_slice()), (share.shape(), share.words()));
    }
    assert!(fingers.shapes(at(7)).eq([one.shape(), three.shape()]));
    assert_eq!(only(galleries.of(&name, &face).unwrap(), 7), Some(of(&two)));

    let again = galleries.insert(&name, (at(8), EXPIRES), &subject(0), &all[..1]);
    assert_eq!(again, Err(GalleryError::SubjectExists));
    let misfit = galleries.insert(&name, (at(8), EXPIRES), &subject(1), &[(&face, &two), (&finger, &two)]);
    assert_eq!(misfit, Err(GalleryError::Dimension { expected: ROW, found: 64 }));
    let taken = galleries.insert(&name, (at(7), EXPIRES), &subject(1), &all);
    assert_eq!(taken, Err(GalleryError::PositionTaken));
    assert_eq!(galleries.position(&name, &subject(1)), None, "neither of the two");
    assert!(galleries.remove(&name, &subject(0)) && !galleries.remove(&name, &subject(0)));
    assert!([&face, &finger].iter().all(|model| galleries.of(&name, model).is_none()), "what is empty goes");
    assert_eq!(galleries.count(), 0);
    galleries.insert(&name, (at(9), EXPIRES), &subject(0), &all).unwrap();
    assert_eq!(galleries.position(&name, &subject(0)), Some(at(9)));
}

/// Rows that there is room for.
fn room(gallery: &Gallery) -> usize {
    gallery.blocks.iter().map(|block| block.rows).sum()
}

#[test]
fn a_gallery_grows_with_its_people_and_gives_all_back_with_the_last() {
    let mut gallery = Gallery::new(64);
    let mut before = Vec::new();
    for number in 0..=2 * ROWS {
        insert(&mut gallery, number, &vector(number));
        if before.last() != Some(&room(&gallery)) {
            before.push(room(&gallery));
        }
    }
    assert_eq!(before, [64, 128, 256, 512, 1024, 2048, ROWS, 2 * ROWS, 3 * ROWS]);
    for number in [0, 63, 64, ROWS - 1, ROWS, 2 * ROWS] {
        assert_eq!(only(&gallery, number), Some(of(&vector(number))), "{number}");
    }
    let roll = GallerySnapshot::call(&[&gallery], 0);
    let blocks: Vec<_> = gallery.blocks.iter().map(Arc::downgrade).collect();
    for number in 0..=2 * ROWS {
        assert!(!gallery.is_empty() && gallery.remove(at(number)));
    }
    assert_eq!((gallery.is_empty(), room(&gallery), gallery.slots.capacity()), (true, 0, 0));
    assert_eq!(only(roll.held(0).unwrap(), 2 * ROWS), Some(of(&vector(2 * ROWS))), "a search has what it began with");
    drop(roll);
    assert!(blocks.iter().all(|block| block.strong_count() == 0));
    // And all begins anew, with a late position too.
    insert(&mut gallery, 5, &vector(5));
    assert_eq!((room(&gallery), only(&gallery, 5)), (64, Some(of(&vector(5)))));
}

#[test]
fn blocks_share_no_page() {
    let page = region::page::size();
    let blocks: Vec<_> = (0..64).map(|columns| Block::new(FIRST_ROWS, 64 + columns)).collect();
    let mut pages = std::collections::HashSet::new();
    for block in &blocks {
        let view = block.view();
        let first = view.as_ptr() as usize;
        assert_eq!((first % page, view.dim()), (0, (FIRST_ROWS, block.columns)));
        let end = first + view.len() * size_of::<u16>();
        assert!((first..end).step_by(page).all(|at| pages.insert(at / page)), "a page of two blocks");
        let of_block = block.words.as_ptr_range();
        assert!(end.next_multiple_of(page) <= of_block.end as usize, "its last page is its own to the end");
    }
}

#[test]
fn a_removed_row_is_zeros_and_its_neighbours_are_not() {
    let mut gallery = Gallery::new(64);
    for number in 1..4 {
        insert(&mut gallery, number, &vector(number));
    }
    assert!(gallery.remove(at(2)) && !gallery.remove(at(2)));
    assert_eq!(only(&gallery, 2), None);
    assert_eq!(all_rows(&gallery), [vector(1).words().to_vec(), vec![0; 64], vector(3).words().to_vec()]);
    insert(&mut gallery, 9, &vector(9));
    assert_eq!(only(&gallery, 9), Some(of(&vector(9))));
}

#[test]
fn a_share_that_does_not_fit_changes_nothing() {
    let mut gallery = Gallery::new(64);
    insert(&mut gallery, 0, &vector(0));
    assert_eq!(gallery.insert(at(0), EXPIRES, &[&vector(1)]), Err(GalleryError::PositionTaken));
    let other = gallery.insert(at(1), EXPIRES, &[&vector(1), &share(1, 1, 66)]);
    assert_eq!(other, Err(GalleryError::Dimension { expected: 64, found: 66 }));
    assert_eq!(only(&gallery, 0), Some(of(&vector(0))));
    assert_eq!(all_rows(&gallery).len(), 1);
}

#[test]
fn a_roll_names_the_live_and_its_digest_tells_one_more_or_one_less() {
    let name: GalleryName = "banks/b17/customers".parse().unwrap();
    let face: ModelId = "fr64".parse().unwrap();
    let filled = |numbers: &[usize]| {
        let mut galleries = Galleries::new();
        for &number in numbers {
            // Who has the number 2 expires a minute earlier.
            let expires = if number == 2 { EXPIRES - 60 } else { EXPIRES };
            let shares = [(&face, &vector(number))];
            galleries.insert(&name, (at(number), expires), &subject(number), &shares).unwrap();
        }
        galleries
    };
    let mut galleries = filled(&[0, 1, 2, 3, 5]);
    let roll = |galleries: &Galleries, now| galleries.roll(&name, &[&face], now);
    assert_eq!(positions(galleries.of(&name, &face).unwrap(), &roll(&galleries, EXPIRES - 61)), [0, 1, 2, 3, 5]);
    assert_eq!(positions(galleries.of(&name, &face).unwrap(), &roll(&galleries, EXPIRES - 60)), [0, 1, 3, 5]);
    assert_eq!(positions(galleries.of(&name, &face).unwrap(), &roll(&galleries, EXPIRES)), [0_u64; 0]);
    let before = roll(&galleries, 0);
    assert!(galleries.remove(&name, &subject(1)));
    let after = roll(&galleries, 0);
    assert_eq!(positions(galleries.of(&name, &face).unwrap(), &after), [0, 2, 3, 5]);
    assert_eq!(after.rows(0)[1], 2, "the empty row stays");
    assert_eq!((&after.spans(1..3)[0], &after.spans(0..4)[0]), (&(2..4), &(0..5)));
    // A node that was started again has no empty row, and the same digest.
    assert_eq!(roll(&filled(&[0, 2, 3, 5]), 0).digest(), after.digest());
    assert_ne!(before.digest(), after.digest());
    assert_ne!(roll(&filled(&[0, 2, 3, 6]), 0).digest(), after.digest());
    assert_ne!(roll(&filled(&[0, 2, 3]), 0).digest(), after.digest());
    assert_eq!(galleries.roll(&"banks/b18/customers".parse().unwrap(), &[&face], 0).lanes(), 0);
    let large: Vec<usize> = (0..1500).collect();
    assert_ne!(roll(&filled(&large[..1499]), 0).digest(), roll(&filled(&large), 0).digest());
}

#[test]
fn a_roll_of_two_models_pairs_all_vectors_of_those_who_have_both() {
    let name: GalleryName = "banks/b17/customers".parse().unwrap();
    let [face, finger, rows]: [ModelId; 3] = ["fr64", "fixed", "rows"].map(|name| name.parse().unwrap());
    let (one, two, set) = (vector(1), share(2, 1, ROW), share(3, 4, ROW));
    let mut galleries = Galleries::new();
    let mut enrol = |number: usize, shares: &[(&ModelId, &PointShare)]| {
        galleries.insert(&name, (at(number), EXPIRES), &subject(number), shares).unwrap();
    };
    enrol(0, &[(&face, &one)]);
    enrol(1, &[(&face, &one), (&finger, &two), (&face, &one), (&rows, &set), (&finger, &two), (&finger, &two)]);
    enrol(2, &[(&finger, &two)]);
    enrol(4, &[(&finger, &two), (&face, &one)]);
    let roll = galleries.roll(&name, &[&face, &finger], 0);
    // The six of the second person, and the one of the last.
    assert_eq!((roll.rows(0), roll.rows(1)), (&[1, 1, 1, 2, 2, 2, 3][..], &[0, 1, 2, 0, 1, 2, 4][..]));
    let whose: Vec<_> = roll.rows(0).iter().map(|row| galleries.of(&name, &face).unwrap().position(*row)).collect();
    assert_eq!(whose, [1, 1, 1, 1, 1, 1, 4].map(|position| Some(at(position))));
    assert_eq!(roll.spans(4..7), [2..4, 1..5]);
    // A set of rows is compared one to one only.
    assert_eq!(galleries.roll(&name, &[&rows], 0).lanes(), 0);
}

#[test]
fn a_dropped_gallery_may_have_been_used_on_any_thread() {
    let mut gallery = Gallery::new(64);
    insert(&mut gallery, 0, &vector(3));
    let shared = std::sync::Arc::new(gallery);
    let there = std::sync::Arc::clone(&shared);
    let read = std::thread::spawn(move || only(&there, 0));
    assert_eq!(read.join().unwrap(), Some(of(&vector(3))));
}

#[test]
fn a_gallery_prints_its_shape_only() {
    let mut gallery = Gallery::new(64);
    insert(&mut gallery, 0, &vector(0x5aa5));
    assert_eq!(format!("{gallery:?}"), "Gallery([1 of 64, 64])");
    assert_eq!(format!("{:?}", gallery.references(at(0))), "[Copied(1x64)]");
    assert_eq!(format!("{:?}", GallerySnapshot::call(&[&gallery], 0)), "GallerySnapshot([1])");
}

#[test]
fn a_roll_keeps_what_it_was_called_of_and_what_was_removed_meanwhile_goes_with_it() {
    let (name, face): (GalleryName, ModelId) = ("banks/b17/customers".parse().unwrap(), "fr512".parse().unwrap());
    let mut galleries = Galleries::new();
    let insert = |galleries: &mut Galleries, number: usize| {
        galleries.insert(&name, (at(number), EXPIRES), &subject(number), &[(&face, &vector(number))]).unwrap();
    };
    for number in (0..ROWS + 2).filter(|number| *number != 5) {
        insert(&mut galleries, number);
    }
    let roll = galleries.roll(&name, &[&face], 0);
    let blocks = |gallery: &Gallery| gallery.blocks.iter().map(Arc::downgrade).collect::<Vec<_>>();
    let before = blocks(roll.held(0).unwrap());
    let lanes: Vec<_> = all_rows(roll.held(0).unwrap());

    // One goes, one comes at the end, and one comes late and moves all behind it.
    assert!(galleries.remove(&name, &subject(3)));
    insert(&mut galleries, ROWS + 2);
    insert(&mut galleries, 5);
    let now = galleries.of(&name, &face).unwrap();
    assert_eq!((only(now, 3), only(now, 5)), (None, Some(of(&vector(5)))));
    assert!(all_rows(now)[3].iter().all(|word| *word == 0));
    assert_eq!(all_rows(roll.held(0).unwrap()), lanes, "the roll has what it was called of");
    let expected: Vec<u64> = (0..ROWS as u64 + 2).filter(|number| *number != 5).collect();
    assert_eq!(positions(roll.held(0).unwrap(), &roll), expected, "and knows whose it is");

    // Nobody else has the old blocks: with the roll they are dropped, and a dropped block is wiped.
    assert!(before.iter().all(|block| block.strong_count() == 1));
    drop(roll);
    assert!(before.iter().all(|block| block.strong_count() == 0));
    // Without a roll, nothing is copied.
    let places =
        |galleries: &Galleries| galleries.of(&name, &face).unwrap().blocks.iter().map(Arc::as_ptr).collect::<Vec<_>>();
    let before = places(&galleries);
    assert!(galleries.remove(&name, &subject(7)));
    assert_eq!(places(&galleries), before);
}
