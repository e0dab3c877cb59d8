// SPDX-License-Identifier: Apache-2.0
// What `millrace decode` is given: a local stream, a GetRecords reply or the bytes of a record.
// Every event becomes exactly one line, every line of --meta is JSON.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "base/unique_fd.h"
#include "cli/event_line.h"
#include "cli/record_source.h"
#include "kpl/aggregate_reader.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

bool is_one_line(const std::string& line) {
  return !line.empty() && line.back() == '\n' && std::count(line.begin(), line.end(), '\n') == 1;
}

void check_event(const millrace::cli::KinesisRecord& record, std::string_view key,
                 std::string_view data) {
  require(is_one_line(millrace::cli::event_line(data)));
  const std::string meta =
      millrace::cli::event_line_with_meta({key, record.sequence_number, 0}, data);
  require(is_one_line(meta));
  require(nlohmann::json::accept(meta));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const millrace::UniqueFd fd(::memfd_create("input", MFD_CLOEXEC));
  require(::write(fd.get(), data, size) == static_cast<ssize_t>(size));
  require(::lseek(fd.get(), 0, SEEK_SET) == 0);
  const millrace::cli::RecordVisitor visitor{
      .record =
          [](const millrace::cli::KinesisRecord& record) {
            const auto aggregate = millrace::kpl::read_aggregate(record.data);
            if (aggregate && *aggregate) {
              for (const auto& user : (*aggregate)->records) {
                check_event(record, user.partition_key, user.data);
              }
            } else if (aggregate) {
              check_event(record, record.partition_key, record.data);
            }
            return true;
          },
      .damaged = [](const std::string& place,
                    const std::string& reason) { require(!place.empty() && !reason.empty()); }};
  require(millrace::cli::read_kinesis_records(fd.get(), "input", visitor).has_value());
  return 0;
}
