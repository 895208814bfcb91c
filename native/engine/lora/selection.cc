#include "engine/lora/selection.h"

#include <algorithm>
#include <filesystem>

#include "core/util.h"
#include "engine/lora/products.h"
#include "errors.h"
#include "ggml.h"

namespace sdcpp::engine::lora {
namespace {

struct Prefix {
  const char* name;
  const char* title;
};
constexpr Prefix kEncoders[] = {
    {"text_encoders.clip_l.", "CLIP-L"}, {"text_encoders.clip_g.", "CLIP-G"}, {"text_encoders.t5xxl.", "T5-XXL"}};

// "CLIP-L" when the tensor is of an encoder that the model does not have, else null.
const char* missing_encoder(const std::string& target, const Tensors& model) {
  for (const Prefix& encoder : kEncoders) {
    if (!starts_with(target, encoder.name)) continue;
    const auto next = model.lower_bound(encoder.name);
    return next != model.end() && starts_with(next->first, encoder.name) ? nullptr : encoder.title;
  }
  return nullptr;
}

// Some files have CLIP's query, key and value in one.
bool find_fused(Change& change, const Tensors& model) {
  const char* names[] = {".self_attn.q_proj.", ".self_attn.k_proj.", ".self_attn.v_proj."};
  for (int third = 0; third < 3; third++) {
    const size_t at = change.target.find(names[third]);
    if (at == std::string::npos) continue;
    std::string fused = change.target;
    fused.replace(at, std::string(names[third]).size(), ".self_attn.in_proj.");
    if (model.count(fused) == 0) return false;
    change.target = fused;
    change.third = third;
    return true;
  }
  return false;
}

struct Notes {
  std::vector<std::string> names;  // of tensors without a place
  size_t count = 0;
  std::map<std::string, size_t> encoders;  // tensors by the encoder that is not loaded
};

void say(const std::string& path, const Notes& notes) {
  for (const auto& [encoder, count] : notes.encoders) {
    LOG_WARN("LoRA '%s': %zu tensors are passed over, as they change %s, which is not loaded", path.c_str(), count, encoder.c_str());
  }
  if (notes.count == 0) return;
  std::string names;
  for (const std::string& name : notes.names) names += (names.empty() ? "" : ", ") + name.substr(0, 100);
  LOG_WARN("LoRA '%s': %zu tensors are passed over, as this model has no place for them: %s%s", path.c_str(), notes.count, names.c_str(),
           notes.count > notes.names.size() ? ", ..." : "");
}

// The rows that a change has in a tensor of this shape, and the columns: of a convolution all inputs of an output, of a vector one.
void check_shape(const std::string& path, Placed& placed, const ggml_tensor& tensor) {
  Change& change = placed.change;
  const int64_t rows = ggml_n_dims(&tensor) == 1 ? tensor.ne[0] : tensor.ne[ggml_n_dims(&tensor) - 1];
  const int64_t columns = ggml_nelements(&tensor) / rows;
  const int64_t own_rows = change.third < 0 ? rows : rows / 3;
  const auto fail = [&](const std::string& what) {
    throw Failure(code::ModelFile, "loras: '" + path + "' does not fit this model: its change of " + change.target + " " + what);
  };
  const bool whole = change.form == Form::Full && change.third < 0;  // its shape is of no matter, such as that of a position table
  if (whole && change.rows * change.columns == rows * columns) {
    change.rows = rows;
    change.columns = columns;
  }
  if (change.columns != columns) {
    fail("takes " + std::to_string(change.columns) + " inputs, but the model's has " + std::to_string(columns));
  }
  if (change.rows != own_rows || (change.third >= 0 && rows % 3 != 0)) {
    fail("gives " + std::to_string(change.rows) + " outputs, but the model's has " + std::to_string(own_rows));
  }
  placed.first_row = std::max(change.third, 0) * own_rows;
}

// diffusers has (scale, shift) where the original has (shift, scale), in modulations that have no more than these two.
bool has_two_halves(const Change& change, const Tensors& model) {
  const auto weight = model.find(change.weight);
  return weight != model.end() && weight->second->ne[1] == 2 * weight->second->ne[0];
}

uint64_t size_of(const std::string& path) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(std::filesystem::u8path(path), error);
  if (error) throw Failure(code::ModelFile, "loras: '" + path + "' cannot be read: " + error.message());
  return size;
}

}  // namespace

Selection select(const std::vector<Request>& requests, const Tensors& model, bool merge_all) {
  Selection selection;
  ByTensor all;
  for (const Request& request : requests) {
    Plan plan = read_plan(request.plan);
    if (size_of(request.path) != plan.size) throw Failure(code::ModelFile, "loras: '" + request.path + "' has been changed meanwhile");
    Notes notes;
    notes.names = plan.homeless;
    notes.count = plan.homeless_count;
    size_t fitting = 0;
    for (Change& change : plan.changes) {
      auto found = model.find(change.target);
      if (found == model.end() && find_fused(change, model)) found = model.find(change.target);
      if (found == model.end()) {
        if (const char* encoder = missing_encoder(change.target, model)) {
          notes.encoders[encoder] += change.tensors.size();
          continue;
        }
        notes.count += change.tensors.size();
        if (notes.names.size() < 3) notes.names.push_back(change.name());
        continue;
      }
      change.halves = change.halves && has_two_halves(change, model);
      Placed placed{request.path, request.strength, change, 0};
      check_shape(request.path, placed, *found->second);
      all[change.target].push_back(std::move(placed));
      selection.text = selection.text || starts_with(change.target, "text_encoders.");
      fitting++;
    }
    say(request.path, notes);
    if (fitting == 0 && notes.encoders.empty()) {
      throw Failure(code::ModelFile, "loras: '" + request.path +
                                         "' is a LoRA for another model: none of the tensors that it changes is in " +
                                         "this one, for example " + plan.changes.front().target);
    }
  }
  for (auto& [target, changes] : all) {
    const bool as_products =
        !merge_all && std::all_of(changes.begin(), changes.end(), [](const Placed& placed) { return is_product(placed.change); });
    (as_products ? selection.products : selection.merged)[target] = std::move(changes);
  }
  return selection;
}

}  // namespace sdcpp::engine::lora
