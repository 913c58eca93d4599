//! Whatever bytes, lengths and numbers a program passes: an answer comes, and never a crash.
#![allow(unsafe_code)]

use std::ptr;
use std::sync::LazyLock;

use proptest::prelude::*;
use tumar_terminal::abi::*;
use tumar_terminal::layout::*;

use crate::calls::{Terminal, letter, told};
use crate::vectors::{bytes, file, good_committee, pins, terminal};

/// A terminal that holds one of each kind; what is added is released.
struct World {
    terminal: Terminal,
    handles: Vec<u64>,
    /// Documents that are right, to be damaged.
    right: [Vec<u8>; 3],
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let terminal = terminal();
    let committee = terminal.committee(&good_committee()).unwrap();
    let record = bytes(&file("fingers.json")["cases"][0]["record"]);
    let template = terminal.finger(committee, "leader-rows-3", &record, [TUMAR_ANY; 2]).unwrap();
    let shares = terminal.split(template, None).unwrap();
    let key = terminal.person_key(None).unwrap();
    let handles = vec![0, committee, template, shares, key, 1, u64::MAX];
    World { terminal, handles, right: [pins(), good_committee(), record] }
});

// SAFETY: nothing in it changes; the terminal may be used by any thread.
unsafe impl Send for World {}
// SAFETY: as above.
unsafe impl Sync for World {}

/// Bytes of any kind, or a right document of which some are changed and the end is cut off.
fn document(which: usize) -> impl Strategy<Value = Vec<u8>> {
    let damaged = (any::<[(prop::sample::Index, u8); 2]>(), any::<prop::sample::Index>(), any::<bool>());
    let damaged = damaged.prop_map(move |(changes, end, is_cut)| {
        let mut right = WORLD.right[which].clone();
        for (place, byte) in changes {
            let place = place.index(right.len());
            right[place] = byte;
        }
        if is_cut {
            right.truncate(end.index(right.len()));
        }
        right
    });
    prop_oneof![prop::collection::vec(any::<u8>(), 0..400), damaged]
}

fn handle() -> impl Strategy<Value = u64> {
    any::<prop::sample::Index>().prop_map(|index| *index.get(&WORLD.handles))
}

/// A text with a zero behind it, of a right form now and then.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let right = prop::sample::select(vec![
        "sface128",
        "fr512",
        "leader-rows-3",
        "leader-fixed-1",
        "banks/b17/customers",
        "c-0042",
    ]);
    let any = prop::collection::vec(1..=u8::MAX, 0..300);
    prop_oneof![right.prop_map(|text| text.as_bytes().to_vec()), any].prop_map(|text| [text, vec![0]].concat())
}

fn tidy(made: u64) {
    WORLD.terminal.release(made).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn documents(pins in document(0), answer in document(1)) {
        // What it says does not matter here.
        let _ = Terminal::open(&pins);
        if let Ok(made) = WORLD.terminal.committee(&answer) {
            tidy(made);
        }
    }

    #[test]
    fn captures(from in handle(), model in text(), record in document(2), position in any::<i32>(), number in -2..3, cut in 0_usize..4) {
        let (t, mut made) = (WORLD.terminal.0, 0);
        let model = model.as_ptr().cast();
        let (position, number) = (if position % 2 == 0 { TUMAR_ANY } else { position % 13 }, number);
        let asked = Record { bytes: record.as_ptr(), length: record.len(), position, number };
        // SAFETY: all pointers are of values that live here.
        if told(|error| unsafe { tumar_finger(t, from, model, &raw const asked, &raw mut made, error) }).is_ok() {
            tidy(made);
        }
        let floats: Vec<f32> = record.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
        let floats = &floats[cut.min(floats.len())..];
        // SAFETY: as above.
        if told(|error| unsafe { tumar_face(t, from, model, floats.as_ptr(), floats.len(), &raw mut made, error) }).is_ok() {
            tidy(made);
        }
    }

    #[test]
    fn faces(any in prop::collection::vec(any::<f32>(), 128)) {
        match WORLD.terminal.face(0, "sface128", &any) {
            Ok(made) => tidy(made),
            Err(told) => prop_assert_eq!(told.status, Status::Face),
        }
    }

    #[test]
    fn results(of in handle(), party in 0_u8..=255, what in 0_u32..7, sample in any::<usize>(), room in 0_usize..6000, masks in document(2)) {
        let (t, mut memory, mut made) = (WORLD.terminal.0, vec![0_u8; room], 0);
        let party = letter(char::from(if party < 128 { b'A' + party % 3 } else { party - 128 }));
        let mut buffer = Buffer { bytes: memory.as_mut_ptr(), room, length: 0 };
        let buffer = &raw mut buffer;
        let (mut rows, mut columns, mut until) = (0, 0, 0);
        // SAFETY: as above.
        unsafe {
            let _ = told(|error| tumar_committee_until(t, of, &raw mut until, error));
            let _ = told(|error| tumar_committee_key_id(t, of, party, buffer, error));
            let _ = told(|error| tumar_template_shape(t, of, &raw mut rows, &raw mut columns, error));
            let _ = told(|error| tumar_template_pack(t, of, buffer, error));
            let _ = told(|error| tumar_shares_plaintext(t, of, party, buffer, error));
            let _ = told(|error| tumar_person_key_text(t, of, buffer, error));
            let _ = told(|error| tumar_person_key_of_node(t, of, party, buffer, error));
            let _ = told(|error| tumar_request_bytes(t, of, what, buffer, error));
            let _ = told(|error| tumar_request_envelope(t, of, sample, party, buffer, error));
            if told(|error| tumar_split(t, of, masks.as_ptr(), masks.len(), &raw mut made, error)).is_ok() {
                tidy(made);
            }
            if told(|error| tumar_person_key(t, masks.first().map_or(ptr::null(), |_| c"12".as_ptr()), &raw mut made, error)).is_ok() {
                tidy(made);
            }
            let _ = told(|error| tumar_wipe(memory.as_mut_ptr(), memory.len(), error));
        }
    }

    #[test]
    fn requests(
        committee in handle(), names in prop::array::uniform4(text()), nulls in any::<[bool; 3]>(), numbers in any::<(u64, u64)>(),
        method in 0_u32..5, key in handle(), templates in prop::collection::vec(handle(), 0..40), candidates in 0_u32..40, size in 0_usize..3,
    ) {
        let of = |place: usize| if nulls.get(place) == Some(&true) { ptr::null() } else { names[place].as_ptr().cast() };
        let digest = [5_u8; 32];
        let call = Call {
            size: size_of::<Call>() - size / 2,
            method,
            max_candidates: candidates,
            request_id: of(0),
            gallery: of(3),
            subject: of(1),
            purpose: of(2),
            amount_kzt: numbers.0 % 2 * numbers.0,
            captured_at: numbers.1 % 2_000_000_000,
            person_key: key,
            case_digest: if nulls[1] { digest.as_ptr() } else { ptr::null() },
        };
        let (t, mut made) = (WORLD.terminal.0, 0);
        let (data, count) = (templates.as_ptr(), templates.len());
        // SAFETY: as above.
        if told(|error| unsafe { tumar_seal(t, committee, &raw const call, data, count, &raw mut made, error) }).is_ok() {
            tidy(made);
        }
    }
}
