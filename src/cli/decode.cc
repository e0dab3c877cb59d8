// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "app/exit_code.h"
#include "base/unique_fd.h"
#include "cli/commands.h"
#include "cli/event_line.h"
#include "cli/record_source.h"
#include "cli/seen_records.h"
#include "kpl/aggregate_reader.h"

namespace millrace::cli {
namespace {

// "damaged aggregated record: why" is said here as "damaged record: why".
std::string reason_of(const Error& error) {
  const std::string_view prefix = "damaged aggregated record: ";
  const bool twice = error.message.compare(0, prefix.size(), prefix) == 0;
  return twice ? error.message.substr(prefix.size()) : error.message;
}

class Decoder {
 public:
  Decoder(const Arguments& arguments, Output& out)
      : meta_(arguments.meta), dedup_(arguments.dedup), out_(out) {}

  void read(int fd, const std::string& name) {
    struct stat info {};
    if (::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
      complain("cannot read " + name + ": it is a directory");
      worst_ = app::kExitBadData;
      return;
    }
    const RecordVisitor visitor{
        .record = [this](const KinesisRecord& record) { return print(record); },
        .damaged = [this](const std::string& place,
                          const std::string& reason) { report(place, reason); }};
    if (Result<> done = read_kinesis_records(fd, name, visitor); !done) {
      complain_of(name, done.error().message);
      worst_ = app::kExitDisk;
    }
  }

  void read_file(const std::string& name) {
    const UniqueFd fd(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.valid()) return read(fd.get(), name);
    const Error error = fail_errno(errno, "cannot read " + name).value();
    complain(error.message);
    worst_ = error.kind == ErrorKind::kPermission ? app::kExitPermission : app::kExitBadData;
  }

  /// Says on stderr how many records were left out.
  void tell_repeats() const {
    if (!dedup_) return;
    complain("left out " + std::to_string(seen_.repeats()) + " records that were sent again");
  }

  bool wants_more() const { return wants_more_; }
  int exit_code() const { return worst_; }

 private:
  // All events of the record or, if it is damaged or was seen before, none.
  bool print(const KinesisRecord& record) {
    const auto aggregate = kpl::read_aggregate(record.data);
    if (!aggregate) {
      report(std::string(record.place), reason_of(aggregate.error()));
    } else if (!*aggregate) {
      print_event(record, record.partition_key, 0, record.data);
    } else if (!dedup_ || seen_.is_new(record)) {
      uint64_t sub_sequence = 0;
      for (const kpl::UserRecord& user : (*aggregate)->records) {
        print_event(record, user.partition_key, sub_sequence++, user.data);
      }
    }
    return wants_more_;
  }

  void print_event(const KinesisRecord& record, std::string_view key, uint64_t sub_sequence,
                   std::string_view data) {
    const std::string line =
        meta_ ? event_line_with_meta({key, record.sequence_number, sub_sequence}, data)
              : event_line(data);
    wants_more_ = out_.write(line);
  }

  void report(const std::string& place, const std::string& reason) {
    out_.flush();  // so that a terminal shows both in their order
    complain_of(place, "damaged record: " + reason);
    if (worst_ == app::kExitFine) worst_ = app::kExitBadData;
  }

  const bool meta_;
  const bool dedup_;
  SeenRecords seen_;
  Output& out_;
  bool wants_more_ = true;
  int worst_ = app::kExitFine;
};

}  // namespace

int decode(const Arguments& arguments, int in, Output& out) {
  Decoder decoder(arguments, out);
  if (arguments.files.empty()) decoder.read(in, "stdin");
  for (const std::string& file : arguments.files) {
    if (!decoder.wants_more()) break;
    if (file == "-") {
      decoder.read(in, "stdin");
    } else {
      decoder.read_file(file);
    }
  }
  const int code = out.finish(decoder.exit_code());
  decoder.tell_repeats();
  return code;
}

}  // namespace millrace::cli
