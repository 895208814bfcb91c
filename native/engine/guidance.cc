#include "engine/guidance.h"

#include <cstdlib>

namespace sdcpp::engine {
namespace {

thread_local GuidanceWindow current;

// Of a step: what is lost in the options' single precision does not move a border to another step.
constexpr double kRounding = 1e-3;

}  // namespace

void set_guidance_window(const GuidanceWindow& window) { current = window; }

}  // namespace sdcpp::engine

bool sdcpp_guides(int step, size_t steps) {
  const auto& [start, end] = sdcpp::engine::current;
  const double done = std::abs(step) - 1;
  const double all = static_cast<double>(steps);
  return done >= start * all - sdcpp::engine::kRounding && done < end * all - sdcpp::engine::kRounding;
}
