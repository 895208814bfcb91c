#pragma once
#include <cstdint>
#include <deque>
#include <memory>

#include "job/job.h"

namespace sdcpp {

// The jobs that wait, in the order in which they will run: higher priority first. Within a priority the owners (models) take
// turns: an owner's first waiting job belongs to this round, its second to the next, and so on. Within a round, first come,
// first served. A job that has no owner is an owner of its own.
class Line {
 public:
  void push(std::shared_ptr<Job> job);
  std::shared_ptr<Job> pop();
  bool remove(const std::shared_ptr<Job>& job);
  // Removes and returns all.
  std::deque<std::shared_ptr<Job>> clear();

  bool empty() const { return places_.empty(); }
  // Tells every job its place, counted from `first`; 0 is no waiting and not told.
  void report(size_t first) const;

 private:
  struct Turn {
    int priority = 0;
    const void* owner = nullptr;
    uint64_t round = 0;
  };
  struct Place {
    std::shared_ptr<Job> job;
    Turn turn;
  };
  uint64_t round_of(const Job& job) const;

  std::deque<Place> places_;
  Turn last_;  // of the job that began last
};

}  // namespace sdcpp
