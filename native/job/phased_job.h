#pragma once
#include "job/job.h"
#include "job/phases.h"

namespace sdcpp {

// An event for JavaScript, to be filled.
Napi::Object event_of(Napi::Env env, const char* type);

// A job with phases, of which JavaScript hears.
class PhasedJob : public Job {
 public:
  using Job::Job;

 protected:
  void enter(Phase phase);
  void progress(int step, int steps);

  PhaseClock clock_;
  int image_ = 0;  // which picture of the batch
  int pass_ = 0;   // of a hires fix: 1, then 2; 0 without

 private:
  int last_step_ = 0;
};

}  // namespace sdcpp
