#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "stable-diffusion.h"

namespace sdcpp::engine {

// An ESRGAN network in memory.
class Esrgan {
 public:
  virtual ~Esrgan() = default;

  // Enlarges a picture of three channels; the caller frees the result's data. Larger ones are computed in tiles that overlap by
  // about a quarter; the engine's progress callback counts them.
  virtual sd_image_t upscale(const sd_image_t& image) = 0;

  int scale = 0;
  int blocks = 0;
  uint64_t bytes = 0;
  uint64_t parameters = 0;
  std::string device;
};

// Reads the whole network. Throws a Failure that says what is wrong with the file.
std::unique_ptr<Esrgan> load_esrgan(const std::string& file, int threads, int tile_size, const std::string& backend);

// Throws when the file is no ESRGAN network, by its names and shapes; `option` is named in the message.
void check_esrgan(const std::string& file, const std::string& option);

}  // namespace sdcpp::engine
