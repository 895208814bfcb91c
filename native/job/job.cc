#include "job/job.h"

#include <algorithm>
#include <new>
#include <system_error>

#include "engine/announcements.h"
#include "engine/assertion.h"
#include "engine/compute.h"
#include "job/cancel.h"
#include "job/environment.h"

namespace sdcpp {
namespace {

constexpr size_t kKeptLines = 20;  // warnings and errors carried by a failed job
std::atomic<Job*> running{nullptr};

struct Running {
  explicit Running(Job* job) { running = job; }
  ~Running() {
    running = nullptr;
    engine::forget_held_memory();
  }
};

const char* level_name(sd_log_level_t level) {
  switch (level) {
    case SD_LOG_DEBUG: return "debug";
    case SD_LOG_INFO: return "info";
    case SD_LOG_WARN: return "warn";
    default: return "error";
  }
}

// "stable-diffusion.cpp:123  - text\n" → "text"
std::string without_origin(const std::string& line) {
  const size_t dash = line.find(" - ");
  const size_t begin = dash == std::string::npos ? 0 : dash + 3;
  const size_t end = line.find_last_not_of("\r\n");
  return end == std::string::npos || end < begin ? "" : line.substr(begin, end + 1 - begin);
}

}  // namespace

Job* Job::current() { return running; }

void Job::execute() {
  const Running scope(this);
  const CancelScope cancel(cancelled_);
  const auto fail = [this](const char* code, std::string message) { error_ = ErrorReport{code, std::move(message), {}}; };
  try {
    throw_if_cancelled();
    run();
  } catch (const Cancelled&) {
    fail(code::Cancelled, "cancelled");
  } catch (const Failure& failure) {
    fail(failure.code, failure.what());
  } catch (const EngineAssertion& assertion) {
    fail(code::EngineAssertion, assertion.what());
  } catch (const std::bad_alloc&) {
    fail(code::InsufficientMemory, "the system has no memory left");
  } catch (const std::system_error& error) {
    const bool no_thread = error.code() == std::errc::resource_unavailable_try_again;  // a stack needs memory
    const std::string what = no_thread ? "a thread could not be started: " : "the engine failed: ";
    fail(no_thread ? code::InsufficientMemory : failure_code(), what + error.what());
  } catch (const std::exception& exception) {
    fail(failure_code(), std::string("the engine failed: ") + exception.what());
  } catch (...) {
    fail(failure_code(), "the engine failed for an unknown reason");
  }
  if (error_ && error_->code != code::Cancelled) {
    const std::lock_guard<std::mutex> lock(log_mutex_);
    error_->log.assign(log_.begin(), log_.end());
    const auto lacking = std::find_if(log_.begin(), log_.end(), engine::lacks_memory);
    if (lacking != log_.end()) error_ = ErrorReport{code::InsufficientMemory, "memory did not suffice: " + *lacking, error_->log};
  }
}

void Job::drop() {
  error_ = ErrorReport{code::Cancelled, "cancelled", {}};
  settle();
}

void Job::waits(size_t position) {
  if (position == position_) return;
  position_ = position;
  emit([position](Napi::Env env) {
    Napi::Object event = Napi::Object::New(env);
    event["type"] = "queued";
    event["position"] = static_cast<double>(position);
    return event;
  });
}

void Job::on_log(sd_log_level_t level, const char* text) {
  std::string line = without_origin(text);
  if (level >= SD_LOG_WARN) {
    const std::lock_guard<std::mutex> lock(log_mutex_);
    log_.push_back(line);
    if (log_.size() > kKeptLines) log_.pop_front();
  }
  emit([level, line = std::move(line)](Napi::Env env) {
    Napi::Object event = Napi::Object::New(env);
    event["type"] = "log";
    event["level"] = level_name(level);
    event["text"] = line;
    return event;
  });
}

void Job::emit(std::function<Napi::Object(Napi::Env)> make) {
  channel_->post([self = shared_from_this(), make = std::move(make)](Napi::Env env) { Environment::of(env).deliver(*self, make(env)); });
}

void Job::settle() {
  channel_->post([self = shared_from_this()](Napi::Env env) { Environment::of(env).settle(*self); });
}

}  // namespace sdcpp
