// SPDX-License-Identifier: Apache-2.0
#include "app/exit_code.h"
#include "cli/chunk_events.h"
#include "cli/chunk_search.h"
#include "cli/commands.h"
#include "io/real.h"

namespace millrace::cli {
namespace {

struct Delivery {
  std::string bytes;
  uint8_t payload_format = 0;
  buffer::Metadata metadata;
};

tl::expected<Delivery, int> delivery_of_letter(io::FileSystem& files,
                                               const buffer::DeadLetterFile& letter) {
  auto bytes = buffer::read_dead_letter(files, letter);
  if (!bytes) return tl::unexpected(complain_of_error("millrace", bytes.error()));
  return Delivery{std::move(*bytes), letter.payload_format, letter.metadata};
}

int print(const Delivery& delivery, bool raw, const std::string& name, Output& out) {
  if (raw) {
    out.write(delivery.bytes);
    return app::kExitFine;
  }
  auto printed = print_events(delivery.bytes, delivery.payload_format, delivery.metadata, out);
  if (printed) return app::kExitFine;
  out.flush();
  return complain_of_error(name, printed.error());
}

int cat_one(io::FileSystem& files, const Arguments& arguments, const std::string& name,
            Output& out) {
  const auto found = find_chunk(files, arguments, name);
  if (!found) return found.error();
  if (found->letter) {
    const auto delivery = delivery_of_letter(files, *found->letter);
    return delivery ? print(*delivery, arguments.buffer.raw, name, out) : delivery.error();
  }
  buffer::LoadedChunk loaded;
  const auto& chunk = *found->chunk;
  if (auto read = found->log->view->load(chunk, loaded); !read) {
    return complain_of_error(found->log->place.directory + ": " + name, read.error());
  }
  const Delivery delivery{std::move(loaded.bytes), loaded.seal.open.payload_format,
                          loaded.seal.open.metadata};
  const int code = print(delivery, arguments.buffer.raw, name, out);
  if (!loaded.damaged) return code;
  out.flush();
  complain_of(name,
              "damaged: " + std::to_string(loaded.missing_records) + " of " +
                  std::to_string(loaded.seal.records) + " records are missing" +
                  (loaded.more_missing ? ", and others that only its lost SEAL told of" : "") +
                  "; this is what would be sent");
  return worse(code, app::kExitBadData);
}

}  // namespace

int buffer_cat(const Arguments& arguments, Output& out) {
  io::RealFileSystem files;
  int code = app::kExitFine;
  for (const std::string& name : arguments.buffer.chunks) {
    code = worse(code, cat_one(files, arguments, name, out));
  }
  return out.finish(code);
}

}  // namespace millrace::cli
