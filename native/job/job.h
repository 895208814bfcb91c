#pragma once
#include <napi.h>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "errors.h"
#include "job/channel.h"
#include "stable-diffusion.h"

namespace sdcpp {

// Something that runs on the engine thread for one call from JavaScript. It owns all it needs; JavaScript's side of the
// call (promise and listener) stays with the Environment, on the JavaScript thread.
class Job : public std::enable_shared_from_this<Job> {
 public:
  explicit Job(std::shared_ptr<Channel> channel) : channel_(std::move(channel)) {}
  virtual ~Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  // Any thread; the job ends with ERR_CANCELLED (unless it has just finished).
  void cancel() { cancelled_ = true; }
  bool cancelled() const { return cancelled_; }

  // What decides its place in line (line.h), fixed before it is queued: a higher priority goes first, and the jobs of one
  // owner take turns with those of others.
  virtual int priority() const { return 0; }
  virtual const void* owner() const { return nullptr; }

  // Engine thread: runs the work and catches whatever it throws. The only try/catch around the engine.
  void execute();
  // Any thread: tells JavaScript how it ended.
  void settle();
  // Any thread: ends a job that was never run.
  void drop();
  // Any thread, under the queue's lock: its place in line, 1 = next. Tells JavaScript when it changes.
  void waits(size_t position);

  // JavaScript thread, after execute() succeeded.
  virtual Napi::Value result(Napi::Env env) = 0;
  const std::optional<ErrorReport>& error() const { return error_; }

  // The job on the engine thread, for the engine's process-wide callbacks. Null between jobs.
  static Job* current();
  virtual void on_log(sd_log_level_t level, const char* text);
  virtual void on_progress(int step, int steps) {
    (void)step;
    (void)steps;
  }
  virtual void on_preview(int step, const sd_image_t& picture) {
    (void)step;
    (void)picture;
  }

 protected:
  virtual void run() = 0;

  // The code of an exception that the engine throws.
  virtual const char* failure_code() const { return code::Generation; }

  // Any thread: sends an event, which `make` builds on the JavaScript thread, to the caller's listener.
  void emit(std::function<Napi::Object(Napi::Env)> make);

 private:
  const std::shared_ptr<Channel> channel_;
  std::atomic<bool> cancelled_{false};
  size_t position_ = 0;  // last told
  std::optional<ErrorReport> error_;
  std::mutex log_mutex_;  // the engine's loader logs from its own threads
  std::deque<std::string> log_;
};

}  // namespace sdcpp
