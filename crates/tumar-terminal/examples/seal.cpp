// The same terminal in C++: what the library holds is released by destructors, and what it refuses is an exception. The classes are what a
// program may copy; main() takes the arguments of seal.c.
#include "tumar_terminal.h"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace tumar {

// What was refused: match on status and reason.
class Refused : public std::runtime_error {
public:
  explicit Refused(const tumar_error &error)
      : std::runtime_error(error.sentence), status(error.status), reason(error.reason), party(error.party) {}
  tumar_status status;
  std::string reason;
  char party;
};

// Calls with room for an error behind the arguments.
template <typename Function, typename... Arguments> void call(Function function, Arguments... arguments) {
  tumar_error error{};
  if (tumar_status status = function(arguments..., &error)) {
    error.status = status;
    throw Refused(error);
  }
}

// Bytes of a person, wiped when they go. They do not grow, so no copy is left behind.
class Secret {
public:
  explicit Secret(std::vector<std::uint8_t> bytes) : bytes_(std::move(bytes)) {}
  Secret(Secret &&) = default;
  Secret(const Secret &) = delete;
  Secret &operator=(const Secret &) = delete;
  ~Secret() { tumar_wipe(bytes_.data(), bytes_.size(), nullptr); }
  const std::vector<std::uint8_t> &bytes() const { return bytes_; }

private:
  std::vector<std::uint8_t> bytes_;
};

class Terminal {
public:
  explicit Terminal(const std::string &pins) {
    call(tumar_terminal_open, reinterpret_cast<const std::uint8_t *>(pins.data()), pins.size(), &terminal_);
  }
  Terminal(const Terminal &) = delete;
  Terminal &operator=(const Terminal &) = delete;
  ~Terminal() { tumar_terminal_close(&terminal_, nullptr); }
  const tumar_terminal *get() const { return terminal_; }

private:
  tumar_terminal *terminal_ = nullptr;
};

// Something that a terminal holds. It must go before its terminal does.
class Held {
public:
  Held(const Terminal &terminal, tumar_handle handle) : terminal_(&terminal), handle_(handle) {}
  Held(Held &&other) noexcept : terminal_(other.terminal_), handle_(std::exchange(other.handle_, 0)) {}
  Held(const Held &) = delete;
  Held &operator=(const Held &) = delete;
  ~Held() { tumar_release(terminal_->get(), &handle_, nullptr); }
  tumar_handle get() const { return handle_; }

private:
  const Terminal *terminal_;
  tumar_handle handle_;
};

// One of the functions that write into a buffer.
template <typename Function, typename... Arguments>
std::vector<std::uint8_t> bytes(Function function, Arguments... arguments) {
  tumar_buffer buffer{nullptr, 0, 0};
  call(function, arguments..., &buffer);
  std::vector<std::uint8_t> made(buffer.length);
  buffer = {made.data(), made.size(), 0};
  call(function, arguments..., &buffer);
  return made;
}

inline Held committee(const Terminal &terminal, const std::vector<std::uint8_t> &answer) {
  tumar_handle handle = 0;
  call(tumar_committee_check, terminal.get(), answer.data(), answer.size(), &handle);
  return {terminal, handle};
}

inline Held face(const Terminal &terminal, const Held &committee, const std::string &model, const Secret &embedding) {
  tumar_handle handle = 0;
  const auto *floats = reinterpret_cast<const float *>(embedding.bytes().data());
  call(tumar_face, terminal.get(), committee.get(), model.c_str(), floats, embedding.bytes().size() / 4, &handle);
  return {terminal, handle};
}

inline Held finger(const Terminal &terminal, const Held &committee, const std::string &model, const Secret &bytes) {
  tumar_handle handle = 0;
  tumar_record record{bytes.bytes().data(), bytes.bytes().size(), TUMAR_ANY, TUMAR_ANY};
  call(tumar_finger, terminal.get(), committee.get(), model.c_str(), &record, &handle);
  return {terminal, handle};
}

inline Held person_key(const Terminal &terminal) {
  tumar_handle handle = 0;
  call(tumar_person_key, terminal.get(), static_cast<const char *>(nullptr), &handle);
  return {terminal, handle};
}

inline Held seal(const Terminal &terminal, const Held &committee, const tumar_call &asked,
                 const std::vector<Held> &templates) {
  std::vector<tumar_handle> handles;
  for (const Held &held : templates) {
    handles.push_back(held.get());
  }
  tumar_handle handle = 0;
  call(tumar_seal, terminal.get(), committee.get(), &asked, handles.data(), handles.size(), &handle);
  return {terminal, handle};
}

} // namespace tumar

namespace {

std::vector<std::uint8_t> read(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw std::runtime_error(path + " can not be read");
  }
  file.seekg(0, std::ios::end);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(file.tellg()));
  file.seekg(0);
  file.read(reinterpret_cast<char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

void write(const std::string &path, const std::vector<std::uint8_t> &bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) {
    throw std::runtime_error(path + " can not be written");
  }
}

void run(const std::vector<std::string> &arguments) {
  const std::vector<std::uint8_t> pins = read(arguments[1]);
  const tumar::Terminal terminal(std::string(pins.begin(), pins.end()));
  const tumar::Held committee = tumar::committee(terminal, read(arguments[2]));
  std::vector<tumar::Held> templates;
  for (std::size_t place = 11; place < arguments.size(); place++) {
    const std::size_t equals = arguments[place].find('=');
    const std::string model = arguments[place].substr(0, equals), path = arguments[place].substr(equals + 1);
    const bool is_face = path.size() > 4 && path.compare(path.size() - 4, 4, ".f32") == 0;
    const tumar::Secret captured(read(path));
    templates.push_back(is_face ? tumar::face(terminal, committee, model, captured)
                                : tumar::finger(terminal, committee, model, captured));
  }
  const bool enrols = arguments[3] == "enroll";
  const tumar::Held key = enrols ? tumar::person_key(terminal) : tumar::Held(terminal, 0);
  tumar_call asked{};
  asked.size = sizeof asked;
  asked.method = enrols ? TUMAR_METHOD_ENROLL : TUMAR_METHOD_VERIFY;
  asked.request_id = arguments[4].c_str();
  asked.gallery = arguments[5].c_str();
  asked.subject = arguments[6].c_str();
  asked.purpose = arguments[7].c_str();
  asked.amount_kzt = std::stoull(arguments[8]);
  asked.captured_at = std::stoull(arguments[9]);
  asked.person_key = key.get();
  const tumar::Held request = tumar::seal(terminal, committee, asked, templates);
  if (enrols) {
    const tumar::Secret text(tumar::bytes(tumar_person_key_text, terminal.get(), key.get()));
    write(arguments[10] + ".key", text.bytes());
  }
  write(arguments[10], tumar::bytes(tumar_request_bytes, terminal.get(), request.get(), TUMAR_REQUEST_MESSAGE));
  write(arguments[10] + ".saved", tumar::bytes(tumar_request_bytes, terminal.get(), request.get(), TUMAR_REQUEST_SAVED));
}

} // namespace

int main(int argc, char **argv) {
  if (tumar_terminal_abi() != TUMAR_ABI) {
    std::cerr << "seal: the library is not the one of this header\n";
    return 2;
  }
  if (argc < 12) {
    std::cerr << "usage: seal PINS COMMITTEE METHOD ID GALLERY SUBJECT PURPOSE AMOUNT SECONDS OUT MODEL=FILE ...\n";
    return 2;
  }
  try {
    run({argv, argv + argc});
  } catch (const tumar::Refused &refused) {
    std::cerr << "seal: " << refused.status << ' ' << refused.reason << ' ' << refused.what() << '\n';
    return 1;
  } catch (const std::exception &error) {
    std::cerr << "seal: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
