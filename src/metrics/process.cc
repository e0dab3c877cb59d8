// SPDX-License-Identifier: Apache-2.0
#include "metrics/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

namespace millrace::metrics {
namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

// Field `number` of /proc/self/stat, counted as in proc(5). The name in field 2 may hold anything,
// so counting begins behind its last parenthesis.
uint64_t stat_field(int number) {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(line.substr(name_end + 1));
  std::string skipped;
  for (int i = 3; i < number; ++i) fields >> skipped;
  uint64_t value = 0;
  fields >> value;
  return value;
}

double clock_seconds(clockid_t clock) {
  timespec time{};
  if (::clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// Not read from /proc/stat, which a service may not see (ProcSubset=pid).
double boot_time_seconds() { return clock_seconds(CLOCK_REALTIME) - clock_seconds(CLOCK_BOOTTIME); }

uint64_t count_open_fds() {
  std::error_code failed;
  uint64_t count = 0;
  std::filesystem::directory_iterator at("/proc/self/fd", failed);
  for (; !failed && at != std::filesystem::directory_iterator(); at.increment(failed)) ++count;
  return count > 0 ? count - 1 : 0;  // one is that of the listing
}

}  // namespace

ProcessSample sample_process() {
  constexpr int kStartTicks = 22;
  constexpr int kResidentPages = 24;
  ProcessSample sample;
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) {
    sample.cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
  }
  sample.resident_bytes =
      stat_field(kResidentPages) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  sample.open_fds = count_open_fds();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    sample.max_fds = limit.rlim_cur;
  }
  sample.start_time_seconds = boot_time_seconds() + static_cast<double>(stat_field(kStartTicks)) /
                                                        static_cast<double>(::sysconf(_SC_CLK_TCK));
  return sample;
}

}  // namespace millrace::metrics
