#pragma once

namespace sdcpp::engine {

// Takes over the engine's process-wide callbacks (log, progress, assertions), once and for good: what they say goes to
// the job that is running.
void install_callbacks();

}  // namespace sdcpp::engine
