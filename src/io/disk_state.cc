// SPDX-License-Identifier: Apache-2.0
#include "io/disk_state.h"

#include <algorithm>

#include "base/check.h"

namespace millrace::io {
namespace {

// One bit of a seed's stream per sector.
bool scattered_in(uint64_t seed, uint64_t sector) {
  return (mix_hash(seed, sector) >> 17 & 1) != 0;
}

}  // namespace

std::string directory_of(const std::string& path) { return path.substr(0, path.find_last_of('/')); }

const InodeId* DiskState::find(const std::string& path) const {
  const auto found = names_.find(path);
  return found == names_.end() ? nullptr : &found->second;
}

DiskState::Inode& DiskState::edit(InodeId inode) {
  std::shared_ptr<Inode>& place = inodes_.at(inode);
  if (place.use_count() > 1) place = std::make_shared<Inode>(*place);
  return *place;
}

InodeId DiskState::create(const std::string& path) {
  const InodeId inode = next_inode_++;
  inodes_[inode] = std::make_shared<Inode>();
  names_[path] = inode;
  name_changes_.push_back(NameChange{NameChangeKind::kCreate, {}, path, inode});
  return inode;
}

void DiskState::rename(const std::string& from, const std::string& to) {
  const InodeId inode = names_.at(from);
  name_changes_.push_back(NameChange{NameChangeKind::kRename, from, to, inode});
  apply(name_changes_.back(), names_);
}

void DiskState::unlink(const std::string& path) {
  name_changes_.push_back(NameChange{NameChangeKind::kUnlink, path, {}, names_.at(path)});
  names_.erase(path);
}

void DiskState::apply(const NameChange& change, Names& names) {
  if (change.kind != NameChangeKind::kCreate) {
    const auto old = names.find(change.from);
    if (old != names.end() && old->second == change.inode) names.erase(old);
  }
  if (change.kind != NameChangeKind::kUnlink) names[change.to] = change.inode;
}

void DiskState::sync_directory(const std::string& path) {
  std::vector<NameChange> left;
  for (NameChange& change : name_changes_) {
    const bool inside = (!change.from.empty() && directory_of(change.from) == path) ||
                        (!change.to.empty() && directory_of(change.to) == path);
    if (inside) {
      apply(change, durable_names_);
    } else {
      left.push_back(std::move(change));
    }
  }
  name_changes_ = std::move(left);
}

void DiskState::write(InodeId inode, std::string_view bytes, uint64_t offset) {
  if (bytes.empty()) return;
  Inode& file = edit(inode);
  file.cache.write(bytes, offset);
  dirty_again(file, offset, bytes.size());
  file.changes.push_back(
      FileChange{.offset = offset, .bytes = std::make_shared<const std::string>(bytes)});
}

// A page that is written again is written whole by the next sync.
void DiskState::dirty_again(Inode& inode, uint64_t offset, uint64_t size) {
  const uint64_t begin = offset / PagedBytes::kPageBytes;
  const uint64_t end = (offset + size - 1) / PagedBytes::kPageBytes;
  for (FileChange& change : inode.changes) {
    const uint64_t page = change.offset / PagedBytes::kPageBytes;
    if (change.forgotten && page >= begin && page <= end) change.forgotten = false;
  }
}

void DiskState::resize(InodeId inode, uint64_t size) {
  Inode& file = edit(inode);
  if (file.cache.size() == size) return;
  file.cache.resize(size);
  file.changes.push_back(FileChange{.resizes = true, .offset = size});
}

void DiskState::sync(InodeId inode) {
  if (inodes_.at(inode)->changes.empty()) return;
  Inode& file = edit(inode);
  std::vector<FileChange> left;
  for (FileChange& change : file.changes) {
    if (change.forgotten) {
      left.push_back(std::move(change));
      continue;
    }
    apply(change, Survival{.how = Survival::How::kWhole}, file.durable);
    // What is cut off does not come back.
    if (change.resizes) {
      std::erase_if(left, [&](const FileChange& old) { return old.offset >= change.offset; });
    }
  }
  file.changes = std::move(left);
  if (file.changes.empty()) file.durable = file.cache;  // the same bytes, in shared pages
}

// In pieces of a page, for a page is what is dirty or clean. Sizes lie in the journal, not in
// pages.
void DiskState::forget(InodeId inode) {
  Inode& file = edit(inode);
  std::vector<FileChange> pieces;
  for (FileChange& change : file.changes) {
    if (change.resizes || change.forgotten) {
      pieces.push_back(std::move(change));
      continue;
    }
    const std::string& bytes = *change.bytes;
    for (size_t at = 0; at < bytes.size();) {
      const size_t room = PagedBytes::kPageBytes - (change.offset + at) % PagedBytes::kPageBytes;
      const size_t part = std::min(room, bytes.size() - at);
      pieces.push_back(
          FileChange{.forgotten = true,
                     .offset = change.offset + at,
                     .bytes = std::make_shared<const std::string>(bytes.substr(at, part))});
      at += part;
    }
  }
  file.changes = std::move(pieces);
}

uint32_t DiskState::sectors_of(const FileChange& change) {
  if (change.resizes) return 0;
  const uint64_t last = change.offset + change.bytes->size() - 1;
  return static_cast<uint32_t>(last / kSectorBytes - change.offset / kSectorBytes + 1);
}

void DiskState::apply(const FileChange& change, const Survival& survival, PagedBytes& bytes) {
  using How = Survival::How;
  if (survival.how == How::kLost) return;
  if (change.resizes) {
    bytes.resize(change.offset);
    return;
  }
  const std::string_view all = *change.bytes;
  if (survival.how == How::kWhole) {
    bytes.write(all, change.offset);
    return;
  }
  const uint32_t sectors = sectors_of(change);
  const uint64_t first = change.offset / kSectorBytes;
  for (uint32_t i = 0; i < sectors; ++i) {
    const bool kept = survival.how == How::kFirst  ? i < survival.sectors
                      : survival.how == How::kLast ? i + survival.sectors >= sectors
                                                   : scattered_in(survival.seed, i);
    if (!kept) continue;
    const uint64_t begin = std::max(change.offset, (first + i) * kSectorBytes);
    const uint64_t end = std::min(change.offset + all.size(), (first + i + 1) * kSectorBytes);
    bytes.write(all.substr(begin - change.offset, end - begin), begin);
  }
}

std::vector<DiskState::Change> DiskState::changes() const {
  std::vector<Change> found;
  for (const auto& [id, inode] : inodes_) {
    for (const FileChange& change : inode->changes) {
      const std::string place = "inode " + std::to_string(id);
      found.push_back(Change{sectors_of(change), false, change.forgotten,
                             change.resizes
                                 ? place + " size " + std::to_string(change.offset)
                                 : place + " write [" + std::to_string(change.offset) + ", +" +
                                       std::to_string(change.bytes->size()) + ")"});
    }
  }
  for (const NameChange& change : name_changes_) {
    found.push_back(Change{0, true, false, "name " + change.from + " -> " + change.to});
  }
  return found;
}

size_t DiskState::change_count() const {
  size_t count = name_changes_.size();
  for (const auto& [id, inode] : inodes_) {
    count += inode->changes.size();
  }
  return count;
}

DiskState DiskState::after_power_cut(const std::vector<Survival>& survives) const {
  CHECK(survives.size() == change_count());
  DiskState left;
  left.directories_ = directories_;
  left.next_inode_ = next_inode_;
  left.inodes_ = inodes_;
  size_t at = 0;
  for (const auto& [id, inode] : inodes_) {
    if (inode->changes.empty()) continue;
    Inode& file = left.edit(id);
    for (const FileChange& change : inode->changes) {
      apply(change, survives[at++], file.durable);
    }
    file.changes.clear();
    file.cache = file.durable;
  }
  left.durable_names_ = durable_names_;
  for (const NameChange& change : name_changes_) {
    if (survives[at++].how != Survival::How::kLost) apply(change, left.durable_names_);
  }
  left.names_ = left.durable_names_;
  std::set<InodeId> used;
  for (const auto& [name, inode] : left.names_) {
    used.insert(inode);
  }
  left.keep_only(used);
  return left;
}

DiskState DiskState::after_kill() const {
  DiskState left = *this;
  std::set<InodeId> used;
  for (const Names* names : {&names_, &durable_names_}) {
    for (const auto& [name, inode] : *names) {
      used.insert(inode);
    }
  }
  for (const NameChange& change : name_changes_) {
    used.insert(change.inode);
  }
  left.keep_only(used);
  return left;
}

void DiskState::keep_only(const std::set<InodeId>& used) {
  std::erase_if(inodes_, [&](const auto& entry) { return !used.contains(entry.first); });
}

uint64_t DiskState::hash() const {
  uint64_t sum = 1;
  for (const auto& [name, inode] : names_) {
    sum = mix_hash(mix_hash(sum, name), inodes_.at(inode)->cache.hash());
  }
  if (change_count() == 0) return sum;
  for (const auto& [name, inode] : durable_names_) {
    sum = mix_hash(mix_hash(sum, name), inodes_.at(inode)->durable.hash());
  }
  for (const auto& [id, inode] : inodes_) {
    for (const FileChange& change : inode->changes) {
      sum = mix_hash(mix_hash(sum, change.offset), change.forgotten ? 1 : 0);
      if (change.bytes != nullptr) sum = mix_hash(sum, *change.bytes);
    }
  }
  for (const NameChange& change : name_changes_) {
    sum = mix_hash(mix_hash(sum, change.from), change.to);
  }
  return sum;
}

}  // namespace millrace::io
