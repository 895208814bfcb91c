#include "engine/callbacks.h"

#include <cstdio>
#include <string>

#include "engine/assertion.h"
#include "ggml.h"
#include "job/cancel.h"
#include "job/job.h"
#include "stable-diffusion.h"

namespace sdcpp::engine {
namespace {

void on_log(sd_log_level_t level, const char* text, void*) {
  if (Job* job = Job::current()) job->on_log(level, text);
}

void on_progress(int step, int steps, float, void*) {
  if (Job* job = Job::current()) job->on_progress(step, steps);
}

// Called by ggml_abort, which ends the process when this returns. Only the engine thread has a job that can be failed
// instead; ggml's compute threads cannot be unwound.
void on_assertion(const char* message) {
  if (cancel_flag() == nullptr) {
    std::fprintf(stderr, "%s\n", message);
    return;
  }
  // "…/engine/source/./src/x.hpp:12: text": the build's own part of the path says nothing to the user.
  std::string text = message;
  for (const std::string prefix : {"source/", "./"}) {
    const size_t at = text.rfind(prefix, text.find(": "));
    if (at != std::string::npos) text.erase(0, at + prefix.size());
  }
  throw EngineAssertion(text);
}

}  // namespace

void install_callbacks() {
  sd_set_log_callback(on_log, nullptr);
  sd_set_progress_callback(on_progress, nullptr);
  ggml_set_abort_callback(on_assertion);
}

}  // namespace sdcpp::engine
