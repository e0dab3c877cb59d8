// SPDX-License-Identifier: Apache-2.0
#include "io/paged_bytes.h"

#include <algorithm>
#include <cstring>

namespace millrace::io {
namespace {

constexpr uint64_t kHashSeed = 0x243f6a8885a308d3U;

}  // namespace

uint64_t mix_hash(uint64_t hash, std::string_view bytes) {
  for (size_t at = 0; at < bytes.size(); at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, std::min(sizeof word, bytes.size() - at));
    hash = mix_hash(hash, word);
  }
  return mix_hash(hash, bytes.size());
}

uint64_t PagedBytes::written_end() const {
  uint64_t pages = pages_.size();
  while (pages > 0 && pages_[pages - 1] == nullptr) --pages;
  return std::min(size_, pages * kPageBytes);
}

size_t PagedBytes::read(char* out, size_t size, uint64_t offset) const {
  if (offset >= size_) return 0;
  size = static_cast<size_t>(std::min<uint64_t>(size, size_ - offset));
  for (size_t done = 0; done < size;) {
    const uint64_t index = (offset + done) / kPageBytes;
    const size_t begin = static_cast<size_t>((offset + done) % kPageBytes);
    const size_t part = std::min<size_t>(size - done, kPageBytes - begin);
    if (index < pages_.size() && pages_[index] != nullptr) {
      std::memcpy(out + done, pages_[index]->bytes.data() + begin, part);
    } else {
      std::memset(out + done, 0, part);
    }
    done += part;
  }
  return size;
}

PagedBytes::Page& PagedBytes::page_for_write(uint64_t index) {
  if (pages_.size() <= index) pages_.resize(index + 1);
  std::shared_ptr<Page>& page = pages_[index];
  if (page == nullptr) {
    page = std::make_shared<Page>();
  } else if (page.use_count() > 1) {
    page = std::make_shared<Page>(*page);
  }
  page->hash = 0;
  return *page;
}

void PagedBytes::write(std::string_view bytes, uint64_t offset) {
  for (size_t done = 0; done < bytes.size();) {
    const size_t begin = static_cast<size_t>((offset + done) % kPageBytes);
    const size_t part = std::min<size_t>(bytes.size() - done, kPageBytes - begin);
    Page& page = page_for_write((offset + done) / kPageBytes);
    std::memcpy(page.bytes.data() + begin, bytes.data() + done, part);
    done += part;
  }
  if (!bytes.empty()) size_ = std::max<uint64_t>(size_, offset + bytes.size());
}

void PagedBytes::resize(uint64_t size) {
  if (size < size_) {
    const uint64_t pages = (size + kPageBytes - 1) / kPageBytes;
    if (pages_.size() > pages) pages_.resize(pages);
    const size_t kept = static_cast<size_t>(size % kPageBytes);
    if (kept > 0 && pages_.size() == pages && pages_.back() != nullptr) {
      Page& last = page_for_write(pages - 1);
      std::memset(last.bytes.data() + kept, 0, kPageBytes - kept);
    }
  }
  size_ = size;
}

// A page of zeros is as none.
uint64_t PagedBytes::hash() const {
  static const std::array<char, kPageBytes> zeros{};
  static const uint64_t zero_hash = mix_hash(kHashSeed, {zeros.data(), zeros.size()});
  uint64_t sum = mix_hash(kHashSeed, size_);
  for (size_t i = 0; i < pages_.size(); ++i) {
    if (pages_[i] == nullptr) continue;
    const Page& page = *pages_[i];
    if (page.hash == 0) page.hash = mix_hash(kHashSeed, {page.bytes.data(), page.bytes.size()});
    if (page.hash == zero_hash) continue;
    sum = mix_hash(mix_hash(sum, i), page.hash);
  }
  return sum;
}

}  // namespace millrace::io
