#include "job/environment.h"

#include <new>
#include <system_error>

#include "job/queue.h"

namespace sdcpp {
namespace {

Napi::Error to_error(Napi::Env env, const ErrorReport& report) {
  Napi::Error error = Napi::Error::New(env, report.message);
  error.Set("code", report.code);
  Napi::Array log = Napi::Array::New(env, report.log.size());
  for (uint32_t i = 0; i < report.log.size(); i++) log[i] = report.log[i];
  error.Set("log", log);
  return error;
}

}  // namespace

void Environment::create(Napi::Env env) {
  auto* self = new Environment(env);  // makes the channel first: cleanup hooks run last in, first out, so ours runs before its
  env.SetInstanceData(self);
  Queue::open();
  env.AddCleanupHook([self] { self->close(); });
}

void Environment::close() {
  if (closed_) return;
  closed_ = true;
  for (const auto& [job, call] : calls_) Queue::abandon(call.job);
  channel_->close();
  calls_.clear();
  model_class.Reset();
  upscaler_class.Reset();
  footprint_class.Reset();
  Queue::close();
}

Napi::Object Environment::start(Napi::Env env, const std::shared_ptr<Job>& job, const Napi::Value& listener) {
  if (closed_) throw Napi::Error::New(env, "the process is exiting");
  Napi::Object handle = Napi::Object::New(env);
  Call call{Napi::Promise::Deferred::New(env), {}, job};
  if (listener.IsFunction()) call.listener = Napi::Persistent(listener.As<Napi::Function>());
  handle["promise"] = call.deferred.Promise();
  handle["cancel"] = Napi::Function::New(env, [weak = std::weak_ptr<Job>(job)](const Napi::CallbackInfo&) {
    if (auto live = weak.lock()) Queue::cancel(live);
  });
  if (calls_.empty()) channel_->hold();
  calls_.emplace(job.get(), std::move(call));
  try {
    Queue::push(job);
  } catch (const std::system_error& error) {  // its thread needs memory for the stack
    calls_.erase(job.get());
    if (calls_.empty()) channel_->let_go();
    throw to_error(env, {code::InsufficientMemory, error.what(), {}});
  }
  return handle;
}

void Environment::deliver(const Job& job, const Napi::Object& event) {
  const auto found = calls_.find(&job);
  if (found == calls_.end() || found->second.listener.IsEmpty()) return;
  found->second.listener.Call({event});
}

void Environment::settle(Job& job) {
  const auto found = calls_.find(&job);
  if (found == calls_.end()) return;
  const Call call = std::move(found->second);
  calls_.erase(found);
  if (calls_.empty()) channel_->let_go();
  const Napi::Env env = call.deferred.Env();
  if (job.error()) {
    call.deferred.Reject(to_error(env, *job.error()).Value());
    return;
  }
  try {
    call.deferred.Resolve(job.result(env));
  } catch (const Napi::Error& error) {
    call.deferred.Reject(error.Value());
  } catch (const std::bad_alloc&) {
    call.deferred.Reject(to_error(env, {code::InsufficientMemory, "the system has no memory left for the result", {}}).Value());
  }
}

}  // namespace sdcpp
