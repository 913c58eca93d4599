//! The functions, with their pointers taken from what lives as long as the call.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char};
use std::ptr;

use tumar_terminal::abi::*;
use tumar_terminal::layout::{Buffer, Call, Error, Handle, Record, Status};

/// What a function told of an error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) status: Status,
    pub(crate) party: Option<char>,
    pub(crate) reason: String,
    pub(crate) sentence: String,
}

fn text(characters: &[c_char]) -> String {
    let bytes = characters.iter().map(|character| character.to_ne_bytes()[0]);
    String::from_utf8(bytes.take_while(|byte| *byte != 0).collect()).unwrap()
}

/// Calls with room for an error; whatever it says fits what is returned.
pub(crate) fn told(call: impl FnOnce(*mut Error) -> Status) -> Result<(), Told> {
    let mut error = Error { status: Status::Internal, party: 1, reason: [1; 32], sentence: [1; 256] };
    let status = call(&raw mut error);
    if status == Status::Overlap {
        return Err(Told { status, party: None, reason: String::new(), sentence: String::new() });
    }
    assert_eq!(status, error.status);
    let party = Some(char::from(error.party.to_ne_bytes()[0])).filter(|party| *party != '\0');
    let told = Told { status, party, reason: text(&error.reason), sentence: text(&error.sentence) };
    assert_eq!(status == Status::Ok, told.sentence.is_empty(), "{told:?}");
    if status == Status::Ok { Ok(()) } else { Err(told) }
}

/// A request, with texts that live.
#[derive(Default)]
pub(crate) struct Wanted {
    pub(crate) method: u32,
    pub(crate) request_id: Option<CString>,
    pub(crate) gallery: CString,
    pub(crate) subject: Option<CString>,
    pub(crate) purpose: CString,
    pub(crate) amount_kzt: u64,
    pub(crate) captured_at: u64,
    pub(crate) person_key: Handle,
    pub(crate) case_digest: Option<[u8; 32]>,
    pub(crate) max_candidates: u32,
}

pub(crate) struct Terminal(pub(crate) *mut tumar_terminal::Terminal);

// SAFETY: the header says that any number of threads may use a terminal.
unsafe impl Sync for Terminal {}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.close().unwrap();
    }
}

impl Terminal {
    pub(crate) fn open(pins: &[u8]) -> Result<Self, Told> {
        let mut terminal = Self(ptr::null_mut());
        // SAFETY: all pointers are of values that live during the call; so in every function below.
        told(|error| unsafe { tumar_terminal_open(pins.as_ptr(), pins.len(), &raw mut terminal.0, error) })?;
        Ok(terminal)
    }

    pub(crate) fn close(&mut self) -> Result<(), Told> {
        // SAFETY: as above.
        told(|error| unsafe { tumar_terminal_close(&raw mut self.0, error) })
    }

    pub(crate) fn release(&self, mut handle: Handle) -> Result<(), Told> {
        // SAFETY: as above.
        told(|error| unsafe { tumar_release(self.0, &raw mut handle, error) })?;
        assert_eq!(handle, 0);
        Ok(())
    }

    fn made(call: impl FnOnce(*mut Handle, *mut Error) -> Status) -> Result<Handle, Told> {
        let mut handle = 77;
        let came = told(|error| call(&raw mut handle, error));
        assert_eq!(came.is_err(), handle == 0);
        came.map(|()| handle)
    }

    pub(crate) fn committee(&self, answer: &[u8]) -> Result<Handle, Told> {
        // SAFETY: as above.
        Self::made(|made, error| unsafe { tumar_committee_check(self.0, answer.as_ptr(), answer.len(), made, error) })
    }

    pub(crate) fn until(&self, committee: Handle) -> Result<u64, Told> {
        let mut until = 0;
        // SAFETY: as above.
        told(|error| unsafe { tumar_committee_until(self.0, committee, &raw mut until, error) })?;
        Ok(until)
    }

    pub(crate) fn face(&self, committee: Handle, model: &str, embedding: &[f32]) -> Result<Handle, Told> {
        let model = CString::new(model).unwrap();
        let (data, count) = (embedding.as_ptr(), embedding.len());
        // SAFETY: as above.
        Self::made(|made, error| unsafe { tumar_face(self.0, committee, model.as_ptr(), data, count, made, error) })
    }

    pub(crate) fn finger(
        &self,
        committee: Handle,
        model: &str,
        record: &[u8],
        [position, number]: [i32; 2],
    ) -> Result<Handle, Told> {
        let model = CString::new(model).unwrap();
        let record = Record { bytes: record.as_ptr(), length: record.len(), position, number };
        // SAFETY: as above.
        Self::made(|made, error| unsafe {
            tumar_finger(self.0, committee, model.as_ptr(), &raw const record, made, error)
        })
    }

    pub(crate) fn shape(&self, template: Handle) -> Result<[u32; 2], Told> {
        let mut shape = [0; 2];
        let [rows, columns] = &mut shape;
        // SAFETY: as above.
        told(|error| unsafe { tumar_template_shape(self.0, template, rows, columns, error) })?;
        Ok(shape)
    }

    pub(crate) fn split(&self, template: Handle, masks: Option<&[u8]>) -> Result<Handle, Told> {
        let (data, count) = masks.map_or((ptr::null(), 0), |masks| (masks.as_ptr(), masks.len()));
        // SAFETY: as above.
        Self::made(|made, error| unsafe { tumar_split(self.0, template, data, count, made, error) })
    }

    pub(crate) fn person_key(&self, text: Option<&str>) -> Result<Handle, Told> {
        let text = text.map(|text| CString::new(text).unwrap());
        let pointer = text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        // SAFETY: as above.
        Self::made(|made, error| unsafe { tumar_person_key(self.0, pointer, made, error) })
    }

    pub(crate) fn seal(&self, committee: Handle, wanted: &Wanted, templates: &[Handle]) -> Result<Handle, Told> {
        let of = |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        let call = Call {
            size: size_of::<Call>(),
            method: wanted.method,
            max_candidates: wanted.max_candidates,
            request_id: of(&wanted.request_id),
            gallery: wanted.gallery.as_ptr(),
            subject: of(&wanted.subject),
            purpose: wanted.purpose.as_ptr(),
            amount_kzt: wanted.amount_kzt,
            captured_at: wanted.captured_at,
            person_key: wanted.person_key,
            case_digest: wanted.case_digest.as_ref().map_or(ptr::null(), |digest| digest.as_ptr()),
        };
        let (data, count) = (templates.as_ptr(), templates.len());
        // SAFETY: as above.
        Self::made(|made, error| unsafe { tumar_seal(self.0, committee, &raw const call, data, count, made, error) })
    }

    /// Asks for the number of bytes, then for them; and on the way that too little room is told.
    fn bytes(call: impl Fn(*mut Buffer, *mut Error) -> Status) -> Result<Vec<u8>, Told> {
        let mut ask = Buffer { bytes: ptr::null_mut(), room: 0, length: 7 };
        let came = told(|error| call(&raw mut ask, error));
        if came.is_err() {
            assert_eq!(ask.length, 0);
        }
        came?;
        let mut made = vec![0x55; ask.length + 1];
        let mut small = Buffer { bytes: made.as_mut_ptr(), room: ask.length - 1, length: 0 };
        let none = told(|error| call(&raw mut small, error)).unwrap_err();
        assert_eq!((none.status, small.length), (Status::Room, ask.length));
        assert!(made.iter().all(|byte| *byte == 0x55));
        let mut enough = Buffer { bytes: made.as_mut_ptr(), room: made.len(), length: 0 };
        told(|error| call(&raw mut enough, error))?;
        assert_eq!((enough.length, made.pop()), (ask.length, Some(0x55)));
        Ok(made)
    }

    pub(crate) fn key_id(&self, committee: Handle, party: char) -> Result<Vec<u8>, Told> {
        let party = letter(party);
        // SAFETY: as above.
        Self::bytes(|buffer, error| unsafe { tumar_committee_key_id(self.0, committee, party, buffer, error) })
    }

    pub(crate) fn pack(&self, template: Handle) -> Result<Vec<u8>, Told> {
        // SAFETY: as above.
        Self::bytes(|buffer, error| unsafe { tumar_template_pack(self.0, template, buffer, error) })
    }

    pub(crate) fn plaintext(&self, shares: Handle, party: char) -> Result<Vec<u8>, Told> {
        let party = letter(party);
        // SAFETY: as above.
        Self::bytes(|buffer, error| unsafe { tumar_shares_plaintext(self.0, shares, party, buffer, error) })
    }

    pub(crate) fn person_key_text(&self, key: Handle) -> Result<String, Told> {
        // SAFETY: as above.
        let text = Self::bytes(|buffer, error| unsafe { tumar_person_key_text(self.0, key, buffer, error) })?;
        Ok(String::from_utf8(text).unwrap())
    }

    pub(crate) fn person_key_of_node(&self, key: Handle, party: char) -> Result<Vec<u8>, Told> {
        let party = letter(party);
        // SAFETY: as above.
        Self::bytes(|buffer, error| unsafe { tumar_person_key_of_node(self.0, key, party, buffer, error) })
    }

    pub(crate) fn request(&self, request: Handle, what: u32) -> Result<Vec<u8>, Told> {
        // SAFETY: as above.
        Self::bytes(|buffer, error| unsafe { tumar_request_bytes(self.0, request, what, buffer, error) })
    }

    pub(crate) fn envelope(&self, request: Handle, sample: usize, party: char) -> Result<Vec<u8>, Told> {
        let party = letter(party);
        // SAFETY: as above.
        Self::bytes(|buffer, error| unsafe { tumar_request_envelope(self.0, request, sample, party, buffer, error) })
    }
}

pub(crate) fn letter(party: char) -> c_char {
    c_char::from_ne_bytes([u8::try_from(party).unwrap()])
}
