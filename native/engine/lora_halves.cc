// LoRAs in diffusers' names for the two layers whose rows the original layout has in another order: diffusers' AdaLayerNormContinuous
// (`norm_out`, and the last block's `norm1_context`) makes scale, then shift; the original shift, then scale. diffusers swaps the halves
// when it converts a checkpoint (swap_scale_shift in its convert_sd3_to_diffusers.py); here the halves of what is added to the rows are
// swapped.
#include <cstdlib>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "errors.h"
#include "ggml-backend.h"
#include "ggml.h"
#include "src/model_loader.h"

namespace {

using Tensors = std::unordered_map<std::string, ggml_tensor*>;

// The matrices and biases that the file changes and whose halves may have to be swapped, as the engine names their changes.
std::set<std::string> candidates(const std::string& file) {
  const std::string begin = "lora.model.diffusion_model.";
  std::set<std::string> found;
  ModelLoader loader;
  if (!loader.init_from_file(file)) return found;  // has been read a moment ago
  for (const auto& [name, storage] : loader.get_tensor_storage_map()) {
    const auto has = [&name = name](const char* words) { return name.find(words) != std::string::npos; };
    std::string layer;
    if (has("norm_out.linear") || has("norm_out_linear")) layer = "final_layer";
    const size_t block = name.find("transformer_blocks");  // "transformer_blocks.23.norm1_context.linear", or with underscores
    if (block != std::string::npos && has("norm1_context")) {
      const int number = std::atoi(name.c_str() + block + sizeof("transformer_blocks"));
      layer = "joint_blocks." + std::to_string(number) + ".context_block";
    }
    if (layer.empty()) continue;
    for (const char* kind : {"weight.", "bias."}) found.insert(begin + layer + ".adaLN_modulation.1." + kind);
  }
  return found;
}

// A tensor of a change, or null.
ggml_tensor* find(const Tensors& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  return found == tensors.end() ? nullptr : found->second;
}

// Of the matrix that a LoKr's factors (one tensor, or two of low rank) give: rows and columns.
struct Factor {
  ggml_tensor* rows = nullptr;  // the tensor whose rows are the factor's
  int64_t height = 0, width = 0;
};

Factor factor_of(const Tensors& tensors, const std::string& name) {
  if (ggml_tensor* whole = find(tensors, name)) return {whole, whole->ne[1], whole->ne[0]};
  ggml_tensor* a = find(tensors, name + "_a");
  ggml_tensor* b = find(tensors, name + "_b");
  return a != nullptr && b != nullptr ? Factor{a, a->ne[1], b->ne[0]} : Factor{};
}

// The tensors whose rows follow the rows of the change, which has to have twice as many rows as columns: the other layers named
// `norm1_context` have six times as many, and are in the same order in both layouts.
std::vector<ggml_tensor*> row_tensors(const Tensors& tensors, const std::string& change) {
  const auto tensor = [&](const char* part) { return find(tensors, change + part); };
  if (ggml_tensor* diff = tensor("diff")) {
    if (diff->ne[1] == 2 * diff->ne[0]) return {diff};
  }
  ggml_tensor* up = tensor("lora_up");
  ggml_tensor* down = tensor("lora_down");
  if (up != nullptr && down != nullptr && up->ne[1] == 2 * down->ne[0]) return {up};
  ggml_tensor* first = tensor("hada_w1_a");
  ggml_tensor* inner = tensor("hada_w1_b");
  ggml_tensor* second = tensor("hada_w2_a");
  if (first != nullptr && inner != nullptr && second != nullptr && first->ne[1] == 2 * inner->ne[0]) return {first, second};
  const Factor outer = factor_of(tensors, change + "lokr_w1");
  const Factor block = factor_of(tensors, change + "lokr_w2");
  if (outer.rows == nullptr || block.rows == nullptr || outer.height * block.height != 2 * outer.width * block.width) return {};
  if (outer.height % 2 == 0) return {outer.rows};
  if (outer.height == 1) return {block.rows};
  throw sdcpp::Failure(sdcpp::code::ModelFile, "loras: the LoKr of " + change + "lokr_w1 has an odd number of blocks of rows (" +
                                                   std::to_string(outer.height) +
                                                   "), whose halves cannot be swapped as this layer needs it");
}

// Bytes of rows, of any type: a row is a whole number of its blocks.
void swap_halves(ggml_tensor* tensor) {
  std::vector<uint8_t> data(ggml_nbytes(tensor));
  ggml_backend_tensor_get(tensor, data.data(), 0, data.size());
  const size_t half = data.size() / 2;
  ggml_backend_tensor_set(tensor, data.data() + half, 0, half);
  ggml_backend_tensor_set(tensor, data.data(), half, half);
}

}  // namespace

// Of engine/patches: called when all tensors of a LoRA, or those for one part of the model, have been read.
void sdcpp_lora_loaded(const std::string& file, const Tensors& tensors) {
  for (const std::string& change : candidates(file)) {
    std::vector<ggml_tensor*> swapped = row_tensors(tensors, change);
    const std::string bias = "bias.";
    if (change.size() > bias.size() && change.compare(change.size() - bias.size(), bias.size(), bias) == 0) {
      const std::string weight = change.substr(0, change.size() - bias.size()) + "weight.";
      ggml_tensor* diff = find(tensors, change + "diff");
      const bool final_layer = change.find("final_layer") != std::string::npos;
      if (diff != nullptr && (final_layer || !row_tensors(tensors, weight).empty())) swapped = {diff};
    }
    for (ggml_tensor* tensor : swapped) swap_halves(tensor);
  }
}
