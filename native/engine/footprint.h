#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "stable-diffusion.h"

namespace sdcpp::engine {

// What one graph needs while it is computed, in bytes.
struct Computation {
  uint64_t buffer = 0;  // of the graph's tensors, on the part's device
  uint64_t work = 0;    // ggml's scratch memory, on the CPU
};

// A part of a model, as in ModelInfo::parts.
struct PartFootprint {
  uint64_t weights = 0;        // bytes, as they will be in memory
  uint64_t mapped = 0;         // of these, what stays in a mapped file
  uint64_t staging = 0;        // most that reading them holds beside them
  uint64_t touched = 0;        // of mapped files, what is read from them and kept in another form; those pages stay too
  std::string device;          // that computes it, by ggml's name
  std::string weights_device;  // that keeps its weights, or "disk"
  Computation text;            // of an encoder: 77 tokens
};

// Of the longer prompt.
struct TextLength {
  int chunks = 1;      // of the CLIPs, 77 positions each
  int t5_tokens = 77;  // with the end token and padding; as many zeros when there is no T5
};

struct DeviceMemory {
  uint64_t free = 0, total = 0;
  bool host = false;  // the process's own memory
};

// What a model will take, from the headers of its files: the engine's graphs are built, and ggml's allocator is asked how large its buffer
// would be. No weights are read.
class Footprint {
 public:
  virtual ~Footprint() = default;

  std::map<std::string, PartFootprint> parts;
  int64_t positions = 0;              // rows of the position table
  int64_t depth = 0;                  // joint blocks
  int64_t dual_attention_blocks = 0;  // as in ModelInfo

  // The computations of a picture: "diffusion", "decode", and as far as they occur "t5xxl" (of its text), "encode" (of a picture to begin
  // with, which is not among the params, if `begins_with_picture`) and "preview". From any thread, but one at a time.
  virtual std::map<std::string, Computation> measure(const sd_img_gen_params_t& params, preview_t preview, const TextLength& text,
                                                     bool begins_with_picture) = 0;

  // The devices that the parts are on, by ggml's names. From any thread.
  virtual std::map<std::string, DeviceMemory> devices() const = 0;
};

// Throws a Failure, as load() does, for files that cannot be used. `plans`: see plan.h. Engine thread.
std::unique_ptr<Footprint> open_footprint(const sd_ctx_params_t& params, const char* plans);

}  // namespace sdcpp::engine
