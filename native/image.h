#pragma once
#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "stable-diffusion.h"

namespace sdcpp {

// A picture on its way to JavaScript: owned, row by row from the top, `channels` bytes a pixel.
struct Pixels {
  uint32_t width = 0;
  uint32_t height = 0;
  uint32_t channels = 0;
  std::vector<uint8_t> data;

  static Pixels copy_of(const sd_image_t& image);

  // From JavaScript: an object as put_into fills it; throws (to JavaScript) what is none.
  static Pixels read(const Napi::Value& value, const std::string& path);

  // Adds width, height, channels and data (a Uint8Array of its own: Electron forbids external buffers).
  void put_into(Napi::Object& target) const;
};

}  // namespace sdcpp
