#include "params/table.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "errors.h"

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

}  // namespace sdcpp::params
