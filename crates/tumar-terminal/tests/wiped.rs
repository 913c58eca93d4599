//! No memory that is freed still holds a secret: after what succeeds, after what fails, and when a terminal is closed with all that it
//! holds.
#![allow(unsafe_code, clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use tumar_terminal::abi::*;
use tumar_terminal::layout::{Buffer, Call, Handle, Status, TUMAR_METHOD_ENROLL, TUMAR_METHOD_VERIFY};

/// Bytes of a needle. No run of so many is the same by chance.
const NEEDLE: usize = 12;
const NEEDLES: usize = 6;

/// What is looked for, once `LOOKING` is set.
static WANTED: [[AtomicU8; NEEDLE]; NEEDLES] = [const { [const { AtomicU8::new(0) }; NEEDLE] }; NEEDLES];
static LOOKING: AtomicBool = AtomicBool::new(false);
/// How often each was found in memory that was freed.
static FOUND: [AtomicUsize; NEEDLES] = [const { AtomicUsize::new(0) }; NEEDLES];

struct Watching;

// SAFETY: it is the system's allocator, which frees what it gave.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if LOOKING.load(Ordering::Relaxed) {
            for (wanted, found) in WANTED.iter().zip(&FOUND) {
                let wanted = wanted.each_ref().map(|byte| byte.load(Ordering::Relaxed));
                for start in 0..(layout.size() + 1).saturating_sub(NEEDLE) {
                    // SAFETY: within the block, which is still there.
                    let byte = |place| unsafe { block.add(start + place).read_volatile() };
                    if (0..NEEDLE).all(|place| byte(place) == wanted[place]) {
                        found.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

fn want(which: usize, bytes: &[u8]) {
    for (wanted, byte) in WANTED[which].iter().zip(&bytes[..NEEDLE]) {
        wanted.store(*byte, Ordering::Relaxed);
    }
}

fn bytes_of(call: impl Fn(*mut Buffer) -> Status, memory: &mut [u8]) -> usize {
    let mut buffer = Buffer { bytes: memory.as_mut_ptr(), room: memory.len(), length: 0 };
    assert_eq!(call(&raw mut buffer), Status::Ok);
    buffer.length
}

fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn nothing_secret_is_left_in_memory_that_is_freed() {
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/");
    let pins = std::fs::read(format!("{vectors}client/client.toml")).unwrap();
    let committees = std::fs::read(format!("{vectors}committee.json")).unwrap();
    let committees: serde_json::Value = serde_json::from_slice(&committees).unwrap();
    let answer = unhex(committees["cases"][0]["answer"].as_str().unwrap());
    // Of this face no twelve bytes are alike.
    let face: Vec<f32> = (0..128_u16).map(|place| (f32::from(place) * f32::from(place) * 0.37).sin()).collect();
    let masks: Vec<u8> = (0..128_u8).map(|place| place.wrapping_mul(167).wrapping_add(13)).collect();
    let key_text = c"6286bcb2481fccd1c3231e9fd7f9accc7008cf10d266001ab4e817d49bf7f002";
    let (mut packed, mut node_key, key_bytes) = (vec![0; 64], vec![0; 32], unhex(key_text.to_str().unwrap()));
    let components: Vec<u8>;
    let (mut terminal, none) = (ptr::null_mut(), ptr::null_mut());
    let (mut committee, mut template, mut shares, mut key, mut request) = (0, 0, 0, 0, 0);
    let mut error = tumar_terminal::layout::Error { status: Status::Ok, party: 0, reason: [0; 32], sentence: [0; 256] };
    // SAFETY: all pointers are of values that live until the end.
    unsafe {
        assert_eq!(tumar_terminal_open(pins.as_ptr(), pins.len(), &raw mut terminal, none), Status::Ok);
        assert_eq!(
            tumar_committee_check(terminal, answer.as_ptr(), answer.len(), &raw mut committee, none),
            Status::Ok
        );
        let made = &raw mut template;
        assert_eq!(tumar_face(terminal, 0, c"sface128".as_ptr(), face.as_ptr(), 128, made, none), Status::Ok);
        bytes_of(|buffer| tumar_template_pack(terminal, template, buffer, none), &mut packed);
        assert_eq!(tumar_person_key(terminal, key_text.as_ptr(), &raw mut key, none), Status::Ok);
        bytes_of(
            |buffer| tumar_person_key_of_node(terminal, key, b'A'.cast_signed() as _, buffer, none),
            &mut node_key,
        );
        assert_eq!(tumar_release(terminal, made, none), Status::Ok);

        let nibble = |byte: u8| (byte << 4).cast_signed() >> 4;
        components =
            packed.iter().flat_map(|byte| [nibble(*byte), byte.cast_signed() >> 4]).map(i8::cast_unsigned).collect();
        want(0, &packed[20..]);
        want(1, &components[40..]);
        want(2, &masks[30..]);
        want(3, &key_text.to_bytes()[8..]);
        want(4, &node_key);
        want(5, &key_bytes);
        LOOKING.store(true, Ordering::Relaxed);
        // It would be seen: here is one of each that is freed.
        for bytes in [&packed[..], &components, &masks, key_text.to_bytes(), &node_key, &key_bytes] {
            drop(std::hint::black_box(bytes.to_vec()));
        }
        assert_eq!(FOUND.each_ref().map(|found| found.swap(0, Ordering::Relaxed)), [1; NEEDLES]);

        // What succeeds.
        let (rest, mut memory) = (&raw mut error, vec![0; 8000]);
        assert_eq!(tumar_face(terminal, 0, c"sface128".as_ptr(), face.as_ptr(), 128, made, rest), Status::Ok);
        assert_eq!(tumar_split(terminal, template, masks.as_ptr(), 128, &raw mut shares, rest), Status::Ok);
        let length = bytes_of(
            |buffer| tumar_shares_plaintext(terminal, shares, b'A'.cast_signed() as _, buffer, rest),
            &mut memory,
        );
        assert_eq!(memory[..64], masks[..64]);
        assert_eq!(tumar_wipe(memory.as_mut_ptr(), length, rest), Status::Ok);
        let mut call = call(TUMAR_METHOD_ENROLL, key);
        let sealed = |call: &Call, templates: &[Handle], request: *mut Handle| {
            tumar_seal(terminal, committee, call, templates.as_ptr(), templates.len(), request, rest)
        };
        assert_eq!(sealed(&call, &[template], &raw mut request), Status::Ok);
        let length = bytes_of(|buffer| tumar_person_key_text(terminal, key, buffer, rest), &mut memory);
        assert_eq!((length, &memory[..length]), (64, key_text.to_bytes()));
        assert_eq!(tumar_wipe(memory.as_mut_ptr(), length, rest), Status::Ok);
        assert_eq!(tumar_release(terminal, &raw mut shares, rest), Status::Ok);

        // What fails: too little room, too few masks, a second sample that is none, a name that is none.
        let mut small = Buffer { bytes: memory.as_mut_ptr(), room: 63, length: 0 };
        assert_eq!(tumar_template_pack(terminal, template, &raw mut small, rest), Status::Room);
        assert_eq!(tumar_split(terminal, template, masks.as_ptr(), 127, &raw mut shares, rest), Status::Length);
        assert_eq!(sealed(&call, &[template, 99], &raw mut request), Status::Handle);
        call.purpose = c"Cash".as_ptr();
        assert_eq!(sealed(&call, &[template], &raw mut request), Status::Name);
        call.method = TUMAR_METHOD_VERIFY;
        assert_eq!(sealed(&call, &[template], &raw mut request), Status::PersonKey);

        // Template and key are still held.
        assert_eq!(tumar_terminal_close(&raw mut terminal, rest), Status::Ok);
        drop(memory);
    }
    LOOKING.store(false, Ordering::Relaxed);
    assert_eq!(FOUND.each_ref().map(|found| found.load(Ordering::Relaxed)), [0; NEEDLES]);
}

fn call(method: u32, person_key: Handle) -> Call {
    Call {
        size: size_of::<Call>(),
        method,
        max_candidates: 0,
        request_id: ptr::null(),
        gallery: c"banks/b17/customers".as_ptr(),
        subject: c"c-0042".as_ptr(),
        purpose: c"enrolment".as_ptr(),
        amount_kzt: 0,
        captured_at: 1_800_000_000,
        person_key,
        case_digest: ptr::null(),
    }
}
