#pragma once
#include <napi.h>

#include <functional>
#include <mutex>

namespace sdcpp {

// The door from any thread to one environment's JavaScript: a thread-safe function with an owned task per call.
// It keeps the process alive only while held.
class Channel {
 public:
  using Task = std::function<void(Napi::Env)>;

  explicit Channel(Napi::Env env);

  // Any thread. The task runs on the JavaScript thread in the order of posting; once the door is closed it is dropped.
  void post(Task task);

  // JavaScript thread only.
  void hold();
  void let_go();
  void close();

 private:
  static void deliver(Napi::Env env, Napi::Function, std::nullptr_t*, Task* task);
  using Function = Napi::TypedThreadSafeFunction<std::nullptr_t, Task, deliver>;

  const napi_env env_;
  std::mutex mutex_;
  bool open_ = true;
  Function function_;
};

}  // namespace sdcpp
