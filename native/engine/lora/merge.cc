#include "engine/lora/merge.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>

#include "core/util.h"
#include "engine/lora/delta.h"
#include "engine/lora/soundness.h"
#include "errors.h"

namespace sdcpp::engine::lora {
namespace {

std::mutex mutex;
std::string failure;

// The halves of rows x columns numbers change places.
void swap_halves(float* numbers, int64_t rows, int64_t columns) {
  std::swap_ranges(numbers, numbers + rows / 2 * columns, numbers + rows / 2 * columns);
}

class MergedWeight final : public TensorSource {
 public:
  MergedWeight(std::string path, bool zip, TensorStorage original, std::vector<Placed> changes)
      : path_(std::move(path)), zip_(zip), original_(std::move(original)), changes_(std::move(changes)) {}

  bool read(char* data, size_t bytes) const override {
    try {
      std::vector<float> merged = read_weight(path_, zip_, original_);
      if (merged.size() * sizeof(float) != bytes) return false;
      merge(merged);
      std::memcpy(data, merged.data(), bytes);
      return true;
    } catch (const std::exception& error) {
      const std::lock_guard<std::mutex> lock(mutex);
      if (failure.empty()) failure = error.what();
      return false;
    }
  }

 private:
  void merge(std::vector<float>& merged) const {
    const bool keep = std::any_of(changes_.begin(), changes_.end(), [](const Placed& placed) { return needs_weight(placed.change); });
    std::vector<float> weight;
    if (keep) weight = merged;  // what a change is of is the weight as it was, whatever others have added
    for (const Placed& placed : changes_) {
      const Change& change = placed.change;
      const int64_t first = placed.first_row * change.columns;
      float* into = merged.data() + first;
      float* from = keep ? weight.data() + first : into;
      const auto swap = [&] {
        if (!change.halves) return;
        swap_halves(into, change.rows, change.columns);
        if (keep) swap_halves(from, change.rows, change.columns);
      };
      NumberFile file(placed.path);
      swap();
      add_change(file, change, placed.strength, from, into);
      swap();
      const int64_t count = change.rows * change.columns;
      if (all_sound(into, count)) continue;
      const std::vector<float> original = read_weight(path_, zip_, original_);
      expect_sound(!all_sound(original.data() + first, count), placed.path, change);  // else it is the model's fault
    }
  }

  const std::string path_;
  const bool zip_;
  const TensorStorage original_;
  const std::vector<Placed> changes_;
};

// The loader's own list of what it reads is protected.
struct Opened : ModelLoader {
  static std::vector<ModelFileData>& files_of(ModelLoader& loader) { return loader.*(&Opened::file_data); }
};

}  // namespace

void Merges::set(const ByTensor& changes) {
  loader_.process_model_files();
  for (ModelFileData& file : Opened::files_of(loader_)) {
    for (TensorStorage& storage : file.tensors) {
      const auto original = originals_.find(storage.name);
      if (original != originals_.end()) storage = original->second;
      const auto found = changes.find(storage.name);
      if (found == changes.end()) continue;
      originals_[storage.name] = storage;
      storage.source = std::make_shared<MergedWeight>(file.path, file.is_zip, originals_[storage.name], found->second);
      storage.type = GGML_TYPE_F32;
      storage.is_f8_e4m3 = storage.is_f8_e5m2 = storage.is_f64 = storage.is_i64 = false;
    }
  }
}

std::string take_merge_failure() {
  const std::lock_guard<std::mutex> lock(mutex);
  return std::exchange(failure, {});
}

}  // namespace sdcpp::engine::lora
