#pragma once
#include <cstdint>
#include <vector>

#include "image.h"

namespace sdcpp {

// Painting a part of a picture: what the mask tells the engine, and what is put back afterwards.
class Inpaint {
 public:
  // `mask`: 255 = paint, of the picture's size. `feather`: over how many pixels on both sides of its edge it fades. Both pictures stay the
  // caller's.
  Inpaint(const sd_image_t& picture, const sd_image_t& mask, int feather);

  // Everything that will show, even faintly, is to be painted.
  sd_image_t engine_mask();

  // Lays `painted` over the picture. Where nothing was to be painted, the picture's bytes are unchanged.
  void restore(Pixels& painted) const;

 private:
  const sd_image_t picture_;
  std::vector<uint8_t> weights_;  // how much of the painted picture shows
  std::vector<uint8_t> area_;     // 255 where that is anything
};

}  // namespace sdcpp
