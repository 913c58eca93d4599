/*
 * libtumar_terminal: what a terminal does for Tumar. Written by cbindgen from crates/tumar-terminal/src; do not edit.
 *
 * It makes templates of faces and fingers, splits them into shares, and seals the shares to the three nodes. It opens no file and no
 * connection, reads no clock, starts no thread, and has no state outside of the terminals that tumar_terminal_open() makes; the learned
 * weights for fingers are unpacked once, and stay until the process ends.
 *
 * ERRORS      Every function but two returns a tumar_status. If `error` is not null, it also writes a word and a sentence there; on
 *             success too. Results are 0 or null after an error. No panic leaves a function: a bug inside is TUMAR_STATUS_INTERNAL,
 *             and a line about it is written to standard error. If the system has no memory left, the process ends.
 * HANDLES     Everything that a terminal holds has a number, which is no pointer: released twice, of another terminal or of another kind
 *             it is an error, not a crash. At most TUMAR_MOST_HANDLES are held at a time.
 * OWNERSHIP   A terminal is the caller's until tumar_terminal_close(), which wipes and frees all that it holds: a program that fails
 *             half-way does no more than that. What is passed in stays the caller's, and is read during the call only.
 * BYTES OUT   go into a tumar_buffer of the caller's. With `bytes` null the function says how many there are in `length`; with too little
 *             room it says so too, writes none and returns TUMAR_STATUS_ROOM.
 * THREADS     Any number of threads may use one terminal, and one handle, at a time. tumar_terminal_close() is called when no other call is
 *             under way. What a call reads must not be changed by another thread meanwhile.
 * SECRETS     Templates, masks, shares and person's keys are wiped when they are released, when their terminal is closed, and when a call
 *             fails. Not wiped: what the caller passed in, or was given (tumar_wipe() does it), and copies that the compiler left in
 *             registers and on the stack.
 * POINTERS    must be valid for what is said of them, and aligned. Null where something must be, lengths beyond memory, a missing zero, and
 *             results that overlap anything else of the call are found and returned as errors. A pointer that is neither null nor
 *             valid can not be found.
 */


#ifndef TUMAR_TERMINAL_H
#define TUMAR_TERMINAL_H

#include <stddef.h>
#include <stdint.h>

/**
 * The ABI that this header is of. It grows when a program that was compiled with an older header no longer works: compare it with
 * tumar_terminal_abi() once at the start.
 */
#define TUMAR_ABI 1

/**
 * tumar_call.method: take 1 to 32 references of a person in.
 */
#define TUMAR_METHOD_ENROLL 1

/**
 * tumar_call.method: compare one sample, or two of different modalities, with one person's references.
 */
#define TUMAR_METHOD_VERIFY 2

/**
 * tumar_call.method: compare one sample, or a face and a finger's vector, with everybody in a gallery.
 */
#define TUMAR_METHOD_SEARCH 3

/**
 * tumar_request_bytes: the message of tumar.v1 that the backend sends: EnrollSubjectRequest, VerifySubjectRequest or
 * SearchGalleryRequest.
 */
#define TUMAR_REQUEST_MESSAGE 1

/**
 * tumar_request_bytes: the form in which the Rust client and the command line `tumar` keep a request and send it again.
 */
#define TUMAR_REQUEST_SAVED 2

/**
 * tumar_request_bytes: the request's id, 36 characters.
 */
#define TUMAR_REQUEST_ID 3

/**
 * tumar_request_bytes: the request's digest, 32 bytes: what the backend's proof signs and all three receipts contain.
 */
#define TUMAR_REQUEST_DIGEST 4

/**
 * tumar_record.position and .number: whichever there is, if there is one.
 */
#define TUMAR_ANY -1

/**
 * Most bytes of a name or other text, without its zero.
 */
#define TUMAR_MOST_TEXT 255

/**
 * Most bytes of the pins, and of an answer to GetCommittee.
 */
#define TUMAR_MOST_DOCUMENT 1048576

/**
 * Most handles that a terminal holds at a time.
 */
#define TUMAR_MOST_HANDLES 1024

/**
 * Most samples of an enrolment.
 */
#define TUMAR_MOST_SAMPLES 32

/**
 * Characters of a person's key.
 */
#define TUMAR_PERSON_KEY_TEXT 64

/**
 * How much longer an envelope is than the plaintext in it, in bytes.
 */
#define TUMAR_ENVELOPE_OVERHEAD 1144

/**
 * What a function returns. Numbers keep their meaning; new ones may be added. Up to 19 the program is at fault, and nothing was done;
 * from 20 on what was passed to it; from 40 on the machine.
 */
enum tumar_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * It is done.
   */
  TUMAR_STATUS_OK = 0,
  /**
   * A pointer is null that must not be.
   */
  TUMAR_STATUS_NULL = 1,
  /**
   * A length goes beyond the end of memory or above its limit, or is not the one that is due.
   */
  TUMAR_STATUS_LENGTH = 2,
  /**
   * There are more bytes than room: tumar_buffer.length says how many.
   */
  TUMAR_STATUS_ROOM = 3,
  /**
   * What is to be written overlaps something else of the call. tumar_error is not written then.
   */
  TUMAR_STATUS_OVERLAP = 4,
  /**
   * A pointer is not aligned for what it points to.
   */
  TUMAR_STATUS_ALIGNMENT = 5,
  /**
   * Not a handle that this terminal holds: released before, of another terminal, or none.
   */
  TUMAR_STATUS_HANDLE = 6,
  /**
   * The handle is of another kind.
   */
  TUMAR_STATUS_KIND = 7,
  /**
   * Not a terminal, or one that was closed.
   */
  TUMAR_STATUS_CLOSED = 8,
  /**
   * A text has no zero within 256 bytes, or is not UTF-8.
   */
  TUMAR_STATUS_TEXT = 9,
  /**
   * A number is none of those that are allowed.
   */
  TUMAR_STATUS_ARGUMENT = 10,
  /**
   * The terminal holds as many handles as it can, or has given all that there are: release some, or open another.
   */
  TUMAR_STATUS_CROWDED = 11,
  /**
   * The pins are not of their form.
   */
  TUMAR_STATUS_PINS = 20,
  /**
   * The bytes are not an answer to GetCommittee.
   */
  TUMAR_STATUS_COMMITTEE_FORM = 21,
  /**
   * The committee is not what is pinned: tumar_error.reason and .party say where. Nothing is sealed to it.
   */
  TUMAR_STATUS_COMMITTEE_NOT_TRUSTED = 22,
  /**
   * The committee's keys have ended, by the time of the capture: ask for the committee again.
   */
  TUMAR_STATUS_COMMITTEE_EXPIRED = 23,
  /**
   * No model has this name, or it is of the other modality.
   */
  TUMAR_STATUS_MODEL = 24,
  /**
   * The embedding makes no template.
   */
  TUMAR_STATUS_FACE = 25,
  /**
   * The record can not be read, or has no such view.
   */
  TUMAR_STATUS_RECORD = 26,
  /**
   * The finger makes no template: capture it again.
   */
  TUMAR_STATUS_FINGER = 27,
  /**
   * A name does not have its form: tumar_error.reason is its field.
   */
  TUMAR_STATUS_NAME = 28,
  /**
   * Too few or too many samples, or one that its model does not make.
   */
  TUMAR_STATUS_SAMPLES = 29,
  /**
   * Not a person's key; or none where one is needed, or one where none is.
   */
  TUMAR_STATUS_PERSON_KEY = 30,
  /**
   * The operating system gave no random bytes. Nothing weaker is used instead.
   */
  TUMAR_STATUS_RANDOM = 40,
  /**
   * A bug in this library. The call had no effect; what it held is wiped.
   */
  TUMAR_STATUS_INTERNAL = 41,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tumar_status tumar_status;
#else
typedef int32_t tumar_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * An open terminal. What it holds is wiped and freed with it.
 */
typedef struct tumar_terminal tumar_terminal;

/**
 * What was wrong, for the caller's log. It never contains a secret, nor anything of a person. Any function takes a null pointer
 * instead of it.
 */
typedef struct tumar_error {
  /**
   * What the function returned.
   */
  tumar_status status;
  /**
   * The node that it is about: 'A', 'B' or 'C'; 0 if about none.
   */
  char party;
  /**
   * A word that stays the same in later versions: `FINGER_TOO_FEW_MINUTIAE`, `signature`, `subject`. Empty if the status says it all.
   * Ends with a zero.
   */
  char reason[32];
  /**
   * A sentence in English, UTF-8. Ends with a zero.
   */
  char sentence[256];
} tumar_error;

/**
 * Something that a terminal holds: a committee, a template, shares, a person's key or a request. 0 is none. A handle is of one terminal
 * and of one kind, is never given twice, and is an error anywhere else.
 */
typedef uint64_t tumar_handle;

/**
 * Where bytes are to be written. Ask for their number first, with `bytes` null and `room` 0, or bring enough room at once.
 */
typedef struct tumar_buffer {
  /**
   * The caller's memory; null to ask for the number.
   */
  uint8_t *bytes;
  /**
   * How many bytes may be written there.
   */
  size_t room;
  /**
   * Written by the function: how many there are. No zero is added to a text.
   */
  size_t length;
} tumar_buffer;

/**
 * A finger minutiae record, and which of its views is meant.
 */
typedef struct tumar_record {
  /**
   * ISO/IEC 19794-2:2005 or ANSI/INCITS 378-2004, as the sensor's software gave it. Read during the call only.
   */
  const uint8_t *bytes;
  /**
   * How many bytes: at most 65535.
   */
  size_t length;
  /**
   * The finger, 0 to 10 as in ISO/IEC 19794-2, table 2; TUMAR_ANY if there is only one.
   */
  int32_t position;
  /**
   * The view's number, 0 to 255; TUMAR_ANY if there is only one.
   */
  int32_t number;
} tumar_record;

/**
 * What a request asks for. Texts end with a zero and are read during the call only; what forms they have is in docs/clients.md, section
 * 1. The installation, the relying party and the client are those of the pins.
 */
typedef struct tumar_call {
  /**
   * sizeof(tumar_call).
   */
  size_t size;
  /**
   * TUMAR_METHOD_ENROLL, _VERIFY or _SEARCH.
   */
  uint32_t method;
  /**
   * A search: most people that it may name, 1 to 32. Otherwise 0.
   */
  uint32_t max_candidates;
  /**
   * The UUID, version 4, that the backend drew for this request; null to have one drawn here.
   */
  const char *request_id;
  /**
   * Where the person is, or will be.
   */
  const char *gallery;
  /**
   * The bank's handle of the person. A search: null.
   */
  const char *subject;
  /**
   * A purpose of the policy.
   */
  const char *purpose;
  /**
   * A verification: whole tenge at stake, or 0. Otherwise 0.
   */
  uint64_t amount_kzt;
  /**
   * When the samples were captured, by the terminal's clock: Unix seconds. The nodes learn the minute.
   */
  uint64_t captured_at;
  /**
   * An enrolment: the person's key. Otherwise 0.
   */
  tumar_handle person_key;
  /**
   * A search: SHA-256 of the file of the case, 32 bytes. Otherwise null.
   */
  const uint8_t *case_digest;
} tumar_call;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The TUMAR_ABI that the library has. A program whose header has another one must not go on.
 */
uint32_t tumar_terminal_abi(void);

/**
 * The library's version, as in "0.2.0". The text is static: it is not freed.
 */
const char *tumar_terminal_version(void);

/**
 * Opens a terminal that believes and seals for what `pins` says: the text of a client.toml, UTF-8, of `length` bytes. Read of it are
 * deployment, relying_party, client, and party, identity and log_key of each `[[node]]`; no other member needs to be there, and no file
 * is opened. `terminal` is null unless TUMAR_STATUS_OK is returned; then the caller owns it, and gives it to tumar_terminal_close().
 *
 * TUMAR_STATUS_PINS; TUMAR_STATUS_LENGTH above TUMAR_MOST_DOCUMENT.
 */
tumar_status tumar_terminal_open(const uint8_t *pins,
                                 size_t length,
                                 struct tumar_terminal **terminal,
                                 struct tumar_error *error);

/**
 * Wipes and frees all that a terminal holds, and itself, and sets `*terminal` to null. No other call may be using it, and no copy of the
 * pointer may be used later. Of a null pointer in `*terminal`: nothing.
 *
 * TUMAR_STATUS_CLOSED if it is none, or is being closed by somebody else.
 */
tumar_status tumar_terminal_close(struct tumar_terminal **terminal,
                                  struct tumar_error *error);

/**
 * Lets go of something that the terminal holds, whatever it is, and sets `*handle` to 0. What is secret in it is wiped, as soon as no
 * other call is using it. Of 0 in `*handle`: nothing.
 *
 * TUMAR_STATUS_HANDLE if it was released before, by a copy of the handle.
 */
tumar_status tumar_release(const struct tumar_terminal *terminal,
                           tumar_handle *handle,
                           struct tumar_error *error);

/**
 * Overwrites `length` bytes of the caller's with zeros, in a way that no compiler leaves out: embeddings, records, packed templates and
 * person's keys that are no longer needed.
 */
tumar_status tumar_wipe(uint8_t *bytes,
                        size_t length,
                        struct tumar_error *error);

/**
 * Checks an answer to GetCommittee, the protobuf message tumar.v1.GetCommitteeResponse as the backend received it, against the pins.
 * `committee` is a handle to what may be sealed to.
 *
 * TUMAR_STATUS_COMMITTEE_FORM, TUMAR_STATUS_COMMITTEE_NOT_TRUSTED; TUMAR_STATUS_LENGTH above TUMAR_MOST_DOCUMENT.
 */
tumar_status tumar_committee_check(const struct tumar_terminal *terminal,
                                   const uint8_t *answer_bytes,
                                   size_t length,
                                   tumar_handle *committee,
                                   struct tumar_error *error);

/**
 * Until when its keys are taken, in Unix seconds: have the backend ask for the committee again ten minutes before.
 */
tumar_status tumar_committee_until(const struct tumar_terminal *terminal,
                                   tumar_handle committee,
                                   uint64_t *until,
                                   struct tumar_error *error);

/**
 * The id of the key that is sealed to for the node `party`, 'A', 'B' or 'C': 8 bytes, with which its envelopes begin.
 */
tumar_status tumar_committee_key_id(const struct tumar_terminal *terminal,
                                    tumar_handle committee,
                                    char party,
                                    struct tumar_buffer *buffer,
                                    struct tumar_error *error);

/**
 * Makes the template of a face from its embedding: `count` 32-bit floats, as many as the model has components, of any length but 0. The
 * model is one that `committee` names; of the table that the library was built with if `committee` is 0. `made` is a handle to the
 * template.
 *
 * TUMAR_STATUS_MODEL, TUMAR_STATUS_NAME; TUMAR_STATUS_FACE with the reason dimension, not_finite, zero or sparse.
 */
tumar_status tumar_face(const struct tumar_terminal *terminal,
                        tumar_handle committee,
                        const char *model,
                        const float *embedding,
                        size_t count,
                        tumar_handle *made,
                        struct tumar_error *error);

/**
 * Makes the template of a finger from a minutiae record: rows for one comparison, or one vector for searches, whichever the model is of
 * ("leader-rows-3", "leader-fixed-1"). Model and result as in tumar_face().
 *
 * TUMAR_STATUS_MODEL, TUMAR_STATUS_NAME, TUMAR_STATUS_ARGUMENT; TUMAR_STATUS_RECORD with a reason RECORD_...; TUMAR_STATUS_FINGER with
 * FINGER_TOO_FEW_MINUTIAE, FINGER_REPEATS or FINGER_SPARSE.
 */
tumar_status tumar_finger(const struct tumar_terminal *terminal,
                          tumar_handle committee,
                          const char *model,
                          const struct tumar_record *record,
                          tumar_handle *made,
                          struct tumar_error *error);

/**
 * What a template consists of: 1 row of 64 to 2048 columns, or 4 to 40 rows of 140. Its components are rows times columns.
 */
tumar_status tumar_template_shape(const struct tumar_terminal *terminal,
                                  tumar_handle made,
                                  uint32_t *rows,
                                  uint32_t *columns,
                                  struct tumar_error *error);

/**
 * The template in the clear, two components a byte (docs/clients.md, section 3): for tests, and for programs that split it themselves.
 * **It is the person's face or finger: it does not leave the terminal, and is wiped with tumar_wipe().**
 */
tumar_status tumar_template_pack(const struct tumar_terminal *terminal,
                                 tumar_handle made,
                                 struct tumar_buffer *buffer,
                                 struct tumar_error *error);

/**
 * Splits a template into what each of the three nodes is sent; tumar_seal() does it by itself. `masks` are as many fresh random bytes as
 * the template has components, for tests and for programs with a source of their own; null, with `count` 0, for the operating system's.
 * **Masks that are known, or used twice, tell the template.** `shares` is a handle.
 *
 * TUMAR_STATUS_LENGTH for another number of masks, TUMAR_STATUS_RANDOM.
 */
tumar_status tumar_split(const struct tumar_terminal *terminal,
                         tumar_handle made,
                         const uint8_t *masks,
                         size_t count,
                         tumar_handle *shares,
                         struct tumar_error *error);

/**
 * The plaintext for the node `party`: as many bytes as the template has components. Those of two nodes tell the template.
 */
tumar_status tumar_shares_plaintext(const struct tumar_terminal *terminal,
                                    tumar_handle shares,
                                    char party,
                                    struct tumar_buffer *buffer,
                                    struct tumar_error *error);

/**
 * A person's key for an enrolment: read from its `text`, 64 digits of lower-case hexadecimal, or drawn here if `text` is null. `key` is
 * a handle. The person is given the key, and nobody keeps it.
 *
 * TUMAR_STATUS_PERSON_KEY, TUMAR_STATUS_RANDOM.
 */
tumar_status tumar_person_key(const struct tumar_terminal *terminal,
                              const char *text,
                              tumar_handle *key,
                              struct tumar_error *error);

/**
 * A person's key as text, TUMAR_PERSON_KEY_TEXT characters: for the person's paper, or file. Wipe it with tumar_wipe().
 */
tumar_status tumar_person_key_text(const struct tumar_terminal *terminal,
                                   tumar_handle key,
                                   struct tumar_buffer *buffer,
                                   struct tumar_error *error);

/**
 * What the node `party` is sent of a person's key, 32 bytes; tumar_seal() does it by itself. For tests.
 */
tumar_status tumar_person_key_of_node(const struct tumar_terminal *terminal,
                                      tumar_handle key,
                                      char party,
                                      struct tumar_buffer *buffer,
                                      struct tumar_error *error);

/**
 * Makes a request: splits `count` templates by fresh masks, and seals the shares of each to the three nodes of `committee`, for this
 * call and no other. `request` is a handle; nothing in it is secret, but it says whom it is about. The templates stay as they are:
 * release them. A request that is answered with ENVELOPE_KEY_UNKNOWN is made again by a new committee.
 *
 * TUMAR_STATUS_COMMITTEE_EXPIRED, TUMAR_STATUS_MODEL if the committee does not name the template's model, TUMAR_STATUS_NAME,
 * TUMAR_STATUS_SAMPLES, TUMAR_STATUS_PERSON_KEY, TUMAR_STATUS_ARGUMENT, TUMAR_STATUS_RANDOM.
 */
tumar_status tumar_seal(const struct tumar_terminal *terminal,
                        tumar_handle committee,
                        const struct tumar_call *call,
                        const tumar_handle *templates,
                        size_t count,
                        tumar_handle *request,
                        struct tumar_error *error);

/**
 * A request, or something of it, as bytes: `what` is TUMAR_REQUEST_MESSAGE, _SAVED, _ID or _DIGEST. Nothing of it is secret.
 */
tumar_status tumar_request_bytes(const struct tumar_terminal *terminal,
                                 tumar_handle request,
                                 uint32_t what,
                                 struct tumar_buffer *buffer,
                                 struct tumar_error *error);

/**
 * One envelope of a request: of its sample number `sample`, from 0, for the node `party`. As long as the template has components, and
 * TUMAR_ENVELOPE_OVERHEAD bytes longer; in the first sample of an enrolment 32 more. For backends with messages of their own.
 */
tumar_status tumar_request_envelope(const struct tumar_terminal *terminal,
                                    tumar_handle request,
                                    size_t sample,
                                    char party,
                                    struct tumar_buffer *buffer,
                                    struct tumar_error *error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TUMAR_TERMINAL_H */
