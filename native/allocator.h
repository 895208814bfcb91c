#pragma once
#include <cstdlib>  // defines __GLIBC__
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace sdcpp {

// Returns to the system what the C library keeps for the next allocation. glibc keeps the pages of small ones, of which a model has
// some 60 MB, where they were; other allocators return them by themselves.
inline void trim_allocator() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace sdcpp
