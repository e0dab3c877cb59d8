// SPDX-License-Identifier: Apache-2.0
#include "output/local/local_output.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <utility>

#include "base/encoding.h"
#include "output/json_text.h"
#include "output/local/local_stream.h"

namespace millrace::output {
namespace {

// Seconds since 1970 with three decimals, as GetRecords' JSON has them.
std::string arrival_now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
  char text[40];
  std::snprintf(text, sizeof text, "%lld.%03lld", static_cast<long long>(ms / 1000),
                static_cast<long long>(ms % 1000));
  return text;
}

class LocalSender final : public Sender {
 public:
  explicit LocalSender(LocalStream& stream) : stream_(stream) {}

  PutResult put(const Delivery& delivery) override {
    if (interrupted_.load(std::memory_order_relaxed)) {
      return {Outcome::kUnavailable, "given up: stopping"};
    }
    build_line(delivery);
    const auto sequence = stream_.append(line_);
    if (!sequence) return {Outcome::kUnavailable, sequence.error().message};
    return {Outcome::kCommitted, std::to_string(*sequence)};
  }

  void interrupt() noexcept override { interrupted_.store(true, std::memory_order_relaxed); }

 private:
  // All but the sequence number, which the stream puts in under its lock.
  void build_line(const Delivery& delivery) {
    constexpr size_t kRestBytes = 256;
    line_.clear();
    line_.reserve(base64_encoded_size(delivery.record.size()) + delivery.partition_key.size() +
                  kRestBytes);
    line_.append(kLineStart).append(kSequenceDigits, '0');
    line_.append(R"(","ApproximateArrivalTimestamp":)").append(arrival_now());
    line_.append(R"(,"PartitionKey":)");
    append_json_string(line_, delivery.partition_key);
    line_.append(R"(,"Data":")");
    base64_append(line_, delivery.record);
    line_.append("\"}\n");
  }

  LocalStream& stream_;
  std::string line_;  // used again for every record
  std::atomic<bool> interrupted_{false};
};

class LocalOutput final : public Output {
 public:
  explicit LocalOutput(std::unique_ptr<LocalStream> stream) : stream_(std::move(stream)) {}

  std::unique_ptr<Sender> make_sender() override { return std::make_unique<LocalSender>(*stream_); }
  std::string target() const override { return "files in " + stream_->directory(); }

 private:
  const std::unique_ptr<LocalStream> stream_;
};

}  // namespace

Result<std::unique_ptr<Output>> make_local_output(const config::Match& match,
                                                  const config::System& system) {
  std::string path = match.local.path.empty() ? system.root_dir + "/output" : match.local.path;
  while (path.size() > 1 && path.back() == '/') {
    path.pop_back();
  }
  auto stream = LocalStream::open(path, match.local.rotate_size);
  if (!stream) return tl::unexpected<Error>(stream.error());
  return std::make_unique<LocalOutput>(std::move(*stream));
}

}  // namespace millrace::output
