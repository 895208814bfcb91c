#include "job/thread.h"

#include <cerrno>
#include <system_error>

#ifdef _WIN32
#include <process.h>
#endif

namespace sdcpp {
namespace {
void (*entry)() = nullptr;  // there is one engine thread
}

#ifdef _WIN32
Thread::Thread(void (*body)(), size_t stack_bytes) {
  entry = body;
  const auto run = [](void*) -> unsigned {
    entry();
    return 0;
  };
  const auto size = static_cast<unsigned>(stack_bytes);
  handle_ = reinterpret_cast<HANDLE>(_beginthreadex(nullptr, size, run, nullptr, STACK_SIZE_PARAM_IS_A_RESERVATION, nullptr));
  if (handle_ == nullptr) throw std::system_error(errno, std::generic_category(), "the engine's thread could not be started");
}

void Thread::join() {
  WaitForSingleObject(handle_, INFINITE);
  CloseHandle(handle_);
}
#else
Thread::Thread(void (*body)(), size_t stack_bytes) {
  entry = body;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack_bytes);
  const auto run = [](void*) -> void* {
    entry();
    return nullptr;
  };
  const int error = pthread_create(&handle_, &attributes, run, nullptr);
  pthread_attr_destroy(&attributes);
  if (error != 0) throw std::system_error(error, std::generic_category(), "the engine's thread could not be started");
}

void Thread::join() { pthread_join(handle_, nullptr); }
#endif

}  // namespace sdcpp
