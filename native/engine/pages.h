/*
 * Asks the system for huge pages (2 MB instead of 4 KB) where ggml gets memory for weights and computations: a model of gigabytes is loaded
 * with a page fault for each page. Included before ggml.c (CMakeLists.txt);
 * engine/patches/09-huge-pages.patch calls it. Linux: elsewhere nothing is asked, and where huge pages are switched off nothing changes.
 */
#if defined(__linux__)
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#define SDCPP_HUGE_PAGES

static inline void sdcpp_huge_pages(void* memory, size_t size) {
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  const uintptr_t begin = ((uintptr_t)memory + page - 1) / page * page;
  const uintptr_t end = ((uintptr_t)memory + size) / page * page;
  if (size >= ((size_t)4 << 20)) madvise((void*)begin, end - begin, MADV_HUGEPAGE);
}
#endif
