// SPDX-License-Identifier: Apache-2.0
#pragma once

// DiskState: a file system as a value: what processes see (the page cache), what is on the disk for
// sure, and, in order, every change between the two. So the states that a power cut may leave can
// be made from it at any moment: a change survives, is lost, or survives in part. The rules are the
// weakest that Linux file systems keep:
//  * a write or a change of size is on disk after a sync of the file that returned 0; before that,
//  any
//    part of it may be, in sectors of 512 bytes;
//  * after a sync that failed the pages count as clean: no later sync writes them (Rebello et al.,
//    "Can Applications Recover from fsync Failures?", USENIX ATC 2020), unless they are written
//    again;
//  * a create, rename or unlink is on disk after a sync of a directory that it changed; each
//  happens
//    whole or not at all, a later one may survive without an earlier one.
// Directories themselves are durable when they are made. Invariant: the durable side and all
// changes that were not forgotten, in order, make the cache. A value; one thread at a time.

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "io/paged_bytes.h"

namespace millrace::io {

using InodeId = uint64_t;

/// What of one unsynced change reaches the disk.
struct Survival {
  enum class How : uint8_t { kLost, kWhole, kFirst, kLast, kScattered };
  How how = How::kLost;
  uint32_t sectors = 0;  // kFirst, kLast: so many; only writes have sectors
  uint64_t seed = 0;     // kScattered
};

class DiskState {
 public:
  static constexpr uint64_t kSectorBytes = 512;

  // --- As processes see it. Paths are absolute.
  const std::map<std::string, InodeId>& names() const { return names_; }
  const std::set<std::string>& directories() const { return directories_; }
  const InodeId* find(const std::string& path) const;
  const PagedBytes& cache(InodeId inode) const { return inodes_.at(inode)->cache; }

  InodeId create(const std::string& path);
  void rename(const std::string& from, const std::string& to);
  void unlink(const std::string& path);
  void sync_directory(const std::string& path);
  void make_directory(const std::string& path) { directories_.insert(path); }
  void write(InodeId inode, std::string_view bytes, uint64_t offset);
  void resize(InodeId inode, uint64_t size);
  void sync(InodeId inode);
  /// A sync that failed: nothing of the cache is sure to be on disk, and all of it counts as clean.
  void forget(InodeId inode);

  // --- Crashes.
  struct Change {
    uint32_t sectors = 0;  // of a write; 0: it is whole or lost
    bool of_name = false;
    bool forgotten = false;
    std::string what;  // for people
  };
  /// Every change that is not durable: those of files by inode, then those of names.
  std::vector<Change> changes() const;
  size_t change_count() const;
  /// What a power cut leaves if of change i survives[i] is on disk.
  DiskState after_power_cut(const std::vector<Survival>& survives) const;
  /// What a kill leaves: everything that processes saw, durable or not.
  DiskState after_kill() const;

  /// Equal for states that no process and no power cut can tell apart.
  uint64_t hash() const;

 private:
  struct FileChange {
    bool resizes = false;
    bool forgotten = false;
    uint64_t offset = 0;  // or the new size
    std::shared_ptr<const std::string> bytes;
  };
  struct Inode {
    PagedBytes cache;
    PagedBytes durable;
    std::vector<FileChange> changes;
  };
  enum class NameChangeKind : uint8_t { kCreate, kRename, kUnlink };
  struct NameChange {
    NameChangeKind kind;
    std::string from;  // kUnlink, kRename
    std::string to;    // kCreate, kRename
    InodeId inode;
  };
  using Names = std::map<std::string, InodeId>;

  Inode& edit(InodeId inode);
  static uint32_t sectors_of(const FileChange& change);
  static void apply(const FileChange& change, const Survival& survival, PagedBytes& bytes);
  static void apply(const NameChange& change, Names& names);
  static void dirty_again(Inode& inode, uint64_t offset, uint64_t size);
  void keep_only(const std::set<InodeId>& used);

  Names names_;
  Names durable_names_;
  std::vector<NameChange> name_changes_;
  std::set<std::string> directories_;
  std::map<InodeId, std::shared_ptr<Inode>> inodes_;  // shared between copies until one writes
  InodeId next_inode_ = 1;
};

/// The directory of a path: what stands before its last slash.
std::string directory_of(const std::string& path);

}  // namespace millrace::io
