#include "inpaint.h"

#include <algorithm>

#include "errors.h"

namespace sdcpp {
namespace {

// The mean of the `radius` pixels on both sides along one axis, which at the border repeats its last pixel. `step` leads to the next pixel
// of a line, `next` to the next line.
void blur(std::vector<uint8_t>& pixels, size_t length, size_t step, size_t lines, size_t next, int radius) {
  std::vector<uint8_t> line(length);
  const auto at = [&](int64_t i) -> uint32_t {
    return line[static_cast<size_t>(std::clamp<int64_t>(i, 0, static_cast<int64_t>(length) - 1))];
  };
  const uint32_t window = 2 * static_cast<uint32_t>(radius) + 1;
  for (size_t l = 0; l < lines; l++) {
    uint8_t* const first = pixels.data() + l * next;
    for (size_t i = 0; i < length; i++) line[i] = first[i * step];
    uint32_t sum = 0;
    for (int64_t i = -radius; i <= radius; i++) sum += at(i);
    for (size_t i = 0; i < length; i++) {
      // Rounded up, so that the fade has its full width.
      first[i * step] = static_cast<uint8_t>((sum + window - 1) / window);
      const auto here = static_cast<int64_t>(i);
      sum += at(here + radius + 1);
      sum -= at(here - radius);
    }
  }
}

}  // namespace

Inpaint::Inpaint(const sd_image_t& picture, const sd_image_t& mask, int feather) : picture_(picture) {
  const size_t width = mask.width;
  const size_t height = mask.height;
  weights_.assign(mask.data, mask.data + width * height);
  if (feather > 0) {
    blur(weights_, width, 1, height, width, feather);
    blur(weights_, height, width, width, 1, feather);
  }
  for (const uint8_t weight : weights_) area_.push_back(weight > 0 ? 255 : 0);
}

sd_image_t Inpaint::engine_mask() { return {picture_.width, picture_.height, 1, area_.data()}; }

void Inpaint::restore(Pixels& painted) const {
  if (painted.width != picture_.width || painted.height != picture_.height || painted.channels != picture_.channel) {
    throw Failure(code::InvalidOption, "keepUnmasked: the result has another size than the picture; set it to false");
  }
  for (size_t i = 0; i < painted.data.size(); i++) {
    const uint32_t weight = weights_[i / painted.channels];
    const uint32_t mixed = weight * painted.data[i] + (255 - weight) * picture_.data[i];
    painted.data[i] = static_cast<uint8_t>((mixed + 127) / 255);
  }
}

}  // namespace sdcpp
