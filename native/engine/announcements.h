#pragma once
#include <string_view>

#include "job/phases.h"

namespace sdcpp::engine {

// The engine says what it begins only in its log (as pinned): the phase that a line begins, if any.
inline bool begins_phase(std::string_view line, Phase& phase) {
  const auto says = [line](std::string_view words) { return line.find(words) != std::string_view::npos; };
  if (says("generating image: ") || says("hires fix: sampling ")) {  // the second is ours: engine/patches
    phase = Phase::Sample;
    return true;
  }
  if (says("hires fix: upscaling to ")) {
    phase = Phase::Upscale;
    return true;
  }
  if (says("decoding ") && says(" latents")) {
    phase = Phase::Decode;
    return true;
  }
  return false;
}

// A warning of nothing: that the number of steps is what custom sigmas say, which it was before.
inline bool is_no_warning(std::string_view line) { return line.find("!= custom_sigmas_count - 1, set ") != std::string_view::npos; }

// Whether a line tells that memory could not be had. The call that needed it then fails, and says nothing or something else.
inline bool lacks_memory(std::string_view line) {
  const auto says = [line](std::string_view words) { return line.find(words) != std::string_view::npos; };
  return says("failed to allocate") || says("insufficient memory") || says("out of memory");
}

}  // namespace sdcpp::engine
