#pragma once
#include <memory>

class RNG;

// The random numbers of a picture.
namespace sdcpp::engine {

// Puts ours in the place of a context's generators, the one that makes noise and the samplers'.
void continue_numbers(std::shared_ptr<RNG>& numbers, std::shared_ptr<RNG>& samplers);

// Before each picture.
void begin_numbers(RNG& numbers);

}  // namespace sdcpp::engine
