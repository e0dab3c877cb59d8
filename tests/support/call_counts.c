// SPDX-License-Identifier: Apache-2.0

// Preloaded (LD_PRELOAD) into the program as packaged, it counts what each kind of thread allocates
// and locks, into a file that $CALL_COUNTS names and call_counts.py reads while the program runs.
// A thread's kind is its name up to the first '-'; one that has no name of its own yet is counted as
// "other". Any thread calls in here; counters are atomic.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { kNameBytes = 16 };

// The little-endian structs of call_counts.py.
struct Kind {
  char name[kNameBytes];
  _Atomic uint64_t allocations;
  _Atomic uint64_t allocated_bytes;
  _Atomic uint64_t locks;
  char unused[24];
};
_Static_assert(sizeof(struct Kind) == 64, "layout");

static struct Kind kinds[] = {{.name = "other"},  {.name = "loop"},         {.name = "commit"},
                              {.name = "flush"},  {.name = "housekeeping"}, {.name = ""}};
static struct Kind* shared = kinds;

// In the initial block, so that to look at it allocates nothing.
static __thread struct Kind* mine __attribute__((tls_model("initial-exec")));

extern void* __libc_malloc(size_t size);
extern void* __libc_calloc(size_t count, size_t size);
extern void* __libc_realloc(void* memory, size_t size);
extern void* __libc_memalign(size_t alignment, size_t size);

static int (*next_lock)(pthread_mutex_t* mutex);

__attribute__((constructor)) static void map_counters(void) {
  next_lock = (int (*)(pthread_mutex_t*))dlsym(RTLD_NEXT, "pthread_mutex_lock");
  const char* path = getenv("CALL_COUNTS");
  const int file = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void* memory = mmap(NULL, sizeof kinds, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) return;
  memcpy(memory, kinds, sizeof kinds);
  shared = memory;
}

static struct Kind* kind_of_this_thread(void) {
  if (mine != NULL) return mine;
  char name[kNameBytes] = "";
  prctl(PR_GET_NAME, name);
  name[strcspn(name, "-")] = '\0';
  for (struct Kind* kind = shared + 1; kind->name[0] != '\0'; ++kind) {
    if (strcmp(kind->name, name) == 0) return mine = kind;
  }
  return shared;
}

static void count(size_t bytes) {
  struct Kind* kind = kind_of_this_thread();
  atomic_fetch_add_explicit(&kind->allocations, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&kind->allocated_bytes, bytes, memory_order_relaxed);
}

void* malloc(size_t size) {
  count(size);
  return __libc_malloc(size);
}

void* calloc(size_t number, size_t size) {
  count(number * size);
  return __libc_calloc(number, size);
}

void* realloc(void* memory, size_t size) {
  count(size);
  return __libc_realloc(memory, size);
}

void* aligned_alloc(size_t alignment, size_t size) {
  count(size);
  return __libc_memalign(alignment, size);
}

int posix_memalign(void** memory, size_t alignment, size_t size) {
  count(size);
  *memory = __libc_memalign(alignment, size);
  return *memory == NULL ? 12 : 0;  // ENOMEM
}

int pthread_mutex_lock(pthread_mutex_t* mutex) {
  atomic_fetch_add_explicit(&kind_of_this_thread()->locks, 1, memory_order_relaxed);
  if (next_lock == NULL) {
    next_lock = (int (*)(pthread_mutex_t*))dlsym(RTLD_NEXT, "pthread_mutex_lock");
  }
  return next_lock(mutex);
}
