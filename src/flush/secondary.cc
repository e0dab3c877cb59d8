// SPDX-License-Identifier: Apache-2.0
#include "flush/secondary.h"

#include <fmt/format.h>

#include "buffer/dead_letters.h"

namespace millrace::flush {

Secondary::Secondary(io::Io io, config::Secondary options, std::string output_id)
    : io_(io), options_(std::move(options)), output_id_(std::move(output_id)) {}

Result<std::unique_ptr<Secondary>> Secondary::open(io::Io io, const config::Secondary& options,
                                                   const std::string& output_id) {
  const std::string probe =
      fmt::format("{}/.{}.{:016x}.tmp", options.directory, options.basename, io.random.next());
  auto possible = io.files.make_directories(options.directory);
  if (possible) {
    const auto file = io.files.open(probe, io::OpenMode::kCreate);
    possible = file ? io.files.unlink(probe) : Result<>(tl::unexpected(file.error()));
  }
  if (possible) return std::unique_ptr<Secondary>(new Secondary(io, options, output_id));
  Error error = possible.error();
  error.message = fmt::format("the secondary of {} cannot be used: {}", output_id, error.message);
  return tl::unexpected(error);
}

Result<bool> Secondary::write(const buffer::QueuedChunk& chunk, const buffer::LoadedChunk& loaded) {
  const std::string name = options_.basename + "." + chunk.id.hex();
  const buffer::GivenUpFiles names{
      .directory = options_.directory, .delivery = name, .description = name + ".json"};
  const auto whole = buffer::keep_what_is_there(io_.files, names, chunk.id, loaded);
  if (!whole) return whole;
  if (*whole) return false;
  const auto written = buffer::write_given_up(io_.files, names, chunk, loaded, output_id_, true);
  if (written) return true;
  // The chunk goes elsewhere; what is left here would tell of it for ever.
  for (const std::string& half : {names.delivery_path(), names.description_path()}) {
    (void)io_.files.unlink(half);
  }
  return tl::unexpected(written.error());
}

}  // namespace millrace::flush
