#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sdcpp::engine::lora {

// A tensor of a LoRA's file. `type` is ggml's name in lower case, or safetensors' where ggml has none.
struct Tensor {
  std::string name;
  std::string type;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  int64_t elements = 0;
};

enum class Form { Lora, Loha, Lokr, Glora, Full };

// What a LoRA does to one tensor of the model, or to a third of its rows. Mirrors lib/checkpoint/lora/plan.ts.
struct Change {
  std::string target;  // the engine's name of the tensor
  std::string weight;  // of its module's weight: the same, or the one beside a bias
  int third = -1;      // of a fused query, key and value
  bool halves = false;
  Form form = Form::Full;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t rank = 0;                           // 0: alpha has no meaning
  int64_t first_rows = 0, first_columns = 0;  // of LoKr's w1
  std::optional<float> alpha;
  bool root_of_rank = false;
  std::map<std::string, Tensor> tensors;  // by role
  bool magnitude_of_rows = true;

  const Tensor* find(const std::string& role) const;
  // Of its tensors, for messages.
  const std::string& name() const;
};

struct Plan {
  uint64_t size = 0;  // of the file
  std::vector<Change> changes;
  std::vector<std::string> homeless;  // the first names of tensors that no module is known for
  size_t homeless_count = 0;
};

// Reads the JSON of lib/checkpoint/lora/plan.ts; throws a Failure for another text.
Plan read_plan(const std::string& json);

}  // namespace sdcpp::engine::lora
