#pragma once
#include "stable-diffusion.h"

namespace sdcpp::engine {

// Takes over the engine's process-wide callbacks (log, progress, assertions), once and for good: what they say goes to
// the job that is running.
void install_callbacks();

// Whether the engine makes a preview of the coming step, for the job's on_preview, and how. The engine takes the mode when
// sampling begins, but asks before each preview whether it is wanted (its own interval has no effect). Engine thread only.
void set_preview(preview_t mode, bool wanted);

}  // namespace sdcpp::engine
