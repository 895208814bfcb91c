#include "engine/lora_file.h"

#include <algorithm>

#include "errors.h"
#include "ggml.h"
#include "src/core/util.h"
#include "src/model_loader.h"
#include "src/name_conversion.h"

namespace sdcpp::engine {
namespace {

using Model = std::map<std::string, ggml_tensor*>;

// The tensors that change one tensor of the model, or a third of a fused qkv: "lora_up", "lora_down", "alpha", …
using Change = std::map<std::string, TensorStorage>;
using Changes = std::map<std::string, Change>;

bool complete(const Change& change) {
  const auto has = [&](const char* name) { return change.count(name) > 0; };
  if (has("lora_up") && has("lora_down")) return true;
  if (has("hada_w1_a") && has("hada_w1_b") && has("hada_w2_a") && has("hada_w2_b")) return true;
  const bool first = has("lokr_w1") || (has("lokr_w1_a") && has("lokr_w1_b"));
  return has("diff") || (first && (has("lokr_w2") || (has("lokr_w2_a") && has("lokr_w2_b"))));
}

// "lora.<tensor of the model>.lora_up" → changes["<tensor of the model>"]["lora_up"]; what is incomplete is left out.
Changes changes_of(const String2TensorStorage& stored) {
  Changes changes;
  for (const auto& [name, storage] : stored) {
    const size_t dot = name.rfind('.');
    if (starts_with(name, "lora.") && dot > 5) changes[name.substr(5, dot - 5)][name.substr(dot + 1)] = storage;
  }
  for (auto it = changes.begin(); it != changes.end();) it = complete(it->second) ? std::next(it) : changes.erase(it);
  return changes;
}

// The engine calls the second and third part of a fused qkv "<tensor>.1" and "<tensor>.2".
std::string whole(const std::string& target) {
  return ends_with(target, ".1") || ends_with(target, ".2") ? target.substr(0, target.size() - 2) : target;
}

int64_t elements(const TensorStorage& storage) {
  int64_t count = 1;
  for (int i = 0; i < storage.n_dims; i++) count *= storage.ne[i];
  return count;
}

// What is wrong with the parts of a change, or nothing.
std::string problem(const std::string& target, const Changes& changes, const ggml_tensor& weight) {
  int64_t sum = 0;
  for (int part = 0; part < 3; part++) {
    const auto found = changes.find(part == 0 ? target : target + "." + std::to_string(part));
    if (found == changes.end()) break;
    const Change& change = found->second;
    if (change.count("diff")) {
      sum += elements(change.at("diff"));
    } else if (change.count("lora_up") && change.count("lora_down")) {
      const TensorStorage& up = change.at("lora_up");
      const TensorStorage& down = change.at("lora_down");
      const int64_t rank = down.ne[std::max(down.n_dims, 2) - 1];
      const int64_t up_rank = up.n_dims <= 2 ? up.ne[0] : up.ne[2];
      if (up_rank != rank || rank < 1) return "has ranks " + std::to_string(rank) + " and " + std::to_string(up_rank);
      if (down.ne[0] != weight.ne[0]) {
        return "takes " + std::to_string(down.ne[0]) + " inputs, but the model's has " + std::to_string(weight.ne[0]);
      }
      sum += (elements(up) / rank) * (elements(down) / rank);
    } else {
      return "";  // LoHa and LoKr: their products are checked by the engine
    }
  }
  if (sum == ggml_nelements(&weight)) return "";
  if (sum == 0 || sum * 3 == ggml_nelements(&weight) || sum * 3 == ggml_nelements(&weight) * 2) {
    return "changes only a part of the fused query, key and value; the engine needs all three";
  }
  return "has " + std::to_string(sum) + " elements, but the model's has " + std::to_string(ggml_nelements(&weight));
}

}  // namespace

LoraTargets check_lora(const std::string& path, const Model& model, SDVersion version) {
  const auto fail = [&](const std::string& what) { throw Failure(code::ModelFile, "loras: '" + path + "' " + what); };
  ModelLoader loader;
  if (!loader.init_from_file_and_convert_name(path, "lora.", version)) fail("could not be read as a safetensors or GGUF file");
  const Changes changes = changes_of(loader.get_tensor_storage_map());
  if (changes.empty()) fail("is no LoRA: it holds no pair of lora_up and lora_down (or lora_A and lora_B) tensors");

  LoraTargets targets;
  size_t fitting = 0;
  for (const auto& [target, change] : changes) {
    const std::string name = whole(target);
    const auto weight = model.find(name);
    if (weight == model.end()) {
      LOG_WARN("LoRA '%s' changes '%s', which this model does not have", path.c_str(), target.c_str());
      continue;
    }
    const std::string wrong = problem(name, changes, *weight->second);
    if (!wrong.empty()) fail("does not fit this model: its change of " + name + " " + wrong);
    fitting++;
    targets.text = targets.text || is_cond_stage_model_name(name);
    targets.whole = targets.whole || change.count("diff") || change.count("hada_w1_a");
  }
  if (fitting == 0) {
    fail("is a LoRA for another model: none of the tensors that it changes is in this one, for example " + changes.begin()->first);
  }
  return targets;
}

}  // namespace sdcpp::engine
