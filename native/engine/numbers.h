#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

class RNG;

// The random numbers of a picture.
namespace sdcpp::engine {

// Another seed, whose numbers are mixed with those of the picture's own.
struct Variation {
  int64_t seed = 0;
  float strength = 0;  // 0: none of it, 1: nothing else
  // Of the latents of the passes.
  size_t width = 0;
  size_t hires_width = 0;
};

// Puts ours in the place of a context's generators, the one that makes noise and the samplers'. `other` is one more of the same kind.
void continue_numbers(std::shared_ptr<RNG>& numbers, std::shared_ptr<RNG>& samplers, std::shared_ptr<RNG> other);

// Before each picture.
void begin_numbers(RNG& numbers, const Variation& variation);

// Turns the noise of a latent with rows of `width` numbers towards another one: the way on a sphere.
void mix_noise(std::vector<float>& noise, const std::vector<float>& other, float strength, size_t width);

}  // namespace sdcpp::engine
