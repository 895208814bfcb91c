#include "engine/plan.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "engine/pieces.h"
#include "errors.h"
#include "json.hpp"

#ifdef SDCPP_TENSOR_SOURCES

namespace sdcpp::engine {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMostElements = int64_t{1} << 40;

[[noreturn]] void fail(const std::string& what) { throw Failure(code::ModelFile, what); }

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
    std::vector<TensorPiece> pieces;
    uint64_t sum = 0;
    for (const Json& piece : tensor.at("pieces")) {
      pieces.push_back(piece_of(piece));
      sum += pieces.back().elements;
      check_conversion(storage, pieces.back());
    }
    if (pieces.empty() || sum != static_cast<uint64_t>(elements)) fail("the pieces of '" + storage.name + "' do not make up its shape");
    storage.file_index = tensor.at("pieces").at(0).at("file").get<size_t>();
    const TensorPiece& first = pieces.front();
    const bool plain = pieces.size() == 1 && first.scales.empty() && first.format.type == storage.type;
    if (plain) {  // as the engine reads and maps it itself
      storage.offset = first.offset;
      storage.is_f8_e4m3 = first.format.stored == Stored::E4m3;
      storage.is_f8_e5m2 = first.format.stored == Stored::E5m2;
      storage.is_f64 = first.format.stored == Stored::F64;
    } else {
      storage.source = make_source(storage.type, std::move(pieces));
    }
    return storage;
  }

  static void check_conversion(const TensorStorage& storage, const TensorPiece& piece) {
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

  TensorPiece piece_of(const Json& json) const {
    TensorPiece piece;
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
