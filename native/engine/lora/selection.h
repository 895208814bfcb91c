#pragma once
#include <map>
#include <string>
#include <vector>

#include "engine/lora/plan.h"

struct ggml_tensor;

namespace sdcpp::engine::lora {

// A LoRA as a run asks for it; `plan` is the JSON of lib/checkpoint/lora/plan.ts.
struct Request {
  std::string path;
  float strength = 1.0f;
  std::string plan;
};

// A change with where it comes from. `first_row` is where its rows begin in the tensor.
struct Placed {
  std::string path;
  float strength = 1.0f;
  Change change;
  int64_t first_row = 0;
};

using Tensors = std::map<std::string, ggml_tensor*>;
using ByTensor = std::map<std::string, std::vector<Placed>>;  // by the model's tensor

struct Selection {
  ByTensor merged;    // into the weights, when they are read
  ByTensor products;  // computed beside the weights' own
  bool text = false;  // some are of a text encoder
};

// Holds LoRAs against the model's tensors; says in the log which of their tensors it has no place for. Throws a Failure for a LoRA that
// changes no tensor of the model, or has other sizes. Unless all are to be merged, those that products can do are left to them.
Selection select(const std::vector<Request>& requests, const Tensors& model, bool merge_all);

}  // namespace sdcpp::engine::lora
