#pragma once
#include <cstddef>

#ifdef _WIN32
#include <windows.h>
#else
#include <pthread.h>
#endif

namespace sdcpp {

// A thread with a stack of a given size, which std::thread cannot ask for.
class Thread {
 public:
  Thread(void (*body)(), size_t stack_bytes);  // throws std::system_error
  void join();

 private:
#ifdef _WIN32
  HANDLE handle_;
#else
  pthread_t handle_;
#endif
};

}  // namespace sdcpp
