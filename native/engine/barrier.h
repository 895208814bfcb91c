/*
 * How a thread of ggml's CPU backend waits for the others at a barrier, of which a step has thousands. ggml spins until they come; on a
 * busy machine that takes the processor from the very thread that is waited for. Here it spins for some ten microseconds, then sleeps.
 * Included before ggml-cpu.c (CMakeLists.txt); engine/patches/08-barrier.patch calls it. Linux: elsewhere ggml spins.
 */
#if defined(__linux__)
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>
#define SDCPP_BARRIER

enum { sdcpp_spins = 1000 };

static atomic_int sdcpp_sleepers;

/* Sleeps until *passed is no longer `seen`. The kernel compares again, so that a change in between is not slept through. */
static inline void sdcpp_sleep(atomic_int* passed, int seen) {
  atomic_fetch_add(&sdcpp_sleepers, 1);
  syscall(SYS_futex, passed, FUTEX_WAIT_PRIVATE, seen, (void*)0, (void*)0, 0);
  atomic_fetch_sub(&sdcpp_sleepers, 1);
}

/* After *passed has changed. */
static inline void sdcpp_wake(atomic_int* passed) {
  if (atomic_load(&sdcpp_sleepers) > 0) syscall(SYS_futex, passed, FUTEX_WAKE_PRIVATE, 0x7fffffff, (void*)0, (void*)0, 0);
}
#endif
