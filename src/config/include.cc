// SPDX-License-Identifier: Apache-2.0
#include "config/include.h"

#include <glob.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>

namespace millrace::config {
namespace {

// A directory that is not there holds no file; one that cannot be read is an error.
int stop_at(const char*, int error) { return error == ENOENT || error == ENOTDIR ? 0 : 1; }

struct GlobDeleter {
  void operator()(glob_t* found) const {
    ::globfree(found);
    delete found;
  }
};

}  // namespace

Result<std::vector<std::string>> included_files(const std::string& pattern,
                                                const std::string& from) {
  const std::filesystem::path directory = std::filesystem::path(from).parent_path();
  const std::string whole = (directory / pattern).string();
  const std::unique_ptr<glob_t, GlobDeleter> found(new glob_t{});
  // Without GLOB_TILDE it asks for no user, which is what is unsafe about it.
  // NOLINTNEXTLINE(concurrency-mt-unsafe)
  const int status = ::glob(whole.c_str(), 0, stop_at, found.get());
  if (status == GLOB_NOMATCH) {
    if (pattern.find_first_of("*?[") != std::string::npos) return std::vector<std::string>();
    return fail(ErrorKind::kNotFound, "there is no file " + whole);
  }
  if (status != 0) return fail(ErrorKind::kIo, "cannot list the files of " + whole);
  if (found->gl_pathc > kIncludedFilesMax) {
    return fail(ErrorKind::kInvalid, whole + " matches more than 1000 files");
  }
  std::vector<std::string> files;
  for (size_t i = 0; i < found->gl_pathc; ++i) files.emplace_back(found->gl_pathv[i]);
  return files;
}

bool same_file(const std::string& a, const std::string& b) {
  std::error_code ignored;
  return std::filesystem::equivalent(a, b, ignored);
}

}  // namespace millrace::config
