#include "job/phased_job.h"

namespace sdcpp {

Napi::Object event_of(Napi::Env env, const char* type) {
  Napi::Object event = Napi::Object::New(env);
  event["type"] = type;
  return event;
}

void PhasedJob::enter(Phase phase) {
  clock_.enter(phase);
  emit([phase, image = image_, pass = pass_](Napi::Env env) {
    Napi::Object event = event_of(env, "phase");
    event["phase"] = name_of(phase);
    event["image"] = image;
    if (pass > 0) event["pass"] = pass;
    return event;
  });
}

void PhasedJob::progress(int step, int steps) {
  const bool loading = clock_.phase() == Phase::Load || clock_.phase() == Phase::Convert;
  if (step <= last_step_ && loading) return;  // the loader repeats itself while it waits
  last_step_ = step;
  emit([phase = clock_.phase(), step, steps, image = image_, pass = pass_, seconds = clock_.seconds()](Napi::Env env) {
    Napi::Object event = event_of(env, "progress");
    event["phase"] = name_of(phase);
    event["step"] = step;
    event["steps"] = steps;
    event["image"] = image;
    event["seconds"] = seconds;
    if (pass > 0) event["pass"] = pass;
    return event;
  });
}

}  // namespace sdcpp
