#pragma once
#include <cstdint>
#include <string>

#include "engine/lora/delta.h"
#include "engine/lora/plan.h"

namespace sdcpp::engine::lora {

// Whether numbers are such as a weight may have: finite and within half floats. Only an absurd alpha or strength makes others.
bool all_sound(const float* numbers, int64_t count);

// Whether what a pair, or LoKr's factors, add to a weight is sound.
bool is_sound(const Product& pair);
bool is_sound(const Factors& factors);

// Fails with the name of the LoRA whose change makes numbers that are not sound.
void expect_sound(bool sound, const std::string& path, const Change& change);

}  // namespace sdcpp::engine::lora
