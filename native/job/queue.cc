#include "job/queue.h"

#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <optional>

#include "engine/callbacks.h"
#include "job/line.h"
#include "job/thread.h"

namespace sdcpp::Queue {
namespace {

// The engine reads prompts with std::regex, whose recursion needs far more than a default stack.
constexpr size_t kStackBytes = 64u << 20;

struct State {
  std::mutex mutex;
  std::condition_variable changed;
  Line waiting;
  std::deque<std::function<void()>> tasks;
  std::shared_ptr<Job> running;
  std::optional<Thread> thread;
  bool stopping = false;
  int users = 0;
};

// Never destroyed: the engine thread may outlive static destructors.
State& state() {
  static State* const instance = new State;
  return *instance;
}

// While nothing runs, the first in line is about to: it does not wait.
void report_positions(State& s) { s.waiting.report(s.running ? 1 : 0); }

void loop() {
  State& s = state();
  engine::install_callbacks();
  std::unique_lock<std::mutex> lock(s.mutex);
  for (;;) {
    s.changed.wait(lock, [&] { return s.stopping || !s.waiting.empty() || !s.tasks.empty(); });
    if (!s.tasks.empty()) {
      const auto task = std::move(s.tasks.front());
      s.tasks.pop_front();
      lock.unlock();
      task();
      lock.lock();
    } else if (!s.waiting.empty()) {
      s.running = s.waiting.pop();
      report_positions(s);
      lock.unlock();
      s.running->execute();
      lock.lock();
      std::shared_ptr<Job> done = std::move(s.running);
      s.changed.notify_all();
      lock.unlock();
      done->settle();  // once it is out of the line, so that what the caller starts next need not wait
      done.reset();    // may free a model, which asks for the lock
      lock.lock();
    } else {
      return;  // stopping, with nothing left to do
    }
  }
}

// Ends the thread: every waiting job is dropped, the running one cancelled.
void stop(State& s, std::unique_lock<std::mutex>& lock) {
  if (!s.thread) return;
  std::deque<std::shared_ptr<Job>> dropped = s.waiting.clear();
  if (s.running) s.running->cancel();
  s.stopping = true;
  s.changed.notify_all();
  lock.unlock();
  for (const auto& job : dropped) job->drop();
  dropped.clear();  // may free a model, which asks for the lock
  s.thread->join();
  lock.lock();
  s.thread.reset();
  s.stopping = false;
}

// A second line of defense: process.exit() runs no cleanup hooks (lib/engine/binding.ts closes the environment on 'exit' instead),
// and static destructors must not meet a running engine.
void at_exit() {
  std::unique_lock<std::mutex> lock(state().mutex);
  stop(state(), lock);
}

bool remove_waiting(State& s, const std::shared_ptr<Job>& job) {
  if (!s.waiting.remove(job)) return false;
  report_positions(s);
  return true;
}

}  // namespace

void open() {
  const std::lock_guard<std::mutex> lock(state().mutex);
  state().users++;
}

void close() {
  std::unique_lock<std::mutex> lock(state().mutex);
  if (--state().users == 0) stop(state(), lock);
}

void push(const std::shared_ptr<Job>& job) {
  State& s = state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  if (!s.thread) {
    static const bool registered = std::atexit(at_exit) == 0;
    (void)registered;
    s.thread.emplace(loop, kStackBytes);
  }
  s.waiting.push(job);
  report_positions(s);
  s.changed.notify_all();
}

void cancel(const std::shared_ptr<Job>& job) {
  State& s = state();
  {
    const std::lock_guard<std::mutex> lock(s.mutex);
    job->cancel();
    if (!remove_waiting(s, job)) return;
  }
  job->drop();
}

void abandon(const std::shared_ptr<Job>& job) {
  State& s = state();
  std::unique_lock<std::mutex> lock(s.mutex);
  job->cancel();
  if (!remove_waiting(s, job)) s.changed.wait(lock, [&] { return s.running != job; });
}

void between_jobs(std::function<void()> task) {
  State& s = state();
  std::unique_lock<std::mutex> lock(s.mutex);
  if (s.thread && !s.stopping) {
    s.tasks.push_back(std::move(task));
    s.changed.notify_all();
    return;
  }
  lock.unlock();
  task();
}

}  // namespace sdcpp::Queue
