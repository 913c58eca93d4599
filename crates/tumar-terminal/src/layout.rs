//! The structures and numbers of the header.
#![expect(clippy::doc_markdown, reason = "the comments become the header's")]

use std::ffi::c_char;

/// The ABI that this header is of. It grows when a program that was compiled with an older header no longer works: compare it with
/// tumar_terminal_abi() once at the start.
pub const TUMAR_ABI: u32 = 1;

/// tumar_call.method: take 1 to 32 references of a person in.
pub const TUMAR_METHOD_ENROLL: u32 = 1;
/// tumar_call.method: compare one sample, or two of different modalities, with one person's references.
pub const TUMAR_METHOD_VERIFY: u32 = 2;
/// tumar_call.method: compare one sample, or a face and a finger's vector, with everybody in a gallery.
pub const TUMAR_METHOD_SEARCH: u32 = 3;

/// tumar_request_bytes: the message of tumar.v1 that the backend sends: EnrollSubjectRequest, VerifySubjectRequest or
/// SearchGalleryRequest.
pub const TUMAR_REQUEST_MESSAGE: u32 = 1;
/// tumar_request_bytes: the form in which the Rust client and the command line `tumar` keep a request and send it again.
pub const TUMAR_REQUEST_SAVED: u32 = 2;
/// tumar_request_bytes: the request's id, 36 characters.
pub const TUMAR_REQUEST_ID: u32 = 3;
/// tumar_request_bytes: the request's digest, 32 bytes: what the backend's proof signs and all three receipts contain.
pub const TUMAR_REQUEST_DIGEST: u32 = 4;

/// tumar_record.position and .number: whichever there is, if there is one.
pub const TUMAR_ANY: i32 = -1;

/// Most bytes of a name or other text, without its zero.
pub const TUMAR_MOST_TEXT: usize = 255;
/// Most bytes of the pins, and of an answer to GetCommittee.
pub const TUMAR_MOST_DOCUMENT: usize = 1_048_576;
/// Most handles that a terminal holds at a time.
pub const TUMAR_MOST_HANDLES: usize = 1024;
/// Most samples of an enrolment.
pub const TUMAR_MOST_SAMPLES: usize = 32;
/// Characters of a person's key.
pub const TUMAR_PERSON_KEY_TEXT: usize = 64;
/// How much longer an envelope is than the plaintext in it, in bytes.
pub const TUMAR_ENVELOPE_OVERHEAD: usize = 1144;

/// Something that a terminal holds: a committee, a template, shares, a person's key or a request. 0 is none. A handle is of one terminal
/// and of one kind, is never given twice, and is an error anywhere else.
pub type Handle = u64;

/// What a function returns. Numbers keep their meaning; new ones may be added. Up to 19 the program is at fault, and nothing was done;
/// from 20 on what was passed to it; from 40 on the machine.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is done.
    Ok = 0,
    /// A pointer is null that must not be.
    Null = 1,
    /// A length goes beyond the end of memory or above its limit, or is not the one that is due.
    Length = 2,
    /// There are more bytes than room: tumar_buffer.length says how many.
    Room = 3,
    /// What is to be written overlaps something else of the call. tumar_error is not written then.
    Overlap = 4,
    /// A pointer is not aligned for what it points to.
    Alignment = 5,
    /// Not a handle that this terminal holds: released before, of another terminal, or none.
    Handle = 6,
    /// The handle is of another kind.
    Kind = 7,
    /// Not a terminal, or one that was closed.
    Closed = 8,
    /// A text has no zero within 256 bytes, or is not UTF-8.
    Text = 9,
    /// A number is none of those that are allowed.
    Argument = 10,
    /// The terminal holds as many handles as it can, or has given all that there are: release some, or open another.
    Crowded = 11,

    /// The pins are not of their form.
    Pins = 20,
    /// The bytes are not an answer to GetCommittee.
    CommitteeForm = 21,
    /// The committee is not what is pinned: tumar_error.reason and .party say where. Nothing is sealed to it.
    CommitteeNotTrusted = 22,
    /// The committee's keys have ended, by the time of the capture: ask for the committee again.
    CommitteeExpired = 23,
    /// No model has this name, or it is of the other modality.
    Model = 24,
    /// The embedding makes no template.
    Face = 25,
    /// The record can not be read, or has no such view.
    Record = 26,
    /// The finger makes no template: capture it again.
    Finger = 27,
    /// A name does not have its form: tumar_error.reason is its field.
    Name = 28,
    /// Too few or too many samples, or one that its model does not make.
    Samples = 29,
    /// Not a person's key; or none where one is needed, or one where none is.
    PersonKey = 30,

    /// The operating system gave no random bytes. Nothing weaker is used instead.
    Random = 40,
    /// A bug in this library. The call had no effect; what it held is wiped.
    Internal = 41,
}

/// What was wrong, for the caller's log. It never contains a secret, nor anything of a person. Any function takes a null pointer
/// instead of it.
#[repr(C)]
pub struct Error {
    /// What the function returned.
    pub status: Status,
    /// The node that it is about: 'A', 'B' or 'C'; 0 if about none.
    pub party: c_char,
    /// A word that stays the same in later versions: `FINGER_TOO_FEW_MINUTIAE`, `signature`, `subject`. Empty if the status says it all.
    /// Ends with a zero.
    pub reason: [c_char; 32],
    /// A sentence in English, UTF-8. Ends with a zero.
    pub sentence: [c_char; 256],
}

/// Where bytes are to be written. Ask for their number first, with `bytes` null and `room` 0, or bring enough room at once.
#[repr(C)]
pub struct Buffer {
    /// The caller's memory; null to ask for the number.
    pub bytes: *mut u8,
    /// How many bytes may be written there.
    pub room: usize,
    /// Written by the function: how many there are. No zero is added to a text.
    pub length: usize,
}

/// A finger minutiae record, and which of its views is meant.
#[repr(C)]
pub struct Record {
    /// ISO/IEC 19794-2:2005 or ANSI/INCITS 378-2004, as the sensor's software gave it. Read during the call only.
    pub bytes: *const u8,
    /// How many bytes: at most 65535.
    pub length: usize,
    /// The finger, 0 to 10 as in ISO/IEC 19794-2, table 2; TUMAR_ANY if there is only one.
    pub position: i32,
    /// The view's number, 0 to 255; TUMAR_ANY if there is only one.
    pub number: i32,
}

/// What a request asks for. Texts end with a zero and are read during the call only; what forms they have is in docs/clients.md, section
/// 1. The installation, the relying party and the client are those of the pins.
#[repr(C)]
pub struct Call {
    /// sizeof(tumar_call).
    pub size: usize,
    /// TUMAR_METHOD_ENROLL, _VERIFY or _SEARCH.
    pub method: u32,
    /// A search: most people that it may name, 1 to 32. Otherwise 0.
    pub max_candidates: u32,
    /// The UUID, version 4, that the backend drew for this request; null to have one drawn here.
    pub request_id: *const c_char,
    /// Where the person is, or will be.
    pub gallery: *const c_char,
    /// The bank's handle of the person. A search: null.
    pub subject: *const c_char,
    /// A purpose of the policy.
    pub purpose: *const c_char,
    /// A verification: whole tenge at stake, or 0. Otherwise 0.
    pub amount_kzt: u64,
    /// When the samples were captured, by the terminal's clock: Unix seconds. The nodes learn the minute.
    pub captured_at: u64,
    /// An enrolment: the person's key. Otherwise 0.
    pub person_key: Handle,
    /// A search: SHA-256 of the file of the case, 32 bytes. Otherwise null.
    pub case_digest: *const u8,
}
