#include "image.h"

#include <cstring>

#include "params/table.h"

namespace sdcpp {

Pixels Pixels::copy_of(const sd_image_t& image) {
  const size_t size = static_cast<size_t>(image.width) * image.height * image.channel;
  return {image.width, image.height, image.channel, {image.data, image.data + size}};
}

Pixels Pixels::read(const Napi::Value& value, const std::string& path) {
  if (!value.IsObject()) params::reject(value, path, "an object");
  const Napi::Object object = value.As<Napi::Object>();
  const auto count = [&](const char* name) {
    const int number = params::read_integer(object.Get(name), path + "." + name);
    if (number < 1) params::reject(object.Get(name), path + "." + name, "a positive integer");
    return static_cast<uint32_t>(number);
  };
  Pixels pixels{count("width"), count("height"), count("channels"), {}};
  const Napi::Value data = object.Get("data");
  const size_t size = static_cast<size_t>(pixels.width) * pixels.height * pixels.channels;
  const bool fits = data.IsTypedArray() && data.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array &&
                    data.As<Napi::TypedArray>().ByteLength() == size;
  if (!fits) params::fail(value.Env(), path + ".data", "expected a Uint8Array of " + std::to_string(size) + " bytes");
  const Napi::Uint8Array bytes = data.As<Napi::Uint8Array>();
  pixels.data.assign(bytes.Data(), bytes.Data() + size);
  return pixels;
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
