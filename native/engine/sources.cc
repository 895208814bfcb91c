#include "engine/sources.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "core/util.h"
#include "engine/extension.h"
#include "engine/lora/merge.h"
#include "errors.h"

namespace sdcpp::engine {
namespace {

std::mutex mutex;
std::map<std::string, Listing> listings;
std::string unusable;

// Whether any number has all bits of its exponent set. Without a branch in the loop, so that compilers use vectors.
template <typename Word>
bool any_not_finite(const char* data, int64_t count, Word exponent) {
  constexpr int64_t kBlock = 4096;
  for (int64_t first = 0; first < count; first += kBlock) {
    const int64_t length = std::min(kBlock, count - first);
    Word words[kBlock];
    std::memcpy(words, data + first * static_cast<int64_t>(sizeof(Word)), static_cast<size_t>(length) * sizeof(Word));
    Word found = 0;
    for (int64_t i = 0; i < length; i++) found |= static_cast<Word>((words[i] & exponent) == exponent);
    if (found != 0) return true;
  }
  return false;
}

bool is_finite(ggml_type type, const char* data, int64_t count) {
  switch (type) {
    case GGML_TYPE_F32: return !any_not_finite<uint32_t>(data, count, 0x7f800000u);
    case GGML_TYPE_F16: return !any_not_finite<uint16_t>(data, count, 0x7c00u);
    case GGML_TYPE_BF16: return !any_not_finite<uint16_t>(data, count, 0x7f80u);
    default: break;
  }
  // Quantized: their factors. It says on stderr which block is wrong.
  return !ggml_is_quantized(type) || ggml_validate_row_data(type, data, ggml_row_size(type, count));
}

}  // namespace

ListedFile::ListedFile(std::string path, Listing listing) : path_(std::move(path)) {
  const std::lock_guard<std::mutex> lock(mutex);
  listings[path_] = std::move(listing);
}

ListedFile::~ListedFile() {
  const std::lock_guard<std::mutex> lock(mutex);
  listings.erase(path_);
}

bool accept(const TensorStorage& storage, const char* data) {
  if (is_finite(storage.type, data, storage.nelements())) return true;
  const std::lock_guard<std::mutex> lock(mutex);
  if (unusable.empty()) unusable = storage.name;
  return false;
}

void give_back([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#ifdef __linux__  // elsewhere this would write zeros, or do nothing
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<uintptr_t>(data) + page - 1) / page * page;
  const auto end = (reinterpret_cast<uintptr_t>(data) + bytes) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
#endif
}

void fail_weights() {
  fail_if_unusable();
  throw Failure(code::ModelFile, "the weights could not be read; the file may be truncated or damaged");
}

void fail_if_unusable() {
  const std::string merge = lora::take_merge_failure();
  if (!merge.empty()) throw Failure(code::ModelFile, merge);
  const std::string name = take_unusable();
  if (name.empty()) return;
  throw Failure(code::ModelFile, "the tensor '" + name +
                                     "' has NaN or infinite weights, as happens when half floats overflow, and would draw nothing; "
                                     "get the file in BF16 or F32");
}

std::string take_unusable() {
  const std::lock_guard<std::mutex> lock(mutex);
  return std::exchange(unusable, {});
}

}  // namespace sdcpp::engine

// What engine/patches/11-tensor-sources.patch calls.

bool sdcpp_list_tensors(const std::string& path, const std::string& prefix, std::vector<TensorStorage>& tensors,
                        std::vector<std::string>& files) {
  using namespace sdcpp::engine;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = listings.find(path);
  if (found == listings.end()) return false;
  files = found->second.files;
  tensors = found->second.tensors;
  for (TensorStorage& tensor : tensors) {
    if (!starts_with(tensor.name, prefix)) tensor.name = prefix + tensor.name;
  }
  return true;
}

bool sdcpp_accept_data(const TensorStorage& storage, const char* data) { return sdcpp::engine::accept(storage, data); }
