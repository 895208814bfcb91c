#include "engine/plan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "errors.h"
#include "json.hpp"

#ifdef SDCPP_TENSOR_SOURCES

namespace sdcpp::engine {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMostElements = int64_t{1} << 40;
constexpr size_t kChunk = 1u << 18;  // elements that are converted at once

[[noreturn]] void fail(const std::string& what) { throw Failure(code::ModelFile, what); }

// How a piece's numbers stand in its file.
enum class Stored { AsIs, E4m3, E5m2, F64 };

struct Format {
  Stored stored = Stored::AsIs;
  ggml_type type = GGML_TYPE_COUNT;  // of the numbers, or what holds them: F16 for both fp8 types, F32 for F64
};

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
  fail("a tensor has the type " + name + ", which the engine does not read");
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
  if (bytes % unit != 0) fail("a piece of a tensor is no whole number of its type's blocks");
  return bytes / unit * static_cast<uint64_t>(ggml_blck_size(format.type));
}

bool is_float(ggml_type type) { return type == GGML_TYPE_F16 || type == GGML_TYPE_BF16 || type == GGML_TYPE_F32; }

// The value of 8 bits: 1 sign, 4 exponent (bias 7), 3 fraction; no infinities, all ones is no number (arXiv:2209.05433, E4M3).
float e4m3(uint8_t bits) {
  const float sign = (bits & 0x80) != 0 ? -1.0f : 1.0f;
  const int exponent = (bits >> 3) & 15, fraction = bits & 7;
  if (exponent == 15 && fraction == 7) return std::nanf("");
  return sign * (exponent == 0 ? std::ldexp(static_cast<float>(fraction), -9) : std::ldexp(static_cast<float>(8 + fraction), exponent - 10));
}

// 5 bits of exponent as F16 has, and its first 2 of the fraction.
float e5m2(uint8_t bits) { return ggml_fp16_to_fp32(static_cast<ggml_fp16_t>(bits << 8)); }

struct Piece {
  std::string path;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t elements = 0;
  Format format;
  std::vector<float> scales;  // none, one, or one for each of equal runs of elements
};

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
    std::array<char, 256> codes;
    for (size_t i = 0; i < codes.size(); i++) codes[i] = static_cast<char>(i);
    std::array<float, 256> values;
    to_float(format, codes.data(), values.data(), codes.size());
    for (float& value : values) value *= scale;
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
  PiecesSource(ggml_type type, std::vector<Piece> pieces) : type_(type), pieces_(std::move(pieces)) {}

  bool read(char* data, size_t nbytes) const override {
    try {
      const char* const end = data + nbytes;
      for (const Piece& piece : pieces_) {
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
  bool read_piece(const Piece& piece, char* to) const {
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
  const std::vector<Piece> pieces_;
};

// One checkpoint's plan; its members are read as the functions below need them, and nlohmann throws for those of another kind.
class Reader {
 public:
  explicit Reader(const Json& plan) : plan_(plan) {
    for (const Json& file : plan.at("files")) {
      const auto& path = file.get_ref<const std::string&>();
      std::error_code error;
      const auto size = std::filesystem::file_size(std::filesystem::u8path(path), error);
      if (error) fail("'" + path + "' cannot be read: " + error.message());
      files_.push_back(path);
      sizes_.push_back(size);
    }
  }

  Listing listing() const {
    Listing listing;
    listing.files = files_;
    for (const Json& tensor : plan_.at("tensors")) listing.tensors.push_back(storage_of(tensor));
    return listing;
  }

 private:
  TensorStorage storage_of(const Json& tensor) const {
    TensorStorage storage;
    storage.name = tensor.at("name").get<std::string>();
    storage.type = format_of(tensor.at("type").get<std::string>()).type;
    const Json& shape = tensor.at("shape");
    if (shape.size() > 4) fail("'" + storage.name + "' has " + std::to_string(shape.size()) + " dimensions");
    int64_t elements = 1;
    for (const Json& length : shape) {
      const int64_t ne = length.get<int64_t>();
      if (ne < 1 || ne > kMostElements / elements) fail("'" + storage.name + "' has an impossible shape");
      elements *= ne;
      storage.ne[storage.n_dims++] = ne;
    }
    storage.n_dims = std::max(storage.n_dims, 1);
    std::vector<Piece> pieces;
    uint64_t sum = 0;
    for (const Json& piece : tensor.at("pieces")) {
      pieces.push_back(piece_of(piece));
      sum += pieces.back().elements;
      check_conversion(storage, pieces.back());
    }
    if (pieces.empty() || sum != static_cast<uint64_t>(elements)) fail("the pieces of '" + storage.name + "' do not make up its shape");
    storage.file_index = tensor.at("pieces").at(0).at("file").get<size_t>();
    const Piece& first = pieces.front();
    const bool plain = pieces.size() == 1 && first.scales.empty() && first.format.type == storage.type;
    if (plain) {  // as the engine reads and maps it itself
      storage.offset = first.offset;
      storage.is_f8_e4m3 = first.format.stored == Stored::E4m3;
      storage.is_f8_e5m2 = first.format.stored == Stored::E5m2;
      storage.is_f64 = first.format.stored == Stored::F64;
    } else {
      storage.source = std::make_shared<PiecesSource>(storage.type, std::move(pieces));
    }
    return storage;
  }

  static void check_conversion(const TensorStorage& storage, const Piece& piece) {
    const bool same = piece.format.stored == Stored::AsIs && piece.format.type == storage.type;
    if (same && piece.scales.empty()) {
      if (piece.elements % static_cast<uint64_t>(storage.ne[0]) != 0 && storage.n_dims > 1) {
        fail("a piece of '" + storage.name + "' is no whole number of rows");
      }
      return;
    }
    if (!is_float(storage.type) || !is_float(piece.format.type)) {
      fail("'" + storage.name + "' cannot be made of pieces of the type " + ggml_type_name(piece.format.type));
    }
  }

  Piece piece_of(const Json& json) const {
    Piece piece;
    piece.format = format_of(json.at("as").get<std::string>());
    const size_t file = json.at("file").get<size_t>();
    piece.path = files_.at(file);
    piece.offset = json.at("offset").get<uint64_t>();
    piece.bytes = json.at("bytes").get<uint64_t>();
    check_place(file, piece.offset, piece.bytes);
    piece.elements = elements_of(piece.format, piece.bytes);
    if (piece.elements == 0) fail("a piece of a tensor is empty");
    if (json.contains("scale")) piece.scales = {json.at("scale").get<float>()};
    if (json.contains("scales")) piece.scales = scales_of(json.at("scales"));
    if (!piece.scales.empty() && piece.elements % piece.scales.size() != 0) fail("the scales of a tensor do not fit its rows");
    return piece;
  }

  std::vector<float> scales_of(const Json& json) const {
    const Format format = format_of(json.at("as").get<std::string>());
    const auto count = json.at("count").get<uint64_t>();
    const auto offset = json.at("offset").get<uint64_t>();
    const size_t file = json.at("file").get<size_t>();
    if (!is_float(format.type) || count == 0 || count > uint64_t{1} << 24) fail("the scales of a tensor are no floats, or too many");
    std::vector<char> stored(bytes_of(format, count));
    check_place(file, offset, stored.size());
    std::ifstream stream(std::filesystem::u8path(files_.at(file)), std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(offset));
    if (!stream.read(stored.data(), static_cast<std::streamsize>(stored.size()))) fail("'" + files_.at(file) + "' cannot be read");
    std::vector<float> scales(count);
    to_float(format, stored.data(), scales.data(), scales.size());
    return scales;
  }

  void check_place(size_t file, uint64_t offset, uint64_t bytes) const {
    const uint64_t size = sizes_.at(file);
    if (offset > size || bytes > size - offset) fail("'" + files_.at(file) + "' has become shorter than its header says");
  }

  const Json& plan_;
  std::vector<std::string> files_;
  std::vector<uint64_t> sizes_;
};

}  // namespace

Plans::Plans(const char* json) {
  if (json == nullptr || *json == '\0') return;
  try {
    const Json plans = Json::parse(json);
    for (const auto& [path, plan] : plans.items()) {
      listed_.push_back(std::make_unique<ListedFile>(path, Reader(plan).listing()));
    }
  } catch (const Failure&) {
    throw;
  } catch (const std::exception& error) {  // of nlohmann, and of at()
    throw Failure(code::InvalidOption, std::string("plans: ") + error.what());
  }
}

}  // namespace sdcpp::engine

#else

sdcpp::engine::Plans::Plans(const char* json) {
  if (json == nullptr || *json == '\0') return;
  throw Failure(code::UnsupportedModel, "these files need an engine with engine/patches; this one was built of another checkout");
}

#endif
