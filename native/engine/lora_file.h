#pragma once
#include <map>
#include <string>

#include "src/model.h"

struct ggml_tensor;

namespace sdcpp::engine {

// What a LoRA changes.
struct LoraTargets {
  bool text = false;   // a text encoder
  bool whole = false;  // whole weights (LoHa, differences): a product beside the weight's own is not enough
};

// Reads a LoRA's header and holds it against the model's tensors. The engine only warns of what it cannot use, or asserts in the middle
// of a step, so this throws a Failure for a file that is no LoRA, fits no tensor, or has other shapes.
LoraTargets check_lora(const std::string& path, const std::map<std::string, ggml_tensor*>& model, SDVersion version);

}  // namespace sdcpp::engine
