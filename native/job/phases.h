#pragma once
#include <array>
#include <chrono>

namespace sdcpp {

enum class Phase { Load, Encode, Sample, Upscale, Decode, Convert };
constexpr size_t kPhases = 6;

constexpr const char* name_of(Phase phase) {
  switch (phase) {
    case Phase::Load: return "load";
    case Phase::Encode: return "encode";
    case Phase::Sample: return "sample";
    case Phase::Convert: return "convert";
    case Phase::Upscale: return "upscale";
    default: return "decode";
  }
}

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Which phase the job is in, since when, and how long each has taken.
class PhaseClock {
 public:
  void enter(Phase phase) {
    leave();
    phase_ = phase;
    since_ = Clock::now();
    running_ = true;
  }
  void leave() {
    if (running_) seconds_[static_cast<size_t>(phase_)] += seconds_since(since_);
    running_ = false;
  }
  Phase phase() const { return phase_; }
  double seconds() const { return seconds_since(since_); }
  double total(Phase phase) const { return seconds_[static_cast<size_t>(phase)]; }

 private:
  Phase phase_ = Phase::Load;
  bool running_ = false;
  Clock::time_point since_;
  std::array<double, kPhases> seconds_{};
};

}  // namespace sdcpp
