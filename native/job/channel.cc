#include "job/channel.h"

#include <memory>

namespace sdcpp {

Channel::Channel(Napi::Env env) : env_(env), function_(Function::New(env, "node-sd-cpp", 0, 1)) { let_go(); }

void Channel::post(Task task) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!open_) return;
  auto owned = std::make_unique<Task>(std::move(task));
  if (function_.NonBlockingCall(owned.get()) == napi_ok) owned.release();
}

void Channel::hold() { function_.Ref(env_); }
void Channel::let_go() { function_.Unref(env_); }

void Channel::close() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!open_) return;
  open_ = false;
  function_.Release();
}

void Channel::deliver(Napi::Env env, Napi::Function, std::nullptr_t*, Task* task) {
  const std::unique_ptr<Task> owned(task);
  if (env != nullptr) (*owned)(env);  // null while the environment is being torn down
}

}  // namespace sdcpp
