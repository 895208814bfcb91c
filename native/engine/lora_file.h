#pragma once
#include <map>
#include <string>

#include "src/model.h"

struct ggml_tensor;

namespace sdcpp::engine {

// Reads a LoRA's header and holds it against the model's tensors. The engine only warns of what it cannot use, or asserts in the middle
// of a step, so this throws a Failure for a file that is no LoRA, fits no tensor, or has other shapes.
// Returns whether it changes a text encoder.
bool check_lora(const std::string& path, const std::map<std::string, ggml_tensor*>& model, SDVersion version);

}  // namespace sdcpp::engine
