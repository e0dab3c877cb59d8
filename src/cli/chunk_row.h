// SPDX-License-Identifier: Apache-2.0
#pragma once

// A chunk as `millrace buffer ls` shows it: one line of a table or one line of JSON, the same for a
// chunk in the log and for a dead letter in dead/. Values; any thread.

#include <string>

#include "cli/buffer_logs.h"

namespace millrace::cli {

struct ChunkRow {
  std::string chunk_id;  // 36 characters; "-" where neither OPEN nor SEAL can be read
  std::string state;     // staged queued finished dead damaged
  const LogPlace* place = nullptr;
  uint64_t records = 0;
  uint64_t bytes = 0;  // of the body
  uint64_t created_us = 0;
  uint64_t attempts = 0;
  std::string outcome;  // finished: delivered, secondary, dead letter, dropped; dead: the reason
  std::string last_error;
  buffer::Metadata metadata;
};

ChunkRow row_of(const LogPlace& place, const buffer::ViewedChunk& chunk);
ChunkRow row_of(const LogPlace& place, const buffer::DeadLetterFile& letter);

std::string table_head();
std::string table_line(const ChunkRow& row);
std::string json_line(const ChunkRow& row);

/// What a line C, S, D or X means; empty for others.
const char* outcome_of(char line_kind);

/// All rows of a log in the order of their age: the log's chunks, then what lies in dead/ alone.
std::vector<ChunkRow> rows_of(const ViewedLog& log);

}  // namespace millrace::cli
