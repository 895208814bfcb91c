#include "engine/callbacks.h"

#include <cstdio>
#include <cstdlib>
#include <string>

#include "engine/announcements.h"
#include "engine/assertion.h"
#include "ggml.h"
#include "job/cancel.h"
#include "job/job.h"
#include "stable-diffusion.h"

namespace sdcpp::engine {
namespace {

void on_log(sd_log_level_t level, const char* text, void*) {
  if (is_no_warning(text)) return;
  if (Job* job = Job::current()) job->on_log(level, text);
}

// Of ggml's backends as they start, before the engine has a callback of its own there.
void on_ggml_log(ggml_log_level level, const char* text, void*) {
  Job* job = Job::current();
  if (job == nullptr || level == GGML_LOG_LEVEL_CONT || level == GGML_LOG_LEVEL_NONE) return;
  const bool grave = level == GGML_LOG_LEVEL_WARN || level == GGML_LOG_LEVEL_ERROR;
  job->on_log(level == GGML_LOG_LEVEL_ERROR ? SD_LOG_ERROR : grave ? SD_LOG_WARN : SD_LOG_DEBUG, text);
}

void on_progress(int step, int steps, float, void*) {
  if (Job* job = Job::current()) job->on_progress(step, steps);
}

// A second-order sampler has two evaluations a step; the number of the first is negative.
void on_preview(int step, int frames, sd_image_t* pictures, bool, void*) {
  if (Job* job = Job::current(); job != nullptr && frames > 0) job->on_preview(std::abs(step), pictures[0]);
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
  ggml_log_set(on_ggml_log, nullptr);
  set_preview(PREVIEW_NONE, false);
}

void set_preview(preview_t mode, bool wanted) { sd_set_preview_callback(on_preview, mode, 1, wanted, false, nullptr); }

}  // namespace sdcpp::engine
