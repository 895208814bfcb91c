#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model_io/tensor_storage.h"

namespace sdcpp::engine {

// How a piece's numbers stand in its file.
enum class Stored { AsIs, E4m3, E5m2, F64 };

struct Format {
  Stored stored = Stored::AsIs;
  ggml_type type = GGML_TYPE_COUNT;  // of the numbers, or what holds them: F16 for both fp8 types, F32 for F64
};

// By ggml's names in lower case, "f8_e4m3", "f8_e5m2" and "f64". Throws a Failure for others.
Format format_of(const std::string& name);

uint64_t bytes_of(const Format& format, uint64_t elements);

// Throws a Failure when the bytes are no whole number of blocks.
uint64_t elements_of(const Format& format, uint64_t bytes);

bool is_float(ggml_type type);

// Numbers of a float format as floats.
void to_float(const Format& format, const char* from, float* to, size_t count);

// A run of elements in a file, to be multiplied.
struct TensorPiece {
  std::string path;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t elements = 0;
  Format format;
  std::vector<float> scales;  // none, one, or one for each of equal runs of the elements
};

#ifdef SDCPP_TENSOR_SOURCES
// A tensor made of pieces, each converted and scaled on its way. Pieces of another type than the tensor's, and those with scales, are
// floats, and so is the tensor.
std::shared_ptr<const TensorSource> make_source(ggml_type type, std::vector<TensorPiece> pieces);
#endif

}  // namespace sdcpp::engine
