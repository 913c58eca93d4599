//! What a program may do wrong: each is an error with its number, and nothing is done.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::ptr;

use tumar_terminal::abi::*;
use tumar_terminal::layout::*;

use crate::calls::{Terminal, Told, Wanted, letter, told};
use crate::vectors::{good_committee, pins, terminal};

fn status<T>(came: Result<T, Told>) -> Status {
    came.map(|_| ()).unwrap_err().status
}

fn face() -> Vec<f32> {
    (0..128_u8).map(|place| f32::from(place).sin()).collect()
}

fn verification() -> Wanted {
    Wanted {
        method: TUMAR_METHOD_VERIFY,
        gallery: c"banks/b17/customers".to_owned(),
        subject: Some(c"c-0042".to_owned()),
        purpose: c"cash_withdrawal".to_owned(),
        amount_kzt: 40_000,
        captured_at: 1_800_000_000,
        ..Wanted::default()
    }
}

/// What is wrong with a request.
type Change<'a> = &'a dyn Fn(&mut Wanted);

#[test]
fn the_abi_and_the_version_are_told() {
    assert_eq!(tumar_terminal_abi(), TUMAR_ABI);
    // SAFETY: the header says that it is a text.
    let version = unsafe { CStr::from_ptr(tumar_terminal_version()) };
    assert_eq!(version.to_str(), Ok(env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_handle_is_an_error_once_it_is_released_and_anywhere_else_than_where_it_belongs() {
    let (one, other) = (terminal(), terminal());
    let template = one.face(0, "sface128", &face()).unwrap();
    let committee = one.committee(&good_committee()).unwrap();
    assert_eq!(status(other.pack(template)), Status::Handle);
    assert_eq!(status(one.pack(committee)), Status::Kind);
    assert_eq!(status(one.until(template)), Status::Kind);
    assert_eq!(status(one.face(template, "sface128", &face())), Status::Kind);
    assert_eq!(status(one.seal(committee, &verification(), &[committee])), Status::Kind);
    assert_eq!(one.pack(committee).unwrap_err().sentence, "the handle is of a committee, and template is needed");
    for nothing in [0, 1, u64::MAX, template ^ 1 << 40, template + 1000] {
        assert_eq!(status(one.pack(nothing)), Status::Handle);
    }
    one.release(template).unwrap();
    assert_eq!(status(one.pack(template)), Status::Handle);
    assert_eq!(status(one.release(template)), Status::Handle);
    one.release(0).unwrap();
}

#[test]
fn a_closed_terminal_holds_nothing_and_a_null_one_is_closed_already() {
    let mut terminal = terminal();
    terminal.face(0, "sface128", &face()).unwrap();
    terminal.close().unwrap();
    assert!(terminal.0.is_null());
    terminal.close().unwrap();
    assert_eq!(status(terminal.face(0, "sface128", &face())), Status::Null);
}

#[test]
fn a_terminal_holds_so_many_handles_and_no_more() {
    let terminal = terminal();
    let first = terminal.person_key(None).unwrap();
    for _ in 1..TUMAR_MOST_HANDLES {
        terminal.person_key(None).unwrap();
    }
    assert_eq!(status(terminal.person_key(None)), Status::Crowded);
    terminal.release(first).unwrap();
    terminal.person_key(None).unwrap();
}

#[test]
fn pins_are_read_from_a_whole_client_toml_or_what_is_needed_of_it() {
    let all = String::from_utf8(pins()).unwrap();
    let needed = ["deployment", "relying_party", "client ", "party", "identity", "log_key", "[[node]]"];
    let least: String = all
        .lines()
        .filter(|line| needed.iter().any(|name| line.starts_with(name)))
        .fold(String::new(), |text, line| text + line + "\n");
    assert!(!least.contains("proof_key"));
    Terminal::open(least.as_bytes()).unwrap().committee(&good_committee()).unwrap();
    let bad = [
        String::new(),
        all.replace("[[node]]\nparty = \"C\"", "[[node]]\nparty = \"B\""),
        all.replace("identity", "identify"),
        all.replace("banks/b17\"", "banks\""),
        least.replacen("[[node]]", "[[node]]\ncolour = 1", 1),
    ];
    for text in bad {
        let told = Terminal::open(text.as_bytes()).map(|_| ()).unwrap_err();
        assert_eq!(told.status, Status::Pins);
        assert!(told.sentence.starts_with("pins: "), "{told:?}");
    }
    assert_eq!(status(Terminal::open(&[0xff, 0xfe])), Status::Pins);
    assert_eq!(status(Terminal::open(&vec![b'#'; TUMAR_MOST_DOCUMENT + 1])), Status::Length);
}

#[test]
fn a_call_that_does_not_fit_its_method_is_refused() {
    let terminal = terminal();
    let committee = terminal.committee(&good_committee()).unwrap();
    let template = terminal.face(committee, "sface128", &face()).unwrap();
    let key = terminal.person_key(None).unwrap();
    let seal = |change: &dyn Fn(&mut Wanted), templates: &[u64]| {
        let mut wanted = verification();
        change(&mut wanted);
        terminal.seal(committee, &wanted, templates)
    };
    seal(&|_| {}, &[template]).unwrap();
    let cases: [(Change<'_>, Status, &str); 13] = [
        (&|w| w.method = 0, Status::Argument, "method"),
        (&|w| w.method = 4, Status::Argument, "method"),
        (&|w| w.subject = None, Status::Argument, "subject"),
        (&|w| w.case_digest = Some([1; 32]), Status::Argument, "case_digest"),
        (&|w| w.max_candidates = 1, Status::Argument, "max_candidates"),
        (&|w| w.person_key = key, Status::PersonKey, ""),
        (&|w| w.method = TUMAR_METHOD_ENROLL, Status::Argument, "amount_kzt"),
        (&|w| (w.method, w.amount_kzt) = (TUMAR_METHOD_ENROLL, 0), Status::PersonKey, ""),
        (&|w| w.gallery = c"b17".to_owned(), Status::Name, "gallery"),
        (&|w| w.subject = Some(c"a b".to_owned()), Status::Name, "subject"),
        (&|w| w.purpose = CString::default(), Status::Name, "purpose"),
        (&|w| w.request_id = Some(c"7D444840-9DC0-4D2B-B5F5-1C3B8E0A5A11".to_owned()), Status::Name, "request_id"),
        (&|w| w.captured_at = 1_800_086_400, Status::CommitteeExpired, ""),
    ];
    for (change, status, reason) in cases {
        let told = seal(change, &[template]).unwrap_err();
        assert_eq!((told.status, told.reason.as_str()), (status, reason), "{told:?}");
    }
    seal(&|w| w.captured_at = 1_800_086_399, &[template]).unwrap();
    for templates in [&[][..], &[template; 3], &[template; 33]] {
        assert!(matches!(status(seal(&|_| {}, templates)), Status::Samples | Status::Argument));
    }
    let search = |candidates| {
        let change = move |w: &mut Wanted| {
            (w.method, w.amount_kzt, w.subject) = (TUMAR_METHOD_SEARCH, 0, None);
            (w.case_digest, w.max_candidates) = (Some([1; 32]), candidates);
        };
        seal(&change, &[template])
    };
    search(32).unwrap();
    assert_eq!(status(search(33)), Status::Argument);
}

#[test]
fn what_no_model_takes_is_refused() {
    let terminal = terminal();
    let record = [b"FMR\0 20\0".as_slice(), &[0; 40]].concat();
    assert_eq!(status(terminal.face(0, "sface", &face())), Status::Model);
    assert_eq!(status(terminal.face(0, "leader-fixed-1", &face())), Status::Model);
    assert_eq!(status(terminal.face(0, "SFACE 128", &face())), Status::Name);
    assert_eq!(status(terminal.finger(0, "sface128", &record, [TUMAR_ANY; 2])), Status::Model);
    for wanted in [[11, TUMAR_ANY], [-2, TUMAR_ANY], [256, TUMAR_ANY], [TUMAR_ANY, 256], [TUMAR_ANY, i32::MIN]] {
        assert_eq!(status(terminal.finger(0, "leader-rows-3", &record, wanted)), Status::Argument);
    }
    assert_eq!(status(terminal.finger(0, "leader-rows-3", &record, [TUMAR_ANY; 2])), Status::Record);
    assert_eq!(status(terminal.face(0, "sface128", &[])), Status::Face);
    let template = terminal.face(0, "sface128", &face()).unwrap();
    for count in [1, 127, 129, 256] {
        assert_eq!(status(terminal.split(template, Some(&vec![7; count]))), Status::Length);
    }
    for party in ['D', 'a', '\0', '1'] {
        assert_eq!(status(terminal.plaintext(terminal.split(template, None).unwrap(), party)), Status::Argument);
    }
    for text in ["", "0", &"A".repeat(64), &"g".repeat(64), &"0".repeat(65)] {
        assert_eq!(status(terminal.person_key(Some(text))), Status::PersonKey);
    }
    assert_eq!(status(terminal.person_key(Some(&"0".repeat(256)))), Status::Text);
    for bytes in [b"".as_slice(), b"\xff", &[0x0a, 0xff, 0xff]] {
        assert!(matches!(status(terminal.committee(bytes)), Status::CommitteeForm | Status::CommitteeNotTrusted));
    }
}

#[test]
fn null_pointers_are_errors_wherever_something_must_be() {
    let terminal = terminal();
    let (t, null) = (terminal.0, ptr::null_mut());
    let template = terminal.face(0, "sface128", &face()).unwrap();
    let (mut handle, mut number, mut opened, face) = (0, 0, ptr::null_mut(), face());
    let mut buffer = Buffer { bytes: ptr::null_mut(), room: 0, length: 0 };
    let mut no_bytes = Buffer { bytes: ptr::null_mut(), room: 5, length: 0 };
    let no_bytes = &raw mut no_bytes;
    let no_record = Record { bytes: ptr::null(), length: 50, position: TUMAR_ANY, number: TUMAR_ANY };
    let no_record = &raw const no_record;
    let (made, model, data) = (&raw mut handle, c"sface128".as_ptr(), face.as_ptr());
    let a = letter('A');
    // SAFETY: every pointer is null or of a value that lives here.
    let all = unsafe {
        [
            tumar_terminal_open(ptr::null(), 5, &raw mut opened, null),
            tumar_terminal_open(data.cast(), 5, ptr::null_mut(), null),
            tumar_terminal_close(ptr::null_mut(), null),
            tumar_release(ptr::null(), made, null),
            tumar_release(t, ptr::null_mut(), null),
            tumar_wipe(ptr::null_mut(), 1, null),
            tumar_committee_check(t, ptr::null(), 1, made, null),
            tumar_committee_check(t, data.cast(), 1, ptr::null_mut(), null),
            tumar_committee_until(t, template, ptr::null_mut(), null),
            tumar_committee_key_id(t, template, a, ptr::null_mut(), null),
            tumar_face(ptr::null(), 0, model, data, 128, made, null),
            tumar_face(t, 0, ptr::null(), data, 128, made, null),
            tumar_face(t, 0, model, ptr::null(), 128, made, null),
            tumar_face(t, 0, model, data, 128, ptr::null_mut(), null),
            tumar_finger(t, 0, c"leader-rows-3".as_ptr(), ptr::null(), made, null),
            tumar_finger(t, 0, c"leader-rows-3".as_ptr(), no_record, made, null),
            tumar_template_shape(t, template, ptr::null_mut(), &raw mut number, null),
            tumar_template_shape(t, template, &raw mut number, ptr::null_mut(), null),
            tumar_template_pack(t, template, ptr::null_mut(), null),
            tumar_template_pack(t, template, no_bytes, null),
            tumar_split(t, template, ptr::null(), 128, made, null),
            tumar_split(t, template, ptr::null(), 0, ptr::null_mut(), null),
            tumar_shares_plaintext(t, template, a, ptr::null_mut(), null),
            tumar_person_key(t, ptr::null(), ptr::null_mut(), null),
            tumar_person_key_text(t, template, ptr::null_mut(), null),
            tumar_person_key_of_node(t, template, a, ptr::null_mut(), null),
            tumar_seal(t, template, ptr::null(), made, 0, made.wrapping_add(0), null),
            tumar_request_bytes(t, template, 1, ptr::null_mut(), null),
            tumar_request_envelope(ptr::null(), template, 0, a, &raw mut buffer, null),
        ]
    };
    for (place, status) in all.into_iter().enumerate() {
        assert_eq!(status, Status::Null, "call {place}");
    }
}

#[test]
fn memory_that_does_not_fit_is_an_error() {
    let terminal = terminal();
    let (t, model) = (terminal.0, c"sface128".as_ptr());
    let mut memory = vec![0_u64; 400];
    let (whole, mut handle) = (memory.as_mut_ptr(), 0_u64);
    let made = &raw mut handle;
    let buffer = whole.cast::<Buffer>();
    let check = |wanted: Status, call: &dyn Fn(*mut Error) -> Status| {
        assert_eq!(told(call).unwrap_err().status, wanted);
        assert_eq!(call(ptr::null_mut()), wanted);
    };
    // SAFETY: every pointer is into `memory`, with room behind it for what is said; what is too long or not aligned must not be followed.
    unsafe {
        check(Status::Overlap, &|error| tumar_face(t, 0, model, whole.cast(), 128, whole.add(3), error));
        check(Status::Alignment, &|error| tumar_face(t, 0, model, whole.cast::<u8>().add(1).cast(), 128, made, error));
        check(Status::Alignment, &|error| {
            tumar_face(t, 0, model, whole.cast(), 128, whole.cast::<u8>().add(1100).cast(), error)
        });
        check(Status::Length, &|error| tumar_face(t, 0, model, whole.cast(), usize::MAX, made, error));
        check(Status::Length, &|error| tumar_face(t, 0, model, whole.cast(), usize::MAX / 4, made, error));
        check(Status::Length, &|error| tumar_committee_check(t, whole.cast(), usize::MAX, made, error));
        check(Status::Length, &|error| tumar_committee_check(t, whole.cast(), TUMAR_MOST_DOCUMENT + 1, made, error));
        check(Status::Overlap, &|error| tumar_template_shape(t, 0, whole.cast(), whole.cast(), error));
        check(Status::Overlap, &|error| tumar_release(t, t.cast(), error));
        check(Status::Overlap, &|error| {
            buffer.write(Buffer { bytes: whole.cast(), room: 100, length: 0 });
            tumar_template_pack(t, 0, buffer, error)
        });
        check(Status::Length, &|error| {
            buffer.write(Buffer { bytes: whole.add(10).cast(), room: usize::MAX, length: 0 });
            tumar_template_pack(t, 0, buffer, error)
        });
        // An error that is written over something else is not written.
        let error = whole.cast::<Error>();
        memory.fill(0x0101_0101_0101_0101);
        assert_eq!(tumar_committee_check(t, memory.as_ptr().cast(), 16, made, error), Status::Overlap);
        assert!(memory.iter().all(|word| *word == 0x0101_0101_0101_0101));
        let misaligned = memory.as_mut_ptr().cast::<u8>().add(1).cast();
        assert_eq!(tumar_committee_check(t, ptr::null(), 0, made, misaligned), Status::Alignment);
        let long = [b'a'; TUMAR_MOST_TEXT + 1];
        check(Status::Text, &|error| tumar_person_key(t, long.as_ptr().cast(), made, error));
        check(Status::Text, &|error| tumar_person_key(t, c"\xff".as_ptr(), made, error));
        check(Status::Closed, &|error| tumar_person_key(ptr::from_ref(&[0_u64; 50]).cast(), ptr::null(), made, error));
    }
}

#[test]
fn memory_is_wiped() {
    let mut secret = *b"sixteen letters.";
    // SAFETY: the array lives here.
    told(|error| unsafe { tumar_wipe(secret[4..].as_mut_ptr(), 8, error) }).unwrap();
    assert_eq!(&secret, b"sixt\0\0\0\0\0\0\0\0ers.");
}

#[test]
fn threads_share_a_terminal() {
    let terminal = terminal();
    let committee = terminal.committee(&good_committee()).unwrap();
    std::thread::scope(|scope| {
        let work = |_| {
            scope.spawn(|| {
                for _ in 0..5 {
                    let template = terminal.face(committee, "sface128", &face()).unwrap();
                    let request = terminal.seal(committee, &verification(), &[template]).unwrap();
                    assert!(terminal.request(request, TUMAR_REQUEST_MESSAGE).unwrap().len() > 3 * 1144);
                    terminal.release(template).unwrap();
                    terminal.release(request).unwrap();
                }
            })
        };
        (0..4).map(work).collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
    });
}
