// SPDX-License-Identifier: Apache-2.0
#include "cli/chunk_search.h"

#include <map>
#include <set>
#include <utility>

#include "app/exit_code.h"

namespace millrace::cli {
namespace {

constexpr int kUnfinished = 3;
constexpr int kLetter = 2;
constexpr int kFinished = 1;

// One life of an id in a log.
struct Life {
  const buffer::ViewedChunk* chunk = nullptr;
  const buffer::DeadLetterFile* letter = nullptr;  // if it is no chunk

  const ChunkId& id() const { return letter != nullptr ? letter->id : chunk->found.open->id; }
  int rank() const {
    if (letter != nullptr) return kLetter;
    return chunk->state == buffer::ChunkState::kFinished ? kFinished : kUnfinished;
  }
};
// By the digits of their ids, so that a name finds its own among many; those of one id in order.
using Lives = std::multimap<std::string, Life>;

Lives lives_of(const ViewedLog& log) {
  Lives lives;
  for (const auto& [seq, chunk] : log.view->chunks()) {
    if (chunk.found.open) lives.emplace(chunk.found.open->id.hex(), Life{&chunk, nullptr});
  }
  for (const buffer::DeadLetterFile& letter : log.letters) {
    lives.emplace(letter.id.hex(), Life{nullptr, &letter});
  }
  return lives;
}

class Search {
 public:
  explicit Search(std::string name) : name_(std::move(name)) {}

  void look_at(const std::shared_ptr<const ViewedLog>& log, const Lives& lives) {
    const Life* best = nullptr;
    for (auto at = lives.lower_bound(name_); at != lives.end() && is_named(at->second.id(), name_);
         ++at) {
      const Life& life = at->second;
      ids_.insert(life.id().uuid());
      if (best == nullptr || life.rank() >= best->rank()) best = &life;
    }
    if (best == nullptr || best->rank() <= rank_) return;
    rank_ = best->rank();
    found_.log = log;
    found_.chunk = best->chunk;
    found_.letter.reset();
    if (best->letter != nullptr) found_.letter = *best->letter;
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
  ViewedLog log;
  log.place.directory = path.substr(0, path.find_last_of('/'));
  FoundPlace found;
  found.log = std::make_shared<const ViewedLog>(std::move(log));
  found.letter = std::move(*letter);
  return found;
}

// By where the result of each belongs. Returns the exit code of what could not be looked at.
int look_into_logs(io::FileSystem& files, const Arguments& arguments,
                   std::map<size_t, Search>& searches) {
  const auto places = find_logs(files, arguments);
  if (!places) return places.error();
  int code = app::kExitFine;
  for (const LogPlace& place : *places) {
    auto viewed = view_log(files, place, false);
    if (!viewed) {
      code = worse(code, complain_of_error(place.directory, viewed.error()));
      continue;
    }
    code = worse(code, viewed->code);
    const auto log = std::make_shared<const ViewedLog>(std::move(*viewed));
    const Lives lives = lives_of(*log);
    for (auto& [at, search] : searches) search.look_at(log, lives);
  }
  return code;
}

}  // namespace

std::vector<tl::expected<FoundPlace, int>> find_chunks(io::FileSystem& files,
                                                       const Arguments& arguments,
                                                       const std::vector<std::string>& names) {
  std::vector<tl::expected<FoundPlace, int>> found;
  std::map<size_t, Search> searches;
  for (const std::string& name : names) {
    if (is_letter_path(name)) {
      found.push_back(find_file(files, name));
      continue;
    }
    if (check_names({name})) searches.emplace(found.size(), Search(chunk_name(name)));
    found.push_back(tl::unexpected(app::kExitUsage));  // unless it is searched for
  }
  if (searches.empty()) return found;
  const int code = look_into_logs(files, arguments, searches);
  for (auto& [at, search] : searches) found[at] = search.result(code);
  return found;
}

tl::expected<FoundPlace, int> find_chunk(io::FileSystem& files, const Arguments& arguments,
                                         const std::string& name) {
  return std::move(find_chunks(files, arguments, {name}).front());
}

}  // namespace millrace::cli
