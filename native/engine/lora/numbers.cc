#include "engine/lora/numbers.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "errors.h"
#include "ggml.h"
#include "zip.h"

namespace sdcpp::engine::lora {
namespace {

// 8 bits with a sign, so many bits of exponent, and the rest; e4m3 has one NaN and no infinity (as torch's float8_e4m3fn).
float from_f8(uint8_t bits, int exponent_bits) {
  const int mantissa_bits = 7 - exponent_bits;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = (bits & 0x7f) >> mantissa_bits;
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const bool top = exponent == (1 << exponent_bits) - 1;
  float value;
  if (exponent_bits == 4 ? top && mantissa == 7 : top) {
    value = exponent_bits == 5 && mantissa == 0 ? INFINITY : NAN;
  } else {
    const int fraction = exponent == 0 ? mantissa : mantissa + (1 << mantissa_bits);
    value = std::ldexp(static_cast<float>(fraction), std::max(exponent, 1) - bias - mantissa_bits);
  }
  return bits & 0x80 ? -value : value;
}

template <class Stored, class Convert>
bool convert(const std::vector<char>& bytes, std::vector<float>& numbers, Convert convert_one) {
  if (bytes.size() != numbers.size() * sizeof(Stored)) return false;
  for (size_t i = 0; i < numbers.size(); i++) {
    Stored stored;
    std::memcpy(&stored, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    numbers[i] = static_cast<float>(convert_one(stored));
  }
  return true;
}

const ggml_type_traits* traits_of(const std::string& type) {
  for (int i = 0; i < GGML_TYPE_COUNT; i++) {
    const ggml_type_traits* traits = ggml_get_type_traits(static_cast<ggml_type>(i));
    if (traits->type_name == nullptr || traits->to_float == nullptr || traits->blck_size == 0) continue;
    std::string name = traits->type_name;
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char letter) { return std::tolower(letter); });
    if (name == type) return traits;
  }
  return nullptr;
}

bool to_floats(const ggml_type_traits& traits, const std::vector<char>& bytes, std::vector<float>& numbers) {
  const size_t block = static_cast<size_t>(traits.blck_size);
  if (numbers.size() % block != 0 || bytes.size() != numbers.size() / block * traits.type_size) return false;
  traits.to_float(bytes.data(), numbers.data(), static_cast<int64_t>(numbers.size()));
  return true;
}

std::vector<char> read_zip(const std::string& path, const TensorStorage& storage, size_t bytes) {
  zip_t* zip = zip_open(path.c_str(), 0, 'r');
  std::vector<char> entry;
  if (zip != nullptr && zip_entry_openbyindex(zip, static_cast<size_t>(storage.index_in_zip)) == 0) {
    entry.resize(zip_entry_size(zip));
    if (zip_entry_noallocread(zip, entry.data(), entry.size()) < 0) entry.clear();
    zip_entry_close(zip);
  }
  if (zip != nullptr) zip_close(zip);
  if (storage.offset > entry.size() || entry.size() - storage.offset < bytes) return {};
  return {entry.begin() + static_cast<std::ptrdiff_t>(storage.offset), entry.begin() + static_cast<std::ptrdiff_t>(storage.offset + bytes)};
}

}  // namespace

bool to_floats(const std::string& type, const std::vector<char>& bytes, std::vector<float>& numbers) {
  const auto as_it_is = [](auto value) { return value; };
  if (type == "f32") return convert<float>(bytes, numbers, as_it_is);
  if (type == "f64") return convert<double>(bytes, numbers, as_it_is);
  if (type == "i32") return convert<int32_t>(bytes, numbers, as_it_is);
  if (type == "i64") return convert<int64_t>(bytes, numbers, as_it_is);
  if (type == "f8_e4m3") return convert<uint8_t>(bytes, numbers, [](uint8_t bits) { return from_f8(bits, 4); });
  if (type == "f8_e5m2") return convert<uint8_t>(bytes, numbers, [](uint8_t bits) { return from_f8(bits, 5); });
  const ggml_type_traits* traits = traits_of(type);
  return traits != nullptr && to_floats(*traits, bytes, numbers);
}

NumberFile::NumberFile(const std::string& path) : path_(path), file_(std::filesystem::u8path(path), std::ios::binary) {
  if (!file_.is_open()) throw Failure(code::ModelFile, "loras: '" + path + "' could not be opened");
}

std::vector<float> NumberFile::read(const Tensor& tensor) {
  const auto fail = [&](const std::string& what) -> Failure {
    return Failure(code::ModelFile, "loras: '" + path_ + "': tensor '" + tensor.name + "' " + what);
  };
  std::vector<char> bytes(tensor.bytes);
  file_.clear();
  file_.seekg(static_cast<std::streamoff>(tensor.offset));
  file_.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file_) throw fail("could not be read; the file may be truncated");
  std::vector<float> numbers(static_cast<size_t>(tensor.elements));
  if (!to_floats(tensor.type, bytes, numbers)) throw fail("has type " + tensor.type + ", which is not read");
  if (!std::all_of(numbers.begin(), numbers.end(), [](float number) { return std::isfinite(number); })) {
    throw fail("has infinite numbers, or none (NaN)");
  }
  return numbers;
}

std::vector<float> NumberFile::read(const Change& change, const std::string& role) { return read(change.tensors.at(role)); }

std::vector<float> read_weight(const std::string& path, bool zip, const TensorStorage& storage) {
  std::vector<char> bytes(static_cast<size_t>(storage.nbytes_to_read()));
  bool read;
  if (storage.source) {
    read = storage.source->read(bytes.data(), bytes.size());
  } else if (zip) {
    bytes = read_zip(path, storage, bytes.size());
    read = !bytes.empty();
  } else {
    std::ifstream file(std::filesystem::u8path(path), std::ios::binary);
    file.seekg(static_cast<std::streamoff>(storage.offset));
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    read = static_cast<bool>(file);
  }
  std::vector<float> numbers(static_cast<size_t>(storage.nelements()));
  if (storage.is_f8_e4m3) {
    read = read && to_floats("f8_e4m3", bytes, numbers);
  } else if (storage.is_f8_e5m2) {
    read = read && to_floats("f8_e5m2", bytes, numbers);
  } else if (storage.is_f64) {
    read = read && to_floats("f64", bytes, numbers);
  } else if (storage.type == GGML_TYPE_F32) {
    read = read && to_floats("f32", bytes, numbers);
  } else {
    const ggml_type_traits* traits = ggml_get_type_traits(storage.type);
    read = read && traits->to_float != nullptr && to_floats(*traits, bytes, numbers);
  }
  if (!read) throw Failure(code::ModelFile, "the weight '" + storage.name + "' of '" + path + "' could not be read");
  return numbers;
}

}  // namespace sdcpp::engine::lora
