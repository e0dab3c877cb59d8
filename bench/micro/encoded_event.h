// SPDX-License-Identifier: Apache-2.0
#pragma once

// An event of the work as a chunk holds it.

#include <cstring>
#include <string>
#include <vector>

#include "bench/micro/work.h"
#include "format/json_formatter.h"
#include "kpl/record_encoder.h"

namespace millrace::bench {

// One event as the way in writes it: JSON behind a gap, then the header into the gap.
inline char* encode_event(format::JsonFormatter& formatter, const Work& work, const Entry& entry,
                          char* out, char* limit) {
  char* const data = out + kpl::kFragmentHeaderBytesGuess;
  const format::FormatResult json =
      formatter.format(entry.record, work.end(), entry.time, data, limit);
  const auto bytes = static_cast<size_t>(json.out_end - data);
  const size_t header_bytes = kpl::fragment_header_size(bytes);
  if (header_bytes != kpl::kFragmentHeaderBytesGuess) std::memmove(out + header_bytes, data, bytes);
  return kpl::put_fragment_header(out, bytes, 0) + bytes;
}

// Each event of the work, with the tag of one message.
inline std::vector<std::string> encoded_events(const Work& work) {
  format::JsonFormatter formatter{config::Format()};
  formatter.set_tag("app.web");
  std::string room(4096, '\0');
  std::vector<std::string> out;
  for (const Entry& entry : work.entries) {
    out.emplace_back(room.data(),
                     encode_event(formatter, work, entry, room.data(), room.data() + room.size()));
  }
  return out;
}

}  // namespace millrace::bench
