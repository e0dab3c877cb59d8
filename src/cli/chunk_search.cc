// SPDX-License-Identifier: Apache-2.0
#include "cli/chunk_search.h"

#include <set>

#include "app/exit_code.h"

namespace millrace::cli {
namespace {

constexpr int kUnfinished = 3;
constexpr int kLetter = 2;
constexpr int kFinished = 1;

class Search {
 public:
  explicit Search(std::string name) : name_(std::move(name)) {}

  void look_at(ViewedLog log) {
    const buffer::ViewedChunk* chunk = nullptr;
    const buffer::DeadLetterFile* letter = nullptr;
    int rank = 0;
    for (const auto& [seq, one] : log.view->chunks()) {
      if (!one.found.open || !is_named(one.found.open->id, name_)) continue;
      ids_.insert(one.found.open->id.uuid());
      const int own = one.state == buffer::ChunkState::kFinished ? kFinished : kUnfinished;
      if (own < rank) continue;
      rank = own;
      chunk = &one;
    }
    for (const buffer::DeadLetterFile& one : log.letters) {
      if (!is_named(one.id, name_)) continue;
      ids_.insert(one.id.uuid());
      if (kLetter <= rank) continue;
      rank = kLetter;
      chunk = nullptr;
      letter = &one;
    }
    if (rank <= rank_) return;
    rank_ = rank;
    found_.chunk = chunk;
    found_.letter.reset();
    if (letter != nullptr) found_.letter = *letter;
    found_.log = std::move(log);
  }

  tl::expected<FoundPlace, int> result(int code) {
    if (ids_.empty() && code != app::kExitFine) return tl::unexpected(code);  // it may be there
    if (ids_.empty()) {
      complain("no chunk " + name_ +
               " is there: it was delivered and its segment removed, or it never was in these "
               "buffers; millrace buffer ls --state all tells what is");
      return tl::unexpected(worse(code, app::kExitBadData));
    }
    if (ids_.size() > 1) {
      std::string all;
      for (const std::string& id : ids_) all += " " + id;
      complain("several chunks begin with " + name_ + ":" + shown(all, 800));
      return tl::unexpected(app::kExitUsage);
    }
    return std::move(found_);
  }

 private:
  const std::string name_;
  int rank_ = 0;
  std::set<std::string> ids_;
  FoundPlace found_;
};

tl::expected<FoundPlace, int> find_file(io::FileSystem& files, const std::string& path) {
  auto letter = buffer::find_dead_letter(files, path);
  if (!letter) return tl::unexpected(complain_of_error("millrace", letter.error()));
  FoundPlace found;
  found.log.place.directory = path.substr(0, path.find_last_of('/'));
  found.letter = std::move(*letter);
  return found;
}

}  // namespace

tl::expected<FoundPlace, int> find_chunk(io::FileSystem& files, const Arguments& arguments,
                                         const std::string& name) {
  if (is_letter_path(name)) return find_file(files, name);
  if (!check_names({name})) return tl::unexpected(app::kExitUsage);
  const auto places = find_logs(files, arguments);
  if (!places) return tl::unexpected(places.error());
  Search search(chunk_name(name));
  int code = app::kExitFine;
  for (const LogPlace& place : *places) {
    auto log = view_log(files, place, false);
    if (!log) {
      code = worse(code, complain_of_error(place.directory, log.error()));
      continue;
    }
    code = worse(code, log->code);
    search.look_at(std::move(*log));
  }
  return search.result(code);
}

}  // namespace millrace::cli
