#pragma once
#include <memory>
#include <string>
#include <vector>

#include "model_io/tensor_storage.h"

namespace sdcpp::engine {

// The tensors of one checkpoint or LoRA as the engine is to see them, in its names. `file_index` counts in `files`, at least one, which
// must exist; a tensor with a `source` is not read from them.
struct Listing {
  std::vector<std::string> files;
  std::vector<TensorStorage> tensors;
};

// While it lives, the engine opens `path` as this listing and does not look into the file. Made and ended on the engine thread.
class ListedFile {
 public:
  ListedFile(std::string path, Listing listing);
  ~ListedFile();
  ListedFile(const ListedFile&) = delete;
  ListedFile& operator=(const ListedFile&) = delete;

 private:
  const std::string path_;
};

// Whether all numbers of a tensor's data are finite; if not, it is the one that fail_weights() names. Any thread.
bool accept(const TensorStorage& storage, const char* data);

// Takes whole pages of a mapped file, which nobody has written to, out of this process's memory until they are read again.
void give_back(void* data, size_t bytes);

// Throws the Failure for weights that load_tensors() did not read: names the tensor if its numbers are the reason.
[[noreturn]] void fail_weights();

// The first tensor with infinite numbers or none (NaN) that has been read since the last call: its name, or "".
std::string take_unusable();

}  // namespace sdcpp::engine
