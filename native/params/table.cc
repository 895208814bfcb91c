#include "params/table.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "errors.h"
#include "image.h"

namespace sdcpp::params {
namespace {

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    if (!name.empty()) text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

template <class T, class Read>
std::vector<T>& read_list(const Napi::Value& value, const std::string& path, std::deque<std::vector<T>>& owner, Read read) {
  if (!value.IsArray()) reject(value, path, "an array");
  const Napi::Array array = value.As<Napi::Array>();
  std::vector<T>& items = owner.emplace_back();
  for (uint32_t i = 0; i < array.Length(); i++) items.push_back(read(array.Get(i), path + "[" + std::to_string(i) + "]"));
  return items;
}

}  // namespace

void reject(const Napi::Value& value, const std::string& path, const std::string& expected) {
  const std::string got = value.IsNull() ? "null" : value.ToString().Utf8Value();
  fail(value.Env(), path, "expected " + expected + ", received " + got);
}

void fail(Napi::Env env, const std::string& path, const std::string& problem) {
  Napi::TypeError error = Napi::TypeError::New(env, path + ": " + problem);
  error.Set("code", code::InvalidOption);
  error.Set("path", path);
  throw error;
}

Napi::Object options_of(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject()) reject(info[0], "options", "an object");
  return info[0].As<Napi::Object>();
}

bool read_boolean(const Napi::Value& value, const std::string& path) {
  if (!value.IsBoolean()) reject(value, path, "a boolean");
  return value.As<Napi::Boolean>();
}

int read_integer(const Napi::Value& value, const std::string& path) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
  const bool fits = number >= std::numeric_limits<int>::min() && number <= std::numeric_limits<int>::max();
  if (!fits || number != std::trunc(number)) reject(value, path, "a 32-bit integer");
  return static_cast<int>(number);
}

float read_number(const Napi::Value& value, const std::string& path) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
  if (!std::isfinite(static_cast<float>(number))) reject(value, path, "a finite number");
  return static_cast<float>(number);
}

int64_t read_bigint(const Napi::Value& value, const std::string& path) {
  bool lossless = false;
  const int64_t number = value.IsBigInt() ? value.As<Napi::BigInt>().Int64Value(&lossless) : 0;
  if (!lossless) reject(value, path, "a 64-bit bigint");
  return number;
}

const char* read_string(const Napi::Value& value, const std::string& path, Arena& arena) {
  if (!value.IsString()) reject(value, path, "a string");
  const std::string& owned = arena.strings.emplace_back(value.As<Napi::String>().Utf8Value());
  if (owned.find('\0') != std::string::npos) reject(value, path, "a string without NUL");
  return owned.c_str();
}

int read_name(const Napi::Value& value, const std::string& path, const std::vector<std::string>& names) {
  const std::string name = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  const auto found = std::find(names.begin(), names.end(), name);
  if (name.empty() || found == names.end()) reject(value, path, "one of " + join(names));
  return static_cast<int>(found - names.begin());
}

std::vector<int>& read_integers(const Napi::Value& value, const std::string& path, Arena& arena) {
  return read_list(value, path, arena.integers, read_integer);
}

std::vector<float>& read_numbers(const Napi::Value& value, const std::string& path, Arena& arena) {
  return read_list(value, path, arena.numbers, read_number);
}

sd_image_t read_image(const Napi::Value& value, const std::string& path, uint32_t channels, Arena& arena) {
  if (!value.IsObject()) reject(value, path, "an image");
  const Napi::Object image = value.As<Napi::Object>();
  const auto side = [&](const char* name) {
    const int length = read_integer(image.Get(name), path + "." + name);
    if (length < 1 || length > 65535) reject(image.Get(name), path + "." + name, "1 to 65535 pixels");
    return static_cast<uint32_t>(length);
  };
  const uint32_t width = side("width");
  const uint32_t height = side("height");
  if (read_integer(image.Get("channels"), path + ".channels") != static_cast<int>(channels)) {
    reject(image.Get("channels"), path + ".channels", std::to_string(channels));
  }
  const Napi::Value data = image.Get("data");
  if (!data.IsTypedArray() || data.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    reject(data, path + ".data", "a Uint8Array");
  const Napi::Uint8Array bytes = data.As<Napi::Uint8Array>();
  const uint64_t length = uint64_t{width} * height * channels;
  if (bytes.ByteLength() != length) {
    fail(value.Env(), path + ".data", "expected " + std::to_string(length) + " bytes, received " + std::to_string(bytes.ByteLength()));
  }
  std::vector<uint8_t>& owned = arena.bytes.emplace_back(bytes.Data(), bytes.Data() + length);
  return {width, height, channels, owned.data()};
}

Napi::Value show_image(Napi::Env env, const sd_image_t& image) {
  if (image.data == nullptr) return env.Null();
  Napi::Object object = Napi::Object::New(env);
  Pixels::copy_of(image).put_into(object);
  return object;
}

}  // namespace sdcpp::params
