// SPDX-License-Identifier: Apache-2.0
#include "cli/send_record.h"

#include <msgpack.hpp>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/endian.h"

namespace millrace::cli {
namespace {

using Json = nlohmann::json;

struct Appender {
  std::string& out;
  void write(const char* bytes, size_t size) { out.append(bytes, size); }
};

// Takes the parts of the JSON as they come. A container's count is known at its end, so it has the
// form of five bytes whose count is filled in then.
class RecordWriter final : public nlohmann::json_sax<Json> {
 public:
  explicit RecordWriter(std::string& out) : out_(out), appender_{out}, packer_(appender_) {}

  const std::string& fault() const { return fault_; }

  bool null() override {
    return value([&] { packer_.pack_nil(); });
  }
  bool boolean(bool v) override {
    return value([&] { v ? packer_.pack_true() : packer_.pack_false(); });
  }
  bool number_integer(number_integer_t v) override {
    return value([&] { packer_.pack_int64(v); });
  }
  bool number_unsigned(number_unsigned_t v) override {
    return value([&] { packer_.pack_uint64(v); });
  }
  bool number_float(number_float_t v, const string_t& text) override {
    if (text.find_first_of(".eE") == std::string::npos) {
      fault_ = "an integer beyond 64 bits: " + text.substr(0, kFaultBytesMax);
      return false;
    }
    return value([&] { packer_.pack_double(v); });
  }
  bool string(string_t& v) override {
    return value([&] { pack(v); });
  }
  bool binary(binary_t&) override { return false; }  // JSON text has none
  bool key(string_t& v) override {
    pack(v);
    return true;
  }
  bool start_object(size_t) override { return open(kMap32, true); }
  bool end_object() override { return close(); }
  bool start_array(size_t) override { return open(kArray32, false); }
  bool end_array() override { return close(); }

  bool parse_error(size_t position, const std::string&, const Json::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 5: what"
    std::string what = error.what();
    const size_t column = what.find("column ");
    const size_t end = what.find("] ");
    if (column != std::string::npos) {
      what.erase(0, column);
    } else if (end != std::string::npos) {
      what.erase(0, end + 2);
    }
    if (what.rfind("column ", 0) != 0) what = "column " + std::to_string(position) + ": " + what;
    fault_ = "not JSON: " + what;
    return false;
  }

 private:
  static constexpr char kMap32 = '\xdf';
  static constexpr char kArray32 = '\xdd';
  static constexpr size_t kFaultBytesMax = 60;

  struct Container {
    size_t count_at;
    uint32_t count = 0;
    bool map;
  };

  void pack(const std::string& text) {
    packer_.pack_str(static_cast<uint32_t>(text.size()));
    packer_.pack_str_body(text.data(), static_cast<uint32_t>(text.size()));
  }

  template <class Pack>
  bool value(Pack pack_it) {
    if (open_.empty()) {
      fault_ = "not a JSON object";
      return false;
    }
    ++open_.back().count;
    pack_it();
    return true;
  }

  bool open(char header, bool map) {
    if (open_.empty() && !map) {
      fault_ = "not a JSON object";
      return false;
    }
    if (open_.size() >= kRecordDepthMax) {
      fault_ = "nested deeper than " + std::to_string(kRecordDepthMax) + " levels";
      return false;
    }
    if (!open_.empty()) ++open_.back().count;
    open_.push_back({out_.size() + 1, 0, map});
    out_ += header;
    out_.append(sizeof(uint32_t), '\0');
    return true;
  }

  bool close() {
    store_be(out_.data() + open_.back().count_at, open_.back().count);
    open_.pop_back();
    return true;
  }

  std::string& out_;
  Appender appender_;
  msgpack::packer<Appender> packer_;
  std::vector<Container> open_;
  std::string fault_;
};

}  // namespace

Result<> append_record(std::string_view line, std::string& out) {
  // The library takes one for the end of the text.
  if (const size_t nul = line.find('\0'); nul != std::string_view::npos) {
    return fail(ErrorKind::kInvalid,
                "not JSON: column " + std::to_string(nul + 1) + ": a NUL byte");
  }
  const size_t before = out.size();
  RecordWriter writer(out);
  if (Json::sax_parse(line.begin(), line.end(), &writer)) return {};
  out.resize(before);
  return fail(ErrorKind::kInvalid, writer.fault());
}

void append_event_time(const EventTime& time, std::string& out) {
  Appender appender{out};
  char body[8];
  store_be(body, static_cast<uint32_t>(time.seconds));
  store_be(body + 4, time.nanoseconds);
  msgpack::packer<Appender>(appender).pack_ext(sizeof body, 0).pack_ext_body(body, sizeof body);
}

}  // namespace millrace::cli
