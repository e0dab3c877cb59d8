// SPDX-License-Identifier: Apache-2.0

// Preloaded (LD_PRELOAD) into the program as packaged, it makes chosen calls to the system fail, come
// back short, or kill the process, and moves the wall clock. The rules are in a file that $CALL_FAULTS
// names: call_faults.py writes it, before the start or while the program runs, and reads from it how
// often each rule was asked and how often it was obeyed. Calls within libc itself (stdio)
// are not seen. Without the file every call goes through.
//
// Any thread calls in here; a rule's counters are atomic, its other fields change only while it is
// not active.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { kRulesMax = 60, kIovMax = 1024 };
enum { kKillNot, kKillBefore, kKillAfter };

// Both little-endian structs of call_faults.py, which packs them by hand.
struct Rule {
  char call[16];
  char path[128];  // fnmatch(3), `*` also matches `/`
  uint64_t first;  // 1: the first call that fits
  uint64_t count;  // of calls from there on; 0: all
  uint32_t per_million;
  int32_t error;      // errno; 0: none
  int64_t bytes_max;  // of a transfer; -1: no limit
  uint32_t kill;
  _Atomic uint32_t active;
  _Atomic uint64_t asked;
  _Atomic uint64_t obeyed;
  char unused[56];
};
struct Control {
  _Atomic int64_t wall_offset_s;
  _Atomic uint64_t random_state;
  char unused[240];
  struct Rule rules[kRulesMax];
};
_Static_assert(sizeof(struct Rule) == 256 && sizeof(struct Control) == 256 * (kRulesMax + 1), "layout");

static struct Control *control;

__attribute__((constructor)) static void map_rules(void) {
  const char *path = getenv("CALL_FAULTS");
  if (!path) return;
  const int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
  void *at = fd < 0 ? MAP_FAILED
                    : mmap(NULL, sizeof(struct Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) abort();
  syscall(SYS_close, fd);
  control = at;
}

// What a rule is held against: a file's path, or ADDRESS:PORT of a socket's peer (of itself, if it has
// none yet).
static void name_address(const struct sockaddr_storage *address, char *name, size_t size) {
  char host[INET6_ADDRSTRLEN] = "";
  if (address->ss_family == AF_INET) {
    const struct sockaddr_in *in = (const void *)address;
    inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
    snprintf(name, size, "%s:%u", host, ntohs(in->sin_port));
  } else if (address->ss_family == AF_INET6) {
    const struct sockaddr_in6 *in = (const void *)address;
    inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
    snprintf(name, size, "[%s]:%u", host, ntohs(in->sin6_port));
  } else if (address->ss_family == AF_UNIX) {
    snprintf(name, size, "unix:%.100s", ((const struct sockaddr_un *)address)->sun_path);
  }
}

static void name_descriptor(int fd, char *name, size_t size) {
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, name, size - 1);
  name[length > 0 ? length : 0] = 0;
  if (strncmp(name, "socket:", 7) != 0) return;
  struct sockaddr_storage address;
  socklen_t address_size = sizeof address;
  if (getpeername(fd, (struct sockaddr *)&address, &address_size) == 0 ||
      getsockname(fd, (struct sockaddr *)&address, &address_size) == 0) {
    name_address(&address, name, size);
  }
}

static uint32_t random_million(void) {  // splitmix64
  uint64_t z = atomic_fetch_add(&control->random_state, 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (uint32_t)((z ^ (z >> 31)) % 1000000);
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

// The rule that this call has to obey, or null. `path` may be null: then it is the descriptor's.
static struct Rule *rule_for(const char *call, int fd, const char *path) {
  if (!control) return NULL;
  char name[4096];
  for (int i = 0; i < kRulesMax; ++i) {
    struct Rule *rule = &control->rules[i];
    if (!atomic_load(&rule->active) || strcmp(rule->call, call) != 0) continue;
    if (strcmp(rule->path, "*") != 0) {
      if (!path) {
        name_descriptor(fd, name, sizeof name);
        path = name;
      }
      if (fnmatch(rule->path, path, 0) != 0) continue;
    }
    const uint64_t number = atomic_fetch_add(&rule->asked, 1) + 1;
    if (number < rule->first || (rule->count && number >= rule->first + rule->count)) continue;
    if (rule->per_million < 1000000 && random_million() >= rule->per_million) continue;
    atomic_fetch_add(&rule->obeyed, 1);
    if (rule->kill == kKillBefore) die();
    return rule;
  }
  return NULL;
}

static size_t at_most(const struct Rule *rule, size_t size) {
  const int cut = rule && rule->bytes_max >= 0 && (uint64_t)rule->bytes_max < size;
  return cut ? (size_t)rule->bytes_max : size;
}

// Keeps the first bytes of a gathered transfer; returns how many of the buffers that takes.
static int cut_buffers(const struct Rule *rule, const struct iovec *from, int count,
                       struct iovec *to) {
  size_t left = at_most(rule, SIZE_MAX);
  int used = 0;
  for (; used < count && used < kIovMax && left > 0; ++used) {
    to[used] = from[used];
    if (to[used].iov_len > left) to[used].iov_len = left;
    left -= to[used].iov_len;
  }
  return used;
}

// A wrapper: BEGIN finds the rule and fails by it, END tells the result, or kills after the call.
#define BEGIN_OR(failed, name, fd, path)                    \
  static __typeof__(&name) next;                            \
  if (!next) *(void **)&next = dlsym(RTLD_NEXT, #name);     \
  const struct Rule *const rule = rule_for(#name, fd, path); \
  if (rule && rule->error) {                                \
    errno = rule->error;                                    \
    return failed;                                          \
  }
#define BEGIN(name, fd, path) BEGIN_OR(-1, name, fd, path)
#define END(type, call)                              \
  const type result = call;                          \
  if (rule && rule->kill == kKillAfter) die();       \
  return result;

#define OPEN(name, parameters, fd, path, ...)        \
  int name parameters {                              \
    BEGIN(name, fd, path)                            \
    va_list more;                                    \
    va_start(more, flags);                           \
    const int has_mode = (flags & O_CREAT) != 0;     \
    const mode_t mode = has_mode ? va_arg(more, mode_t) : 0; \
    va_end(more);                                    \
    END(int, next(__VA_ARGS__, flags, mode))         \
  }
OPEN(open, (const char *path, int flags, ...), -1, path, path)
OPEN(open64, (const char *path, int flags, ...), -1, path, path)
OPEN(openat, (int at, const char *path, int flags, ...), -1, path, at, path)
OPEN(openat64, (int at, const char *path, int flags, ...), -1, path, at, path)

typedef DIR *Directory;
Directory opendir(const char *path) {
  BEGIN_OR(NULL, opendir, -1, path) END(Directory, next(path))
}
int fsync(int fd) { BEGIN(fsync, fd, NULL) END(int, next(fd)) }
int fdatasync(int fd) { BEGIN(fdatasync, fd, NULL) END(int, next(fd)) }
int ftruncate(int fd, off_t size) { BEGIN(ftruncate, fd, NULL) END(int, next(fd, size)) }
int fallocate(int fd, int mode, off_t offset, off_t size) {
  BEGIN(fallocate, fd, NULL)
  END(int, next(fd, mode, offset, size))
}
int rename(const char *from, const char *to) { BEGIN(rename, -1, to) END(int, next(from, to)) }
int unlink(const char *path) { BEGIN(unlink, -1, path) END(int, next(path)) }
int unlinkat(int fd, const char *path, int flags) {
  BEGIN(unlinkat, -1, path)
  END(int, next(fd, path, flags))
}
int mkdir(const char *path, mode_t mode) { BEGIN(mkdir, -1, path) END(int, next(path, mode)) }

ssize_t read(int fd, void *out, size_t size) {
  BEGIN(read, fd, NULL)
  END(ssize_t, next(fd, out, at_most(rule, size)))
}
ssize_t write(int fd, const void *from, size_t size) {
  BEGIN(write, fd, NULL)
  END(ssize_t, next(fd, from, at_most(rule, size)))
}
ssize_t pread(int fd, void *out, size_t size, off_t offset) {
  BEGIN(pread, fd, NULL)
  END(ssize_t, next(fd, out, at_most(rule, size), offset))
}
ssize_t pwrite(int fd, const void *from, size_t size, off_t offset) {
  BEGIN(pwrite, fd, NULL)
  END(ssize_t, next(fd, from, at_most(rule, size), offset))
}
ssize_t pwritev(int fd, const struct iovec *buffers, int count, off_t offset) {
  BEGIN(pwritev, fd, NULL)
  struct iovec cut[kIovMax];
  END(ssize_t, next(fd, cut, cut_buffers(rule, buffers, count, cut), offset))
}
ssize_t writev(int fd, const struct iovec *buffers, int count) {
  BEGIN(writev, fd, NULL)
  struct iovec cut[kIovMax];
  END(ssize_t, next(fd, cut, cut_buffers(rule, buffers, count, cut)))
}

int accept4(int fd, struct sockaddr *peer, socklen_t *peer_size, int flags) {
  BEGIN(accept4, fd, NULL)
  END(int, next(fd, peer, peer_size, flags))
}
int connect(int fd, const struct sockaddr *to, socklen_t to_size) {
  struct sockaddr_storage address = {0};
  memcpy(&address, to, to_size < sizeof address ? to_size : sizeof address);
  char name[128] = "";
  name_address(&address, name, sizeof name);
  BEGIN(connect, fd, name)
  END(int, next(fd, to, to_size))
}
ssize_t send(int fd, const void *from, size_t size, int flags) {
  BEGIN(send, fd, NULL)
  END(ssize_t, next(fd, from, at_most(rule, size), flags))
}
ssize_t recv(int fd, void *out, size_t size, int flags) {
  BEGIN(recv, fd, NULL)
  END(ssize_t, next(fd, out, at_most(rule, size), flags))
}
ssize_t getrandom(void *out, size_t size, unsigned flags) {
  BEGIN(getrandom, -1, "")
  END(ssize_t, next(out, at_most(rule, size), flags))
}

// glibc's own name of malloc, for dlsym may ask for memory itself. operator new comes here too.
void *__libc_malloc(size_t size);
void *malloc(size_t size) {
  if (rule_for("malloc", -1, "")) {
    errno = ENOMEM;
    return NULL;
  }
  return __libc_malloc(size);
}

static int64_t wall_offset_s(void) { return control ? atomic_load(&control->wall_offset_s) : 0; }

int clock_gettime(clockid_t clock, struct timespec *now) {
  static __typeof__(&clock_gettime) next;
  if (!next) *(void **)&next = dlsym(RTLD_NEXT, "clock_gettime");
  const int result = next(clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    now->tv_sec += wall_offset_s();
  }
  return result;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  (void)zone;
  struct timespec told;
  clock_gettime(CLOCK_REALTIME, &told);
  now->tv_sec = told.tv_sec;
  now->tv_usec = told.tv_nsec / 1000;
  return 0;
}
time_t time(time_t *now) {
  struct timespec told;
  clock_gettime(CLOCK_REALTIME, &told);
  if (now) *now = told.tv_sec;
  return told.tv_sec;
}
