#pragma once
#include <napi.h>

#include <memory>
#include <unordered_map>

#include "job/job.h"

namespace sdcpp {

// One per JavaScript environment (main thread or worker): its running calls and its door for messages.
class Environment {
 public:
  // Makes the environment's state and registers what ends its jobs with it.
  static void create(Napi::Env env);
  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  const std::shared_ptr<Channel>& channel() const { return channel_; }

  // Queues a job. Returns { promise, cancel } for JavaScript; `listener` may be empty.
  Napi::Object start(Napi::Env env, const std::shared_ptr<Job>& job, const Napi::Value& listener);

  // Ends its jobs, waits until the engine has let go of them, and accepts no more. Called when the environment goes; more
  // than once does nothing.
  void close();

  // Called through the channel.
  void deliver(const Job& job, const Napi::Object& event);
  void settle(Job& job);

  Napi::FunctionReference model_class;
  Napi::FunctionReference upscaler_class;
  Napi::FunctionReference footprint_class;

 private:
  explicit Environment(Napi::Env env) : channel_(std::make_shared<Channel>(env)) {}

  struct Call {
    Napi::Promise::Deferred deferred;
    Napi::FunctionReference listener;
    std::shared_ptr<Job> job;
  };

  const std::shared_ptr<Channel> channel_;
  std::unordered_map<const Job*, Call> calls_;
  bool closed_ = false;
};

}  // namespace sdcpp
