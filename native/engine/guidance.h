#pragma once
#include <cstddef>

namespace sdcpp::engine {

// The part of the steps in which the negative prompt is asked too: from `start` · steps on, counted from 0, and before `end` · steps.
struct GuidanceWindow {
  float start = 0;
  float end = 1;
};

// For the pictures to come. Engine thread.
void set_guidance_window(const GuidanceWindow& window);

}  // namespace sdcpp::engine

// For the engine (see engine/patches). A step's first evaluation of two has a negative number.
bool sdcpp_guides(int step, size_t steps);
