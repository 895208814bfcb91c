#pragma once
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "engine/lora/plan.h"
#include "model_io/tensor_storage.h"

namespace sdcpp::engine::lora {

// Bytes of a type (as in Tensor::type) as floats; false for a type that is not known, or another number of bytes.
bool to_floats(const std::string& type, const std::vector<char>& bytes, std::vector<float>& numbers);

// The tensors of a LoRA's file as floats.
class NumberFile {
 public:
  // Throws a Failure when it cannot be opened.
  explicit NumberFile(const std::string& path);
  // Throws a Failure when it ends early, or has infinite numbers or none (NaN).
  std::vector<float> read(const Tensor& tensor);
  std::vector<float> read(const Change& change, const std::string& role);

 private:
  const std::string path_;
  std::ifstream file_;
};

// What stands in a model's file for a tensor, as floats; throws a Failure. `zip` tells a pickle of Python.
std::vector<float> read_weight(const std::string& path, bool zip, const TensorStorage& storage);

}  // namespace sdcpp::engine::lora
