#include "engine/numbers.h"

#include "src/core/rng.hpp"

namespace sdcpp::engine {
namespace {

// The engine seeds its generator at the beginning of a picture, again before the noise that it begins with, and again before that of a
// hires fix. Between the first two the VAE draws, to sample the initial picture from what it was encoded to. After the second seeding the
// noise would be the same numbers, so the noise and the sample would be alike. So the second is left out, and the noise goes on where
// the VAE stopped, as in diffusers (prepare_latents of pipeline_stable_diffusion_3_img2img.py). Without a sample nothing changes by it.
class Numbers final : public RNG {
 public:
  explicit Numbers(std::shared_ptr<RNG> generator) : generator_(std::move(generator)) {}

  void begin() { seedings_ = 0; }

  void manual_seed(uint64_t seed) override {
    if (++seedings_ != 2) generator_->manual_seed(seed);
  }
  std::vector<float> randn(uint32_t count) override { return generator_->randn(count); }

 private:
  const std::shared_ptr<RNG> generator_;
  int seedings_ = 0;
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

void continue_numbers(std::shared_ptr<RNG>& numbers, std::shared_ptr<RNG>& samplers) {
  numbers = std::make_shared<Numbers>(std::move(numbers));
  samplers = std::make_shared<SamplersNumbers>(numbers);
}

void begin_numbers(RNG& numbers) { static_cast<Numbers&>(numbers).begin(); }

}  // namespace sdcpp::engine
