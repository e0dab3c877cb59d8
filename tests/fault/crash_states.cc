// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/crash_states.h"

#include "io/simulated.h"

namespace millrace::fault {
namespace {

using How = io::Survival::How;
using Changes = std::vector<io::DiskState::Change>;

constexpr uint32_t kTearsPerWrite = 24;
constexpr int kSubsets = 8;

class Lister {
 public:
  Lister(const io::DiskState& disk, uint64_t seed) : changes_(disk.changes()), random_(seed) {}

  std::vector<CrashState> all() {
    ends();
    for (size_t i = 0; i < changes_.size(); ++i) {
      one(i, How::kWhole, How::kLost);
      one(i, How::kLost, How::kWhole);
      prefix(i);
    }
    names_apart();
    for (size_t i = 0; i < changes_.size(); ++i) tears(i);
    for (int i = 0; i < kSubsets && changes_.size() > 1; ++i) subset();
    return std::move(found_);
  }

  std::vector<CrashState> few() {
    ends();
    if (changes_.empty()) return std::move(found_);
    const size_t last = changes_.size() - 1;
    if (changes_.size() > 1) {
      one(last, How::kWhole, How::kLost);
      one(random_.below(changes_.size()), How::kWhole, How::kLost);
      subset();
    }
    if (changes_[last].sectors > 1) {
      tear(last, How::kWhole, How::kFirst,
           1 + static_cast<uint32_t>(random_.below(changes_[last].sectors - 1)));
    }
    return std::move(found_);
  }

 private:
  void ends() {
    found_.push_back(CrashState{.kill = true, .survives = {}});
    add(std::vector<io::Survival>(changes_.size()));
    if (!changes_.empty()) add(std::vector(changes_.size(), io::Survival{.how = How::kWhole}));
  }
  void add(std::vector<io::Survival> survives) {
    found_.push_back(CrashState{.kill = false, .survives = std::move(survives)});
  }
  void one(size_t index, How others, How own) {
    std::vector<io::Survival> survives(changes_.size(), io::Survival{.how = others});
    survives[index].how = own;
    add(std::move(survives));
  }
  void prefix(size_t count) {
    std::vector<io::Survival> survives(changes_.size());
    for (size_t i = 0; i < count; ++i) survives[i].how = How::kWhole;
    add(std::move(survives));
  }
  // All writes with no name, and all names with no write.
  void names_apart() {
    std::vector<io::Survival> writes(changes_.size());
    std::vector<io::Survival> names(changes_.size());
    for (size_t i = 0; i < changes_.size(); ++i) {
      (changes_[i].of_name ? names : writes)[i].how = How::kWhole;
    }
    add(std::move(writes));
    add(std::move(names));
  }
  void tear(size_t index, How others, How how, uint32_t sectors) {
    std::vector<io::Survival> survives(changes_.size(), io::Survival{.how = others});
    survives[index] = io::Survival{.how = how, .sectors = sectors, .seed = random_.next()};
    add(std::move(survives));
  }
  // Every sector boundary of a short write; of a long one the ends and some in between.
  void tears(size_t index) {
    const uint32_t sectors = changes_[index].sectors;
    if (sectors < 2) return;
    for (uint32_t i = 1; i < sectors && i <= kTearsPerWrite; ++i) {
      const bool each = sectors <= kTearsPerWrite;
      const uint32_t at = each || i == 1 ? i
                          : i == kTearsPerWrite
                              ? sectors - 1
                              : 1 + static_cast<uint32_t>(random_.below(sectors - 1));
      tear(index, How::kWhole, How::kFirst, at);
      if (i % 4 == 1) tear(index, How::kLost, How::kLast, at);
    }
    tear(index, How::kWhole, How::kScattered, 0);
    tear(index, How::kWhole, How::kScattered, 0);
  }
  void subset() {
    std::vector<io::Survival> survives(changes_.size());
    for (size_t i = 0; i < changes_.size(); ++i) {
      const bool torn = changes_[i].sectors > 1 && random_.one_in(4);
      survives[i].seed = random_.next();
      survives[i].how = torn ? How::kScattered : random_.one_in(2) ? How::kWhole : How::kLost;
    }
    add(std::move(survives));
  }

  const Changes changes_;
  io::SimulatedRandom random_;
  std::vector<CrashState> found_;
};

}  // namespace

std::vector<CrashState> crash_states(const io::DiskState& disk, uint64_t seed, Breadth breadth) {
  Lister lister(disk, seed);
  return breadth == Breadth::kAll ? lister.all() : lister.few();
}

std::string describe(const io::DiskState& disk, const CrashState& state) {
  if (state.kill) return "kill";
  std::string text = "power cut";
  const Changes changes = disk.changes();
  static constexpr const char* kHow[] = {"lost", "kept", "first sectors", "last sectors",
                                         "scattered sectors"};
  for (size_t i = 0; i < changes.size(); ++i) {
    const io::Survival& survival = state.survives[i];
    text += "\n    " + changes[i].what + ": " + kHow[static_cast<size_t>(survival.how)];
    if (survival.sectors > 0) {
      text += " (" + std::to_string(survival.sectors) + " of " +
              std::to_string(changes[i].sectors) + ")";
    }
    if (changes[i].forgotten) text += ", after a failed sync";
  }
  return text;
}

}  // namespace millrace::fault
