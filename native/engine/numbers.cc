#include "engine/numbers.h"

#include <algorithm>
#include <cmath>

#include "src/core/rng.hpp"

namespace sdcpp::engine {
namespace {

// A latent has so many channels; its numbers come channel by channel, row by row.
constexpr size_t kChannels = 16;

// The engine seeds its generator at the beginning of a picture, again before the noise that it begins with, and again before that of a
// hires fix. Between the first two the VAE draws, to sample the initial picture from what it was encoded to. After the second seeding the
// noise would be the same numbers, so the noise and the sample would be alike. So the second is left out, and the noise goes on where
// the VAE stopped, as in diffusers (prepare_latents of pipeline_stable_diffusion_3_img2img.py). Without a sample nothing changes by it.
//
// A variation mixes them all with those of another seed, so that at strength 1 the picture is that seed's.
class Numbers final : public RNG {
 public:
  Numbers(std::shared_ptr<RNG> generator, std::shared_ptr<RNG> other) : generator_(std::move(generator)), other_(std::move(other)) {}

  void begin(const Variation& variation) {
    seedings_ = 0;
    variation_ = variation;
  }

  void manual_seed(uint64_t seed) override {
    if (++seedings_ == 2) return;
    generator_->manual_seed(seed);
    if (variation_.strength > 0) other_->manual_seed(static_cast<uint64_t>(variation_.seed));
  }

  std::vector<float> randn(uint32_t count) override {
    std::vector<float> numbers = generator_->randn(count);
    if (variation_.strength == 0) return numbers;
    const size_t width = seedings_ > 2 ? variation_.hires_width : variation_.width;
    mix_noise(numbers, other_->randn(count), variation_.strength, width);
    return numbers;
  }

 private:
  const std::shared_ptr<RNG> generator_;
  const std::shared_ptr<RNG> other_;
  int seedings_ = 0;
  Variation variation_;
};

// The samplers' door to the same generator, which they never seed by themselves.
class SamplersNumbers final : public RNG {
 public:
  explicit SamplersNumbers(std::shared_ptr<RNG> numbers) : numbers_(std::move(numbers)) {}

  void manual_seed(uint64_t) override {}
  std::vector<float> randn(uint32_t count) override { return numbers_->randn(count); }

 private:
  const std::shared_ptr<RNG> numbers_;
};

}  // namespace

// As `slerp` in AUTOMATIC1111's modules/rng.py, which takes the columns of each channel for the vectors. What is no whole latent is one
// vector.
void mix_noise(std::vector<float>& noise, const std::vector<float>& other, float strength, size_t width) {
  if (strength >= 1) noise = other;
  if (strength >= 1 || strength <= 0 || noise.empty()) return;
  const bool latent = width > 0 && noise.size() % (kChannels * width) == 0;
  if (!latent) width = 1;
  const size_t columns = latent ? kChannels * width : 1;
  const size_t height = noise.size() / columns;
  const auto at = [&](size_t column, size_t row) { return column / width * width * height + row * width + column % width; };
  for (size_t column = 0; column < columns; column++) {
    double product = 0;
    double length = 0;
    double other_length = 0;
    for (size_t row = 0; row < height; row++) {
      const double own = noise[at(column, row)];
      const double others = other[at(column, row)];
      product += own * others;
      length += own * own;
      other_length += others * others;
    }
    const double both = std::sqrt(length * other_length);
    const double angle = std::acos(both > 0 ? std::clamp(product / both, -1.0, 1.0) : 1.0);
    const double sine = std::sin(angle);
    const bool straight = sine < 1e-4;  // nearly parallel
    const double own_part = straight ? 1.0 - strength : std::sin((1.0 - strength) * angle) / sine;
    const double other_part = straight ? strength : std::sin(strength * angle) / sine;
    for (size_t row = 0; row < height; row++) {
      const size_t i = at(column, row);
      noise[i] = static_cast<float>(own_part * noise[i] + other_part * other[i]);
    }
  }
}

void continue_numbers(std::shared_ptr<RNG>& numbers, std::shared_ptr<RNG>& samplers, std::shared_ptr<RNG> other) {
  numbers = std::make_shared<Numbers>(std::move(numbers), std::move(other));
  samplers = std::make_shared<SamplersNumbers>(numbers);
}

void begin_numbers(RNG& numbers, const Variation& variation) { static_cast<Numbers&>(numbers).begin(variation); }

}  // namespace sdcpp::engine
