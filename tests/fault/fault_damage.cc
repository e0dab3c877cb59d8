// SPDX-License-Identifier: Apache-2.0
// Damages one log in every way of a kind and starts on it.
//
//   fault_damage bits [--seed N] [--bytes N] [--stride N] [--counter-file FILE] [--table]
//   fault_damage cuts ...
//
//   bits            every bit of the segment, then of the position file (256 KiB)
//   cuts            every length, with nothing, zeros and garbage behind the cut (2 MiB)
//   --stride        only one case in so many (1)
//   --counter-file  where it goes on after it was stopped
//   --table         only a row for bench/README.md of what the counter file holds
//
// Exit code 1 with the case if it cost more than it may.

#include <cstdio>

#include "base/log.h"
#include "tests/fault/counter.h"
#include "tests/fault/damage.h"
#include "tests/fault/options.h"

namespace millrace::fault {
namespace {

constexpr uint64_t kSaveEvery = 20'000;

struct Arguments {
  bool cuts = false;
  uint64_t seed = 1;
  uint64_t bytes = 0;
  uint64_t stride = 1;
  std::string counter_file;
  bool table = false;
};

bool parse(int count, char** words, Arguments& arguments) {
  if (count < 2) return false;
  const std::string kind = words[1];
  if (kind != "bits" && kind != "cuts") return false;
  arguments.cuts = kind == "cuts";
  arguments.bytes = arguments.cuts ? 2 << 20 : 256 << 10;
  Options options;
  options.number("--seed", arguments.seed);
  options.number("--bytes", arguments.bytes, 64 << 10);
  options.number("--stride", arguments.stride, 1);
  options.text("--counter-file", arguments.counter_file);
  options.flag("--table", arguments.table);
  return options.parse(count, words, 2) && (!arguments.table || !arguments.counter_file.empty());
}

/// Every case of a kind by its number.
class Cases {
 public:
  Cases(bool cuts, uint64_t seed, uint64_t bytes)
      : cuts_(cuts),
        golden_({.seed = seed, .bytes = bytes, .ends_with_pad = !cuts, .delivers = !cuts}) {}

  uint64_t count() const {
    const uint64_t segment = golden_.segment_end();
    return cuts_ ? 3 * (segment + 1) : 8 * (segment + golden_.position_end());
  }
  std::string check(uint64_t number) const {
    if (cuts_) return check_cut(golden_, number / 3, static_cast<Behind>(number % 3));
    const uint64_t segment_bits = 8 * golden_.segment_end();
    return number < segment_bits ? check_segment_flip(golden_, number)
                                 : check_position_flip(golden_, number - segment_bits);
  }

 private:
  const bool cuts_;
  const GoldenLog golden_;
};

void print_table(Counter& counter, const Arguments& arguments) {
  std::printf(
      "| %s | `fault_damage %s --seed %lu --bytes %lu --stride %lu` | %lu | %lu cases, one in %lu "
      "of %lu "
      "| %s | %s |\n",
      arguments.cuts ? "G8 (K7, T03): a torn tail at every byte"
                     : "G7 (D1, T04): a flipped bit costs at most its frame, and is told",
      arguments.cuts ? "cuts" : "bits", counter["seed"], counter["bytes"], counter["stride"],
      counter["seed"], counter["checked"], counter["stride"], counter["cases"],
      counter["broken"] == 0 ? "none broken" : "BROKEN", counter.date().c_str());
}

int run(const Arguments& arguments) {
  Counter counter(arguments.counter_file);
  if (arguments.table) {
    print_table(counter, arguments);
    return 0;
  }
  if (counter.empty()) {
    counter["seed"] = arguments.seed;
    counter["bytes"] = arguments.bytes;
    counter["stride"] = arguments.stride;
  }
  const Cases cases(arguments.cuts, counter["seed"], counter["bytes"]);
  counter["cases"] = cases.count();
  std::printf("seed %lu, %lu cases, from %lu\n", counter["seed"], cases.count(), counter["next"]);
  std::fflush(stdout);
  for (; counter["next"] < cases.count(); counter["next"] += counter["stride"]) {
    const std::string broken = cases.check(counter["next"]);
    if (!broken.empty()) {
      counter["broken"] += 1;
      counter.save();
      std::printf("BROKEN: case %lu: %s\n", counter["next"], broken.c_str());
      return 1;
    }
    if (++counter["checked"] % kSaveEvery == 0) counter.save();
  }
  counter.save();
  std::printf("%lu cases, none broken\n", counter["checked"]);
  return 0;
}

}  // namespace
}  // namespace millrace::fault

int main(int count, char** words) {
  millrace::fault::Arguments arguments;
  if (!millrace::fault::parse(count, words, arguments)) {
    std::fprintf(stderr,
                 "usage: fault_damage bits|cuts [--seed N] [--bytes N] [--stride N] "
                 "[--counter-file FILE] [--table]\n");
    return 64;
  }
  millrace::log::configure(millrace::log::Level::kError, millrace::log::Format::kText);
  return millrace::fault::run(arguments);
}
