#include "job/line.h"

#include <algorithm>

namespace sdcpp {

// The round that is being served, or the one after the owner's last.
uint64_t Line::round_of(const Job& job) const {
  const auto same_priority = [&](const Turn& turn) { return turn.priority == job.priority(); };
  const auto front = std::find_if(places_.begin(), places_.end(), [&](const Place& place) { return same_priority(place.turn); });
  uint64_t round = 0;
  if (same_priority(last_)) {
    round = last_.round;
  } else if (front != places_.end()) {
    round = front->turn.round;
  }
  const auto follow = [&](const Turn& turn) {
    if (same_priority(turn) && turn.owner != nullptr && turn.owner == job.owner()) round = std::max(round, turn.round + 1);
  };
  follow(last_);
  for (const Place& place : places_) follow(place.turn);
  return round;
}

void Line::push(std::shared_ptr<Job> job) {
  const Turn turn{job->priority(), job->owner(), round_of(*job)};
  const auto behind = std::find_if(places_.begin(), places_.end(), [&](const Place& other) {
    return other.turn.priority < turn.priority || (other.turn.priority == turn.priority && other.turn.round > turn.round);
  });
  places_.insert(behind, {std::move(job), turn});
}

std::shared_ptr<Job> Line::pop() {
  const Place place = std::move(places_.front());
  places_.pop_front();
  last_ = place.turn;
  return place.job;
}

bool Line::remove(const std::shared_ptr<Job>& job) {
  const auto found = std::find_if(places_.begin(), places_.end(), [&](const Place& place) { return place.job == job; });
  if (found == places_.end()) return false;
  places_.erase(found);
  return true;
}

std::deque<std::shared_ptr<Job>> Line::clear() {
  std::deque<std::shared_ptr<Job>> jobs;
  for (Place& place : places_) jobs.push_back(std::move(place.job));
  places_.clear();
  return jobs;
}

void Line::report(size_t first) const {
  for (size_t i = 0; i < places_.size(); i++) {
    if (first + i > 0) places_[i].job->waits(first + i);
  }
}

}  // namespace sdcpp
