#include "engine/pieces.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "errors.h"

namespace sdcpp::engine {
namespace {

// The value of 8 bits: 1 sign, 4 exponent (bias 7), 3 fraction; no infinities, all ones is no number (arXiv:2209.05433, E4M3).
float e4m3(uint8_t bits) {
  const float sign = (bits & 0x80) != 0 ? -1.0f : 1.0f;
  const int exponent = (bits >> 3) & 15, fraction = bits & 7;
  if (exponent == 15 && fraction == 7) return std::nanf("");
  return sign *
         (exponent == 0 ? std::ldexp(static_cast<float>(fraction), -9) : std::ldexp(static_cast<float>(8 + fraction), exponent - 10));
}

// 5 bits of exponent as F16 has, and its first 2 of the fraction.
float e5m2(uint8_t bits) { return ggml_fp16_to_fp32(static_cast<ggml_fp16_t>(bits << 8)); }

}  // namespace

Format format_of(const std::string& name) {
  if (name == "f8_e4m3") return {Stored::E4m3, GGML_TYPE_F16};
  if (name == "f8_e5m2") return {Stored::E5m2, GGML_TYPE_F16};
  if (name == "f64") return {Stored::F64, GGML_TYPE_F32};
  for (int i = 0; i < GGML_TYPE_COUNT; i++) {
    const auto type = static_cast<ggml_type>(i);
    const char* known = ggml_type_name(type);
    if (known == nullptr || ggml_type_size(type) == 0 || ggml_blck_size(type) == 0) continue;
    std::string lower = known;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (lower == name) return {Stored::AsIs, type};
  }
  throw Failure(code::ModelFile, "a tensor has the type " + name + ", which the engine does not read");
}

uint64_t bytes_of(const Format& format, uint64_t elements) {
  switch (format.stored) {
    case Stored::E4m3:
    case Stored::E5m2: return elements;
    case Stored::F64: return elements * 8;
    default: return elements / static_cast<uint64_t>(ggml_blck_size(format.type)) * ggml_type_size(format.type);
  }
}

uint64_t elements_of(const Format& format, uint64_t bytes) {
  const uint64_t unit = bytes_of(format, static_cast<uint64_t>(ggml_blck_size(format.type)));
  if (bytes % unit != 0) throw Failure(code::ModelFile, "a piece of a tensor is no whole number of its type's blocks");
  return bytes / unit * static_cast<uint64_t>(ggml_blck_size(format.type));
}

bool is_float(ggml_type type) { return type == GGML_TYPE_F16 || type == GGML_TYPE_BF16 || type == GGML_TYPE_F32; }

void to_float(const Format& format, const char* from, float* to, size_t count) {
  const auto n = static_cast<int64_t>(count);
  if (format.stored == Stored::F64) {
    for (size_t i = 0; i < count; i++) {
      double value = 0;
      std::memcpy(&value, from + i * sizeof(double), sizeof(double));
      to[i] = static_cast<float>(value);
    }
  } else if (format.stored != Stored::AsIs) {
    const auto decode = format.stored == Stored::E4m3 ? e4m3 : e5m2;
    for (size_t i = 0; i < count; i++) to[i] = decode(static_cast<uint8_t>(from[i]));
  } else if (format.type == GGML_TYPE_F16) {
    ggml_fp16_to_fp32_row(reinterpret_cast<const ggml_fp16_t*>(from), to, n);
  } else if (format.type == GGML_TYPE_BF16) {
    ggml_bf16_to_fp32_row(reinterpret_cast<const ggml_bf16_t*>(from), to, n);
  } else {
    std::memcpy(to, from, count * sizeof(float));
  }
}

#ifdef SDCPP_TENSOR_SOURCES
namespace {

constexpr size_t kChunk = 1u << 18;  // elements that are converted at once

void from_float(const float* from, ggml_type type, char* to, size_t count) {
  const auto n = static_cast<int64_t>(count);
  if (type == GGML_TYPE_F16) {
    ggml_fp32_to_fp16_row(from, reinterpret_cast<ggml_fp16_t*>(to), n);
  } else if (type == GGML_TYPE_BF16) {
    ggml_fp32_to_bf16_row(from, reinterpret_cast<ggml_bf16_t*>(to), n);
  } else {
    std::memcpy(to, from, count * sizeof(float));
  }
}

// All values of an fp8 type times a factor, in the type of the result: a run of weights is then looked up.
class Products {
 public:
  Products(const Format& format, ggml_type type, float scale) : bytes_(ggml_type_size(type)) {
    const auto decode = format.stored == Stored::E4m3 ? e4m3 : e5m2;
    std::array<float, 256> values;
    for (size_t code = 0; code < values.size(); code++) values[code] = decode(static_cast<uint8_t>(code)) * scale;
    from_float(values.data(), type, table_.data(), values.size());
  }

  void look_up(const char* from, char* to, size_t count) const {
    if (bytes_ == sizeof(uint16_t)) {
      copy<uint16_t>(from, to, count);
    } else {
      copy<uint32_t>(from, to, count);
    }
  }

 private:
  template <typename Word>
  void copy(const char* from, char* to, size_t count) const {
    Word table[256];
    std::memcpy(table, table_.data(), sizeof(table));
    for (size_t i = 0; i < count; i++) std::memcpy(to + i * sizeof(Word), &table[static_cast<uint8_t>(from[i])], sizeof(Word));
  }

  const size_t bytes_;
  std::array<char, 256 * sizeof(float)> table_{};
};

// A tensor made of pieces, each converted and scaled on its way.
class PiecesSource final : public TensorSource {
 public:
  PiecesSource(ggml_type type, std::vector<TensorPiece> pieces) : type_(type), pieces_(std::move(pieces)) {}

  bool read(char* data, size_t nbytes) const override {
    try {
      const char* const end = data + nbytes;
      for (const TensorPiece& piece : pieces_) {
        const size_t bytes = bytes_of({Stored::AsIs, type_}, piece.elements);
        if (bytes > static_cast<size_t>(end - data) || !read_piece(piece, data)) return false;
        data += bytes;
      }
      return data == end;
    } catch (const std::exception&) {  // no memory
      return false;
    }
  }

 private:
  bool read_piece(const TensorPiece& piece, char* to) const {
    std::ifstream file(std::filesystem::u8path(piece.path), std::ios::binary);
    file.seekg(static_cast<std::streamoff>(piece.offset));
    if (piece.scales.empty() && piece.format.stored == Stored::AsIs && piece.format.type == type_) {
      return static_cast<bool>(file.read(to, static_cast<std::streamsize>(piece.bytes)));
    }
    const size_t runs = std::max<size_t>(piece.scales.size(), 1);
    const size_t run = piece.elements / runs;
    std::vector<char> stored;
    std::vector<float> numbers;
    const bool fp8 = piece.format.stored == Stored::E4m3 || piece.format.stored == Stored::E5m2;
    for (size_t i = 0; i < runs; i++) {
      const float scale = piece.scales.empty() ? 1.0f : piece.scales[i];
      const auto products = fp8 ? std::make_unique<Products>(piece.format, type_, scale) : nullptr;
      for (size_t done = 0; done < run;) {
        const size_t count = std::min(kChunk, run - done);
        stored.resize(bytes_of(piece.format, count));
        if (!file.read(stored.data(), static_cast<std::streamsize>(stored.size()))) return false;
        if (products) {
          products->look_up(stored.data(), to, count);
        } else {
          numbers.resize(count);
          to_float(piece.format, stored.data(), numbers.data(), count);
          if (scale != 1.0f) std::transform(numbers.begin(), numbers.end(), numbers.begin(), [=](float number) { return number * scale; });
          from_float(numbers.data(), type_, to, count);
        }
        to += count * ggml_type_size(type_);
        done += count;
      }
    }
    return true;
  }

  const ggml_type type_;
  const std::vector<TensorPiece> pieces_;
};

}  // namespace

std::shared_ptr<const TensorSource> make_source(ggml_type type, std::vector<TensorPiece> pieces) {
  return std::make_shared<PiecesSource>(type, std::move(pieces));
}
#endif

}  // namespace sdcpp::engine
