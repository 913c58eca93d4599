/*
 * A terminal in C: takes what a backend and the sensors gave, and writes the request that the backend sends.
 *
 *   seal PINS COMMITTEE METHOD ID GALLERY SUBJECT PURPOSE AMOUNT SECONDS OUT MODEL=FILE ...
 *
 * PINS is a client.toml; COMMITTEE the answer to GetCommittee that the backend received; METHOD enroll or verify; ID the UUID that the backend
 * drew; SECONDS the Unix time of the capture. A FILE that ends in .f32 is an embedding (32-bit floats, little-endian), any other a minutiae
 * record. OUT is written: the message for the backend; OUT.saved: the form that the command line keeps; and at an enrolment OUT.key, the
 * person's key, which belongs to the person alone.
 */
#include "tumar_terminal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FILE = 1 << 20 };

struct file {
  uint8_t *bytes;
  size_t length;
};

static int read_file(const char *path, struct file *file) {
  FILE *stream = fopen(path, "rb");
  file->bytes = malloc(MOST_FILE);
  file->length = 0;
  if (stream && file->bytes) {
    file->length = fread(file->bytes, 1, MOST_FILE, stream);
  }
  int good = stream && file->bytes && !ferror(stream) && feof(stream);
  if (stream) {
    fclose(stream);
  }
  if (!good) {
    fprintf(stderr, "seal: %s can not be read\n", path);
  }
  return good;
}

/* An embedding or a record is a person's: it is wiped before it is freed. */
static void free_file(struct file *file) {
  if (file->bytes) {
    tumar_wipe(file->bytes, file->length, NULL);
    free(file->bytes);
  }
}

static int write_file(const char *path, const char *ending, const uint8_t *bytes, size_t length) {
  char name[4096];
  if (snprintf(name, sizeof name, "%s%s", path, ending) >= (int)sizeof name) {
    return 0;
  }
  FILE *stream = fopen(name, "wb");
  int good = stream && fwrite(bytes, 1, length, stream) == length;
  if (stream && fclose(stream) != 0) {
    good = 0;
  }
  if (!good) {
    fprintf(stderr, "seal: %s can not be written\n", name);
  }
  return good;
}

/* Makes the template of one MODEL=FILE. */
static tumar_status capture(const tumar_terminal *terminal, tumar_handle committee, const char *argument,
                            tumar_handle *made, tumar_error *error) {
  char model[TUMAR_MOST_TEXT + 1] = {0};
  const char *path = strchr(argument, '=');
  struct file file;
  tumar_status status = TUMAR_STATUS_ARGUMENT;
  snprintf(error->sentence, sizeof error->sentence, "%s is not a MODEL=FILE that can be read", argument);
  if (!path || (size_t)(path - argument) >= sizeof model) {
    return status;
  }
  memcpy(model, argument, (size_t)(path - argument));
  path += 1;
  if (read_file(path, &file)) {
    size_t length = strlen(path);
    if (length > 4 && strcmp(path + length - 4, ".f32") == 0) {
      status = tumar_face(terminal, committee, model, (const float *)(void *)file.bytes, file.length / 4, made, error);
    } else {
      tumar_record record = {file.bytes, file.length, TUMAR_ANY, TUMAR_ANY};
      status = tumar_finger(terminal, committee, model, &record, made, error);
    }
  }
  free_file(&file);
  return status;
}

/* Writes what the backend sends. */
static int give(const tumar_terminal *terminal, tumar_handle request, const char *out, tumar_error *error) {
  static const struct {
    uint32_t what;
    const char *ending;
  } forms[] = {{TUMAR_REQUEST_MESSAGE, ""}, {TUMAR_REQUEST_SAVED, ".saved"}};
  for (size_t form = 0; form < 2; form++) {
    tumar_buffer buffer = {NULL, 0, 0};
    if (tumar_request_bytes(terminal, request, forms[form].what, &buffer, error)) {
      return 0;
    }
    buffer.room = buffer.length;
    buffer.bytes = malloc(buffer.room);
    int good = buffer.bytes && !tumar_request_bytes(terminal, request, forms[form].what, &buffer, error) &&
               write_file(out, forms[form].ending, buffer.bytes, buffer.length);
    free(buffer.bytes);
    if (!good) {
      return 0;
    }
  }
  return 1;
}

/* Writes the person's key, and wipes the copy. */
static int give_key(const tumar_terminal *terminal, tumar_handle key, const char *out, tumar_error *error) {
  uint8_t text[TUMAR_PERSON_KEY_TEXT];
  tumar_buffer buffer = {text, sizeof text, 0};
  int good = !tumar_person_key_text(terminal, key, &buffer, error) && write_file(out, ".key", text, buffer.length);
  tumar_wipe(text, sizeof text, NULL);
  return good;
}

/* All of it; whatever is still held when it fails goes with the terminal. */
static int seal(const tumar_terminal *terminal, char **argv, int captures, tumar_error *error) {
  tumar_handle committee = 0, request = 0, templates[TUMAR_MOST_SAMPLES] = {0};
  struct file answer;
  int enrols = strcmp(argv[3], "enroll") == 0;
  int good = read_file(argv[2], &answer) &&
             !tumar_committee_check(terminal, answer.bytes, answer.length, &committee, error);
  free_file(&answer);
  for (int place = 0; good && place < captures; place++) {
    good = !capture(terminal, committee, argv[11 + place], &templates[place], error);
  }
  tumar_call call = {0};
  call.size = sizeof call;
  call.method = enrols ? TUMAR_METHOD_ENROLL : TUMAR_METHOD_VERIFY;
  call.request_id = argv[4];
  call.gallery = argv[5];
  call.subject = argv[6];
  call.purpose = argv[7];
  call.amount_kzt = strtoull(argv[8], NULL, 10);
  call.captured_at = strtoull(argv[9], NULL, 10);
  if (enrols) {
    good = good && !tumar_person_key(terminal, NULL, &call.person_key, error) &&
           give_key(terminal, call.person_key, argv[10], error);
  }
  good = good && !tumar_seal(terminal, committee, &call, templates, (size_t)captures, &request, error);
  for (int place = 0; place < captures; place++) {
    tumar_release(terminal, &templates[place], NULL);
  }
  return good && give(terminal, request, argv[10], error);
}

int main(int argc, char **argv) {
  tumar_terminal *terminal = NULL;
  tumar_error error = {0};
  struct file pins;
  if (tumar_terminal_abi() != TUMAR_ABI) {
    fprintf(stderr, "seal: the library is not the one of this header\n");
    return 2;
  }
  if (argc < 12 || argc - 11 > TUMAR_MOST_SAMPLES) {
    fprintf(stderr, "usage: seal PINS COMMITTEE METHOD ID GALLERY SUBJECT PURPOSE AMOUNT SECONDS OUT MODEL=FILE ...\n");
    return 2;
  }
  int good = read_file(argv[1], &pins) && !tumar_terminal_open(pins.bytes, pins.length, &terminal, &error);
  free_file(&pins);
  good = good && seal(terminal, argv, argc - 11, &error);
  if (!good) {
    fprintf(stderr, "seal: %" PRId32 " %s %s\n", error.status, error.reason, error.sentence);
  }
  tumar_terminal_close(&terminal, NULL);
  return good ? 0 : 1;
}
