#pragma once
#include <map>
#include <string>

#include "engine/lora/selection.h"
#include "model_loader.h"

namespace sdcpp::engine::lora {

// Changes that a model's loader adds to weights whenever it reads them: as the file has them, in floats, and then to the weight's own type.
class Merges {
 public:
  // The loader has to have opened its files, and must outlive this.
  explicit Merges(ModelLoader& loader) : loader_(loader) {}
  // In the place of those before. Weights that have been read keep what they have.
  void set(const ByTensor& changes);

 private:
  ModelLoader& loader_;
  std::map<std::string, TensorStorage> originals_;
};

// Why the last weight could not be merged, once; "" if there was no such.
std::string take_merge_failure();

}  // namespace sdcpp::engine::lora
