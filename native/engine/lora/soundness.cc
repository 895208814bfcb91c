#include "engine/lora/soundness.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "errors.h"

namespace sdcpp::engine::lora {
namespace {

constexpr float kLargestSound = 65504.0f;  // of half floats

float largest(const std::vector<float>& numbers) {
  float most = 0.0f;
  for (const float number : numbers) most = std::fabs(number) <= most ? most : std::fabs(number);
  return most;
}

}  // namespace

bool all_sound(const float* numbers, int64_t count) {
  return std::all_of(numbers, numbers + count, [](float number) { return std::fabs(number) <= kLargestSound; });
}

bool is_sound(const Product& pair) {
  // The numbers themselves are made only where they may be too large.
  if (largest(pair.a) * largest(pair.b) * static_cast<float>(pair.rank) <= kLargestSound) return true;
  std::vector<float> row(static_cast<size_t>(pair.columns));
  for (int64_t i = 0; i < pair.rows; i++) {
    pair.fill(i, 1, row.data());
    if (!all_sound(row.data(), pair.columns)) return false;
  }
  return true;
}

bool is_sound(const Factors& factors) { return largest(factors.w1) * largest(factors.w2) <= kLargestSound; }

void expect_sound(bool sound, const std::string& path, const Change& change) {
  if (sound) return;
  throw Failure(code::ModelFile, "loras: '" + path + "' makes numbers of '" + change.name() +
                                     "' that are infinite or beyond half floats, which would draw nothing; its alpha or the weight that it "
                                     "is given is too large");
}

}  // namespace sdcpp::engine::lora
