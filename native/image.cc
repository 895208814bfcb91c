#include "image.h"

#include <cstring>

namespace sdcpp {

Pixels Pixels::copy_of(const sd_image_t& image) {
  const size_t size = static_cast<size_t>(image.width) * image.height * image.channel;
  return {image.width, image.height, image.channel, {image.data, image.data + size}};
}

void Pixels::put_into(Napi::Object& target) const {
  Napi::Uint8Array bytes = Napi::Uint8Array::New(target.Env(), data.size());
  std::memcpy(bytes.Data(), data.data(), data.size());
  target["width"] = width;
  target["height"] = height;
  target["channels"] = channels;
  target["data"] = bytes;
}

}  // namespace sdcpp
