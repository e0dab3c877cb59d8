// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <chrono>
#include <msgpack.hpp>
#include <optional>
#include <utility>

#include "app/exit_code.h"
#include "base/chunk_id.h"
#include "base/encoding.h"
#include "base/random_bytes.h"
#include "cli/commands.h"
#include "cli/line_reader.h"
#include "cli/send_connection.h"
#include "cli/send_record.h"

namespace millrace::cli {
namespace {

constexpr size_t kBatchEventsMax = 1000;
constexpr size_t kBatchBytesMax = 1 << 20;
constexpr size_t kLineBytesMax = 32 << 20;  // half of the frame_limit that millrace has by default

std::chrono::system_clock::duration since_1970() {
  return std::chrono::system_clock::now().time_since_epoch();
}

EventTime now() {
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(since_1970()).count();
  return {ns / 1'000'000'000, static_cast<uint32_t>(ns % 1'000'000'000)};
}

// What Fluentd uses: base64 of 16 bytes, the time in them first.
std::string new_chunk_id() {
  std::array<uint64_t, 2> random{};
  random_bytes(random.data(), sizeof random);
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(since_1970()).count();
  return base64_encode(ChunkId::make(static_cast<uint64_t>(us), random).view());
}

// Events on their way: collected into Forward mode messages, [tag, [[time, record], ...], option].
class Sender {
 public:
  Sender(const Arguments& arguments, SendConnection connection)
      : arguments_(arguments), connection_(std::move(connection)) {}

  Result<> add(std::string_view line, const EventTime& time) {
    const size_t before = entries_.size();
    entries_ += '\x92';  // an array of two
    append_event_time(time, entries_);
    if (Result<> record = append_record(line, entries_); !record) {
      entries_.resize(before);
      return record;
    }
    ++batch_events_;
    return {};
  }

  bool is_full() const {
    return batch_events_ >= kBatchEventsMax || entries_.size() >= kBatchBytesMax;
  }

  Result<> flush() {
    if (batch_events_ == 0) return {};
    const std::string id = new_chunk_id();
    if (Result<> written = connection_.write(message(id)); !written) return written;
    sent_ += batch_events_;
    if (arguments_.ack) {
      if (Result<> acked = connection_.read_ack(id); !acked) return acked;
      acked_ += batch_events_;
    }
    entries_.clear();
    batch_events_ = 0;
    return {};
  }

  /// After the last message.
  Result<> finish() { return arguments_.ack ? Result<>() : connection_.finish(); }

  std::string summary() const {
    std::string text = std::to_string(sent_) + (sent_ == 1 ? " event" : " events") + " sent";
    if (arguments_.ack) text += ", " + std::to_string(acked_) + " acked";
    return text + "\n";
  }

 private:
  std::string message(const std::string& id) const {
    msgpack::sbuffer bytes;
    msgpack::packer<msgpack::sbuffer> packer(bytes);
    packer.pack_array(3).pack(arguments_.tag).pack_array(static_cast<uint32_t>(batch_events_));
    bytes.write(entries_.data(), entries_.size());
    packer.pack_map(arguments_.ack ? 2 : 1);
    packer.pack(std::string("size")).pack(static_cast<uint64_t>(batch_events_));
    if (arguments_.ack) packer.pack(std::string("chunk")).pack(id);
    return {bytes.data(), bytes.size()};
  }

  const Arguments& arguments_;
  SendConnection connection_;
  std::string entries_;
  size_t batch_events_ = 0;
  uint64_t sent_ = 0;
  uint64_t acked_ = 0;
};

constexpr const char* kNotSent = "; neither this line nor those after it were sent";

std::string place_of(const LineReader& lines) {
  return "stdin:" + std::to_string(lines.line_number());
}

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

bool sent(const Result<>& result) {
  if (!result) complain(result.error().message);
  return result.has_value();
}

// The exit code after the last line, or after the first that is wrong or cannot be sent.
int send_lines(Sender& sender, const std::optional<EventTime>& time, int in) {
  LineReader lines(in, kLineBytesMax);
  int code = app::kExitFine;
  while (code == app::kExitFine) {
    // Who types, or follows a file, shall not wait for the batch to be full.
    if (!lines.has_line() && !lines.is_ready() && !sent(sender.flush())) {
      return app::kExitUnavailable;
    }
    const auto line = lines.next();
    if (!line) {
      complain_of(place_of(lines), line.error().message + kNotSent);
      code = line.error().kind == ErrorKind::kInvalid ? app::kExitBadData : app::kExitDisk;
      break;
    }
    if (!*line) break;
    if (is_blank(**line)) continue;
    if (Result<> added = sender.add(**line, time ? *time : now()); !added) {
      complain_of(place_of(lines), added.error().message + kNotSent);
      code = app::kExitBadData;
    }
    if (sender.is_full() && !sent(sender.flush())) return app::kExitUnavailable;
  }
  return sent(sender.flush()) && sent(sender.finish()) ? code : app::kExitUnavailable;
}

}  // namespace

int send(const Arguments& arguments, int in, Output& out) {
  std::optional<EventTime> time;
  if (!arguments.time.empty()) {
    const Result<EventTime> parsed = parse_event_time(arguments.time);
    if (!parsed) {
      complain("--time " + arguments.time + ": " + parsed.error().message);
      return app::kExitUsage;
    }
    time = *parsed;
  }
  Result<SendConnection> connection =
      SendConnection::open(arguments.host, arguments.port, arguments.timeout_ms);
  if (!connection) {
    complain(connection.error().message);
    return app::kExitUnavailable;
  }
  Sender sender(arguments, *std::move(connection));
  const int code = send_lines(sender, time, in);
  out.write(sender.summary());
  return out.finish(code);
}

}  // namespace millrace::cli
