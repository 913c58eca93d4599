//! The functions that C calls, and the only code here that follows their pointers. What they promise, and what is asked of their callers,
//! is in the header, which is written from these comments.
#![expect(unsafe_code, reason = "C passes pointers")]
#![expect(clippy::missing_safety_doc, reason = "the head of the header says once what holds for all functions")]
#![expect(clippy::doc_markdown, reason = "the comments become the header's")]

use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use zeroize::Zeroize as _;

use crate::desk::Wish;
use crate::fault::Fault;
use crate::keeper::Terminal;
use crate::layout::{Buffer, Call, Error, Handle, Record, Status, TUMAR_ABI, TUMAR_MOST_SAMPLES, TUMAR_MOST_TEXT};
use crate::spans::Spans;

/// Who called: what memory it lends, which is as the header asks. Made by [`answer`] alone, for the functions below.
struct Caller(Spans);

impl Caller {
    fn slice<'a, T>(&mut self, what: &'static str, data: *const T, count: usize) -> Result<&'a [T], Fault> {
        if count == 0 {
            return Ok(&[]);
        }
        self.0.lent(what, data, count, false)?;
        // SAFETY: the caller promises so many values, which nobody changes during the call; pointer and length were looked at.
        Ok(unsafe { std::slice::from_raw_parts(data, count) })
    }

    /// A structure of plain values.
    fn read<'a, T>(&mut self, what: &'static str, data: *const T) -> Result<&'a T, Fault> {
        self.0.lent(what, data, 1, false)?;
        // SAFETY: the caller promises one value; pointers in it are not followed by this.
        Ok(unsafe { &*data })
    }

    fn text<'a>(&mut self, what: &'static str, text: *const c_char) -> Result<&'a str, Fault> {
        if text.is_null() {
            return Err(Fault::Null { what });
        }
        // SAFETY: the caller promises a text with a zero behind it; nothing behind the first zero is read.
        let is_end = |place: &usize| unsafe { *text.add(*place) == 0 };
        let length = (0..=TUMAR_MOST_TEXT).find(is_end).ok_or(Fault::Text { what })?;
        let bytes = self.slice(what, text.cast::<u8>(), length + 1)?;
        CStr::from_bytes_with_nul(bytes).ok().and_then(|text| text.to_str().ok()).ok_or(Fault::Text { what })
    }

    fn some_text<'a>(&mut self, what: &'static str, text: *const c_char) -> Result<Option<&'a str>, Fault> {
        if text.is_null() { Ok(None) } else { self.text(what, text).map(Some) }
    }

    /// A place for one result, which begins as `first`.
    fn place<T>(&mut self, what: &'static str, data: *mut T, first: T) -> Result<Place<T>, Fault> {
        self.0.lent(what, data, 1, true)?;
        Place(data).put(first);
        Ok(Place(data))
    }

    /// Fills the caller's buffer, or says how many bytes there are.
    fn fill(&mut self, buffer: *mut Buffer, make: impl FnOnce() -> Result<Vec<u8>, Fault>) -> Result<(), Fault> {
        self.0.lent("buffer", buffer, 1, true)?;
        // SAFETY: the caller promises a structure; it is plain values.
        let Buffer { bytes, room, .. } = unsafe { ptr::read(buffer) };
        // SAFETY: as above; no reference to the structure is alive.
        let length = Place(unsafe { &raw mut (*buffer).length });
        length.put(0);
        if room > 0 {
            self.0.lent("buffer.bytes", bytes, room, true)?;
        }
        let whole = zeroize::Zeroizing::new(make()?);
        length.put(whole.len());
        if bytes.is_null() {
            return Ok(());
        }
        if whole.len() > room {
            return Err(Fault::Room { room, needed: whole.len() });
        }
        // SAFETY: the caller promises so much room, and it is no memory of this library's.
        unsafe { ptr::copy_nonoverlapping(whole.as_ptr(), bytes, whole.len()) };
        Ok(())
    }

    fn terminal<'a>(&mut self, terminal: *const Terminal) -> Result<&'a Terminal, Fault> {
        let found = self.read("terminal", terminal)?;
        if found.is_open() { Ok(found) } else { Err(Fault::Closed) }
    }
}

/// Where a result goes: not null, aligned, and nothing else of the call.
struct Place<T>(*mut T);

impl<T> Place<T> {
    fn put(&self, value: T) {
        // SAFETY: the caller promises room for one value, of a type without a destructor; the pointer was looked at.
        unsafe { self.0.write(value) };
    }
}

/// Runs one call, and tells what came of it. No panic goes on to the caller.
fn answer(error: *mut Error, work: impl FnOnce(&mut Caller) -> Result<(), Fault>) -> Status {
    let attempt = || {
        let mut caller = Caller(Spans::default());
        if !error.is_null() {
            caller.0.lent("error", error, 1, true)?;
        }
        work(&mut caller)
    };
    let told = catch_unwind(AssertUnwindSafe(|| Error::of(&attempt())));
    let told = told.unwrap_or_else(|_| Error::of(&Err(Fault::Internal)));
    let status = told.status;
    if !error.is_null() && error.is_aligned() && status != Status::Overlap {
        Place(error).put(told);
    }
    status
}

/// The TUMAR_ABI that the library has. A program whose header has another one must not go on.
#[unsafe(no_mangle)]
pub extern "C" fn tumar_terminal_abi() -> u32 {
    TUMAR_ABI
}

/// The library's version, as in "0.2.0". The text is static: it is not freed.
#[unsafe(no_mangle)]
pub extern "C" fn tumar_terminal_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// Opens a terminal that believes and seals for what `pins` says: the text of a client.toml, UTF-8, of `length` bytes. Read of it are
/// deployment, relying_party, client, and party, identity and log_key of each `[[node]]`; no other member needs to be there, and no file
/// is opened. `terminal` is null unless TUMAR_STATUS_OK is returned; then the caller owns it, and gives it to tumar_terminal_close().
///
/// TUMAR_STATUS_PINS; TUMAR_STATUS_LENGTH above TUMAR_MOST_DOCUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tumar_terminal_open(
    pins: *const u8,
    length: usize,
    terminal: *mut *mut Terminal,
    error: *mut Error,
) -> Status {
    answer(error, |caller| {
        let place = caller.place("terminal", terminal, ptr::null_mut())?;
        let opened = Terminal::open(caller.slice("pins", pins, length)?)?;
        place.put(Box::into_raw(Box::new(opened)));
        Ok(())
    })
}

/// Wipes and frees all that a terminal holds, and itself, and sets `*terminal` to null. No other call may be using it, and no copy of the
/// pointer may be used later. Of a null pointer in `*terminal`: nothing.
///
/// TUMAR_STATUS_CLOSED if it is none, or is being closed by somebody else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tumar_terminal_close(terminal: *mut *mut Terminal, error: *mut Error) -> Status {
    answer(error, |caller| {
        caller.0.lent("terminal", terminal, 1, true)?;
        // SAFETY: the caller promises a pointer there.
        let held = unsafe { terminal.read() };
        if held.is_null() {
            return Ok(());
        }
        if !caller.terminal(held)?.end() {
            return Err(Fault::Closed);
        }
        Place(terminal).put(ptr::null_mut());
        // SAFETY: tumar_terminal_open() made it by `Box::into_raw`, and `end` is true once: nobody else frees it.
        drop(unsafe { Box::from_raw(held) });
        Ok(())
    })
}

/// Lets go of something that the terminal holds, whatever it is, and sets `*handle` to 0. What is secret in it is wiped, as soon as no
/// other call is using it. Of 0 in `*handle`: nothing.
///
/// TUMAR_STATUS_HANDLE if it was released before, by a copy of the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tumar_release(terminal: *const Terminal, handle: *mut Handle, error: *mut Error) -> Status {
    answer(error, |caller| {
        let terminal = caller.terminal(terminal)?;
        caller.0.lent("handle", handle, 1, true)?;
        // SAFETY: the caller promises a handle there.
        let held = unsafe { handle.read() };
        if held != 0 {
            terminal.release(held)?;
            Place(handle).put(0);
        }
        Ok(())
    })
}

/// Overwrites `length` bytes of the caller's with zeros, in a way that no compiler leaves out: embeddings, records, packed templates and
/// person's keys that are no longer needed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tumar_wipe(bytes: *mut u8, length: usize, error: *mut Error) -> Status {
    answer(error, |caller| {
        if length > 0 {
            caller.0.lent("bytes", bytes, length, true)?;
            // SAFETY: the caller promises so many bytes, and that nobody else uses them.
            unsafe { std::slice::from_raw_parts_mut(bytes, length) }.zeroize();
        }
        Ok(())
    })
}

/// Checks an answer to GetCommittee, the protobuf message tumar.v1.GetCommitteeResponse as the backend received it, against the pins.
/// `committee` is a handle to what may be sealed to.
///
/// TUMAR_STATUS_COMMITTEE_FORM, TUMAR_STATUS_COMMITTEE_NOT_TRUSTED; TUMAR_STATUS_LENGTH above TUMAR_MOST_DOCUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tumar_committee_check(
    terminal: *const Terminal,
    answer_bytes: *const u8,
    length: usize,
    committee: *mut Handle,
    error: *mut Error,
) -> Status {
    answer(error, |caller| {
        let place = caller.place("committee", committee, 0)?;
        let terminal = caller.terminal(terminal)?;
        place.put(terminal.check_committee(caller.slice("answer_bytes", answer_bytes, length)?)?);
        Ok(())
    })
}

/// Until when its keys are taken, in Unix seconds: have the backend ask for the committee again ten minutes before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tumar_committee_until(
    terminal: *const Terminal,
    committee: Handle,
    until: *mut u64,
    error: *mut Error,
) -> Status {
    answer(error, |caller| {
        let place = caller.place("until", until, 0)?;
        place.put(caller.terminal(terminal)?.until(committee)?);
        Ok(())
    })
}

/// The id of the key that is sealed to for the node `party`, 'A', 'B' or 'C': 8 bytes, with which its envelopes begin.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tumar_committee_key_id(
    terminal: *const Terminal,
    committee: Handle,
    party: c_char,
    buffer: *mut Buffer,
    error: *mut Error,
) -> Status {
    answer(error, |caller| {
        let terminal = caller.terminal(terminal)?;
        caller.fill(buffer, || Ok(terminal.key_id(committee, party.to_ne_bytes()[0])?.to_vec()))
    })
}

/// Makes the template of a face from its embedding: `count` 32-bit floats, as many as the model has components, of any length but 0. The
/// model is one that `committee` names; of the table that the library was built with if `committee` is 0. `made` is a handle to the
/// template.
///
/// TUMAR_STATUS_MODEL, TUMAR_STATUS_NAME; TUMAR_STATUS_FACE with the reason dimension, not_finite, zero or sparse.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tumar_face(
    terminal: *const Terminal,
    committee: Handle,
    model: *const c_char,
    embedding: *const f32,
    count: usize,
    made: *mut Handle,
    error: *mut Error,
) -> Status {
    answer(error, |caller| {
        let place = caller.place("made", made, 0)?;
        let (terminal, model) = (caller.terminal(terminal)?, caller.text("model", model)?);
        place.put(terminal.face(committee, model, caller.slice("embedding", embedding, count)?)?);
        Ok(())
    })
}

/// Makes the template of a finger from a minutiae record: rows for one comparison, or one vector for searches, whichever the model is of
/// ("leader-rows-3", "leader-fixed-1"). Model and result as in tumar_face().
///
/// TUMAR_STATUS_MODEL, TUMAR_STATUS_NAME, TUMAR_STATUS_ARGUMENT; TUMAR_STATUS_RECORD with a reason RECORD_...; TUMAR_STATUS_FINGER with
/// FINGER_TOO_FEW_MINUTIAE, FINGER_REPEATS or FINGER_SPARSE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tumar_finger(
    terminal: *const Terminal,
    committee: Handle,
    model: *const c_char,
    record: *const Record,
    made: *mut Handle,
    error: *mut Error,
) -> Status {
    answer(error, |caller| {
        let place = caller.place("made", made, 0)?;
        let (terminal, model) = (caller.terminal(terminal)?, caller.text("model", model)?);
        let &Record { bytes, length, position, number } = caller.read("record", record)?;
        let bytes = caller.slice("record.bytes", bytes, length)?;
        place.put(terminal.finger(committee, model, bytes, [position, number])?);
        Ok(())
    })
}

/// What a template consists of: 1 row of 64 to 2048 columns, or 4 to 40 rows of 140. Its components are rows times columns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tumar_template_shape(
    terminal: *const Terminal,
    made: Handle,
    rows: *mut u32,
    columns: *mut u32,
    error: *mut Error,
) -> Status {
    answer(error, |caller| {
        let (of_rows, of_columns) = (caller.place("rows", rows, 0)?, caller.place("columns", columns, 0)?);
        let [rows, columns] = caller.terminal(terminal)?.shape(made)?;
        of_rows.put(rows);
        of_columns.put(columns);
        Ok(())
    })
}

/// The template in the clear, two components a byte (docs/clients.md, section 3): for tests, and for programs that split it themselves.
/// **It is the person's face or finger: it does not leave the terminal, and is wiped with tumar_wipe().**
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tumar_template_pack(
    terminal: *const Terminal,
    made: Handle,
    buffer: *mut Buffer,
    error: *mut Error,
) -> Status {
    answer(error, |caller| {
        let terminal = caller.terminal(terminal)?;
        caller.fill(buffer, || Ok(terminal.pack(made)?.to_vec()))
    })
}

/// Splits a template into what each of the three nodes is sent; tumar_seal() does it by itself. `masks` are as many fresh random bytes as
/// the template has components, for tests and for programs with a source of their own; null, with `count` 0, for the operating system's.
/// **Masks that are known, or used twice, tell the template.** `shares` is a handle.
///
/// TUMAR_STATUS_LENGTH for another number of masks, TUMAR_STATUS_RANDOM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tumar_split(
    terminal: *const Terminal,
    made: Handle,
    masks: *const u8,
    count: usize,
    shares: *mut Handle,
    error: *mut Error,
) -> Status {
    answer(error, |caller| {
        let place = caller.place("shares", shares, 0)?;
        let terminal = caller.terminal(terminal)?;
        let masks = if masks.is_null() && count == 0 { None } else { Some(caller.slice("masks", masks, count)?) };
        place.put(terminal.split(made, masks)?);
        Ok(())
    })
}

/// The plaintext for the node `party`: as many bytes as the template has components. Those of two nodes tell the template.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tumar_shares_plaintext(
    terminal: *const Terminal,
    shares: Handle,
    party: c_char,
    buffer: *mut Buffer,
    error: *mut Error,
) -> Status {
    answer(error, |caller| {
        let terminal = caller.terminal(terminal)?;
        caller.fill(buffer, || Ok(terminal.plaintext(shares, party.to_ne_bytes()[0])?.to_vec()))
    })
}

/// A person's key for an enrolment: read from its `text`, 64 digits of lower-case hexadecimal, or drawn here if `text` is null. `key` is
/// a handle. The person is given the key, and nobody keeps it.
///
/// TUMAR_STATUS_PERSON_KEY, TUMAR_STATUS_RANDOM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tumar_person_key(
    terminal: *const Terminal,
    text: *const c_char,
    key: *mut Handle,
    error: *mut Error,
) -> Status {
    answer(error, |caller| {
        let place = caller.place("key", key, 0)?;
        let (terminal, text) = (caller.terminal(terminal)?, caller.some_text("text", text)?);
        place.put(terminal.person_key(text)?);
        Ok(())
    })
}

/// A person's key as text, TUMAR_PERSON_KEY_TEXT characters: for the person's paper, or file. Wipe it with tumar_wipe().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tumar_person_key_text(
    terminal: *const Terminal,
    key: Handle,
    buffer: *mut Buffer,
    error: *mut Error,
) -> Status {
    answer(error, |caller| {
        let terminal = caller.terminal(terminal)?;
        caller.fill(buffer, || Ok(terminal.person_key_text(key)?.as_bytes().to_vec()))
    })
}

/// What the node `party` is sent of a person's key, 32 bytes; tumar_seal() does it by itself. For tests.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tumar_person_key_of_node(
    terminal: *const Terminal,
    key: Handle,
    party: c_char,
    buffer: *mut Buffer,
    error: *mut Error,
) -> Status {
    answer(error, |caller| {
        let terminal = caller.terminal(terminal)?;
        caller.fill(buffer, || Ok(terminal.person_key_of_node(key, party.to_ne_bytes()[0])?.to_vec()))
    })
}

/// Makes a request: splits `count` templates by fresh masks, and seals the shares of each to the three nodes of `committee`, for this
/// call and no other. `request` is a handle; nothing in it is secret, but it says whom it is about. The templates stay as they are:
/// release them. A request that is answered with ENVELOPE_KEY_UNKNOWN is made again by a new committee.
///
/// TUMAR_STATUS_COMMITTEE_EXPIRED, TUMAR_STATUS_MODEL if the committee does not name the template's model, TUMAR_STATUS_NAME,
/// TUMAR_STATUS_SAMPLES, TUMAR_STATUS_PERSON_KEY, TUMAR_STATUS_ARGUMENT, TUMAR_STATUS_RANDOM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tumar_seal(
    terminal: *const Terminal,
    committee: Handle,
    call: *const Call,
    templates: *const Handle,
    count: usize,
    request: *mut Handle,
    error: *mut Error,
) -> Status {
    answer(error, |caller| {
        let place = caller.place("request", request, 0)?;
        let (terminal, call) = (caller.terminal(terminal)?, caller.read("call", call)?);
        if call.size != size_of::<Call>() {
            return Err(Fault::Argument { what: "size" });
        }
        if count > TUMAR_MOST_SAMPLES {
            return Err(Fault::Argument { what: "count" });
        }
        let digest = caller.slice("case_digest", call.case_digest, if call.case_digest.is_null() { 0 } else { 32 })?;
        let wish = Wish {
            method: call.method,
            request_id: caller.some_text("request_id", call.request_id)?,
            gallery: caller.text("gallery", call.gallery)?,
            subject: caller.some_text("subject", call.subject)?,
            purpose: caller.text("purpose", call.purpose)?,
            amount_kzt: call.amount_kzt,
            captured_at: call.captured_at,
            person_key: call.person_key,
            case_digest: digest.try_into().ok(),
            max_candidates: call.max_candidates,
        };
        place.put(terminal.seal(committee, &wish, caller.slice("templates", templates, count)?)?);
        Ok(())
    })
}

/// A request, or something of it, as bytes: `what` is TUMAR_REQUEST_MESSAGE, _SAVED, _ID or _DIGEST. Nothing of it is secret.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tumar_request_bytes(
    terminal: *const Terminal,
    request: Handle,
    what: u32,
    buffer: *mut Buffer,
    error: *mut Error,
) -> Status {
    answer(error, |caller| {
        let terminal = caller.terminal(terminal)?;
        caller.fill(buffer, || terminal.request_bytes(request, what))
    })
}

/// One envelope of a request: of its sample number `sample`, from 0, for the node `party`. As long as the template has components, and
/// TUMAR_ENVELOPE_OVERHEAD bytes longer; in the first sample of an enrolment 32 more. For backends with messages of their own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tumar_request_envelope(
    terminal: *const Terminal,
    request: Handle,
    sample: usize,
    party: c_char,
    buffer: *mut Buffer,
    error: *mut Error,
) -> Status {
    answer(error, |caller| {
        let terminal = caller.terminal(terminal)?;
        caller.fill(buffer, || terminal.envelope(request, sample, party.to_ne_bytes()[0]))
    })
}

#[cfg(test)]
mod tests;
