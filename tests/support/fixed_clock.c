// SPDX-License-Identifier: Apache-2.0

// Preloaded (LD_PRELOAD), it stops the wall clock of a process at FIXED_CLOCK_S seconds since 1970.
// Other clocks go on, so timeouts work.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static time_t fixed_s(void) { return (time_t)atoll(getenv("FIXED_CLOCK_S")); }

int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
    now->tv_sec = fixed_s();
    now->tv_nsec = 0;
    return 0;
  }
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
  return real(clock, now);
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  (void)zone;
  now->tv_sec = fixed_s();
  now->tv_usec = 0;
  return 0;
}

time_t time(time_t *now) {
  if (now) *now = fixed_s();
  return fixed_s();
}
