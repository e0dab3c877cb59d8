// SPDX-License-Identifier: Apache-2.0
#include "cli/seen_records.h"

#include <algorithm>

namespace millrace::cli {

bool SeenRecords::is_new(const KinesisRecord& record) {
  digest_.start();
  digest_.update(record.partition_key);
  digest_.update(std::string_view("\0", 1));
  digest_.update(record.data);
  Sha256Bytes whole;
  digest_.finish(whole.data());
  Name name;
  std::copy_n(whole.begin(), name.size(), name.begin());
  if (!names_.insert(name).second) {
    ++repeats_;
    return false;
  }
  order_.push_back(name);
  if (order_.size() > kRecordsMax) {
    names_.erase(order_.front());
    order_.pop_front();
  }
  return true;
}

}  // namespace millrace::cli
