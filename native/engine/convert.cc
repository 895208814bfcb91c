#include "engine/convert.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <map>
#include <memory>
#include <regex>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "core/util.h"
#include "engine/plan.h"
#include "errors.h"
#include "gguf.h"
#include "job/cancel.h"
#include "model_io/gguf_io.h"
#include "model_loader.h"

bool is_unused_tensor(const std::string& name);  // the engine's model_loader.cpp; load_tensors() leaves these out

namespace sdcpp::engine {
namespace {

constexpr size_t kGroup = 256u << 20;  // bytes of output held at once

struct FreeGguf {
  void operator()(gguf_context* context) const { gguf_free(context); }
};
struct FreeGgml {
  void operator()(ggml_context* context) const { ggml_free(context); }
};

bool any_of(const std::string& name, std::initializer_list<const char*> parts) {
  return std::any_of(parts.begin(), parts.end(), [&](const char* part) { return contains(name, part); });
}

bool begins_with_any(const std::string& name, std::initializer_list<const char*> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const char* prefix) { return starts_with(name, prefix); });
}

// Few weights on which every picture depends: quantized, they cost much and save little (the embedders and the final layer), or are read
// as F16 and F32 anyway (convolutions and norms).
bool sensitive(const TensorStorage& tensor) {
  return tensor.n_dims > 2 || begins_with_any(tensor.name, {"first_stage_model.", "vae.", "tae."}) ||
         any_of(tensor.name, {"pos_embed", "x_embedder.", "t_embedder.", "y_embedder.", "context_embedder.", "final_layer.", "embedding",
                              "token_embd", "relative_attention_bias", "attn_rel_b", "coder.mid"});
}

// What stands in for a type whose blocks do not fill a tensor's rows, as in llama.cpp.
ggml_type fallback(ggml_type type) {
  switch (type) {
    case GGML_TYPE_Q2_K:
    case GGML_TYPE_Q3_K:
    case GGML_TYPE_IQ4_XS: return GGML_TYPE_IQ4_NL;
    case GGML_TYPE_Q4_K: return GGML_TYPE_Q5_0;
    case GGML_TYPE_Q5_K: return GGML_TYPE_Q5_1;
    case GGML_TYPE_Q6_K: return GGML_TYPE_Q8_0;
    default: return GGML_TYPE_F16;
  }
}

class TypeChoice {
 public:
  TypeChoice(ggml_type type, const std::string& rules) : type_(type) {
    for (const auto& [pattern, rule_type] : parse_tensor_type_rules(rules)) {
      try {
        rules_.emplace_back(std::regex(pattern), rule_type);
      } catch (const std::regex_error& error) {
        throw Failure(code::InvalidOption, "rules: '" + pattern + "' is no regular expression: " + error.what());
      }
    }
  }

  ggml_type of(const TensorStorage& tensor) const {
    const bool integers =
        !ggml_is_quantized(tensor.type) && tensor.type != GGML_TYPE_F32 && tensor.type != GGML_TYPE_F16 && tensor.type != GGML_TYPE_BF16;
    if (integers || tensor.nelements() == 0 || ends_with(tensor.name, ".bias") || ends_with(tensor.name, "scale")) return tensor.type;
    const bool vector = tensor.nelements() == tensor.ne[0];
    for (const auto& [pattern, type] : rules_) {
      if (std::regex_search(tensor.name, pattern) && !(vector && ggml_is_quantized(type))) return fitting(type, tensor);
    }
    if (vector) return tensor.type;
    if (!sensitive(tensor) || !ggml_is_quantized(type_)) return fitting(type_, tensor);
    return tensor.type == GGML_TYPE_F32 ? GGML_TYPE_F16 : tensor.type;
  }

 private:
  static ggml_type fitting(ggml_type type, const TensorStorage& tensor) {
    while (tensor.ne[0] % ggml_blck_size(type) != 0) type = fallback(type);
    return type;
  }

  const ggml_type type_;
  std::vector<std::pair<std::regex, ggml_type>> rules_;
};

void open(ModelLoader& loader, const std::string& option, const std::string& file, const std::string& prefix = "") {
  if (!loader.init_from_file(file, prefix)) throw Failure(code::ModelFile, option + ": '" + file + "' could not be read as a checkpoint");
}

bool holds_bare_transformer(const ModelLoader& loader) {
  const auto& tensors = loader.get_tensor_storage_map();
  return std::any_of(tensors.begin(), tensors.end(), [](const auto& entry) { return starts_with(entry.first, "joint_blocks."); });
}

// With a VAE the result is an all-in-one file, in which a transformer needs its prefix.
std::unique_ptr<ModelLoader> open_files(const ConvertRequest& request) {
  auto loader = std::make_unique<ModelLoader>();
  open(*loader, "input", request.input);
  if (request.vae.empty()) return loader;
  if (holds_bare_transformer(*loader)) {
    loader = std::make_unique<ModelLoader>();
    open(*loader, "input", request.input, "model.diffusion_model.");
  }
  auto& tensors = loader->get_tensor_storage_map();
  std::set<std::string> replaced;
  for (const auto& [name, tensor] : tensors) {
    if (begins_with_any(name, {"first_stage_model.", "vae."})) replaced.insert(name);
  }
  for (const std::string& name : replaced) tensors.erase(name);
  open(*loader, "vae", request.vae, "vae.");
  return loader;
}

// Tensors that are read by one call: of one file, in the order of their places.
struct Group {
  std::vector<std::pair<const TensorStorage*, ggml_tensor*>> tensors;
  size_t bytes = 0;
};

// The output's header, and its tensors in the order of the file.
struct Layout {
  std::unique_ptr<ggml_context, FreeGgml> context;
  std::unique_ptr<gguf_context, FreeGguf> gguf{gguf_init_empty()};
  std::vector<Group> groups;
};

// `general.file_type` of llama.cpp, which other tools show; -1 where it has none.
int file_type(ggml_type type) {
  switch (type) {
    case GGML_TYPE_F32: return 0;
    case GGML_TYPE_F16: return 1;
    case GGML_TYPE_Q4_0: return 2;
    case GGML_TYPE_Q4_1: return 3;
    case GGML_TYPE_Q8_0: return 7;
    case GGML_TYPE_Q5_0: return 8;
    case GGML_TYPE_Q5_1: return 9;
    case GGML_TYPE_Q2_K: return 10;
    case GGML_TYPE_Q3_K: return 11;
    case GGML_TYPE_Q4_K: return 14;
    case GGML_TYPE_Q5_K: return 16;
    case GGML_TYPE_Q6_K: return 18;
    case GGML_TYPE_IQ4_NL: return 25;
    case GGML_TYPE_IQ4_XS: return 30;
    case GGML_TYPE_BF16: return 32;
    default: return -1;
  }
}

void describe(gguf_context* gguf, const ConvertRequest& request, const ModelLoader& loader) {
  if (is_gguf_file(request.input)) {
    const std::unique_ptr<gguf_context, FreeGguf> source(gguf_init_from_file(request.input.c_str(), {true, nullptr}));
    if (source) gguf_set_kv(gguf, source.get());
    gguf_remove_key(gguf, "general.alignment");  // of the source; the writer pads to the default
    for (const char* key : {"split.no", "split.count", "split.tensors.count"}) gguf_remove_key(gguf, key);  // the output is whole
  }
  const auto& tensors = loader.get_tensor_storage_map();
  const bool sd3 = std::any_of(tensors.begin(), tensors.end(), [](const auto& entry) { return contains(entry.first, "joint_blocks."); });
  if (sd3) gguf_set_val_str(gguf, "general.architecture", "sd3");
  const auto type = static_cast<ggml_type>(request.type);
  gguf_remove_key(gguf, "general.file_type");
  if (file_type(type) >= 0) gguf_set_val_u32(gguf, "general.file_type", static_cast<uint32_t>(file_type(type)));
  if (ggml_is_quantized(type)) gguf_set_val_u32(gguf, "general.quantization_version", GGML_QNT_VERSION);
}

Layout lay_out(const ModelLoader& loader, const TypeChoice& choice) {
  std::vector<const TensorStorage*> stored;
  for (const auto& [name, tensor] : loader.get_tensor_storage_map()) {
    if (!is_unused_tensor(name)) stored.push_back(&tensor);
  }
  const auto place = [](const TensorStorage* t) { return std::tie(t->file_index, t->index_in_zip, t->offset, t->name); };
  std::sort(stored.begin(), stored.end(), [&](const auto* a, const auto* b) { return place(a) < place(b); });
  if (stored.empty()) throw Failure(code::ModelFile, "input: the file holds no tensors");

  Layout layout;
  layout.context.reset(ggml_init({(stored.size() + 1) * ggml_tensor_overhead(), nullptr, true}));
  if (!layout.context || !layout.gguf) throw std::bad_alloc();
  size_t file = SIZE_MAX;
  for (const TensorStorage* source : stored) {
    ggml_tensor* target = ggml_new_tensor(layout.context.get(), choice.of(*source), source->n_dims, source->ne);
    ggml_set_name(target, source->name.c_str());
    gguf_add_tensor(layout.gguf.get(), target);
    if (layout.groups.empty() || source->file_index != file || layout.groups.back().bytes >= kGroup) layout.groups.emplace_back();
    file = source->file_index;
    layout.groups.back().tensors.emplace_back(source, target);
    layout.groups.back().bytes += GGML_PAD(ggml_nbytes(target), GGUF_DEFAULT_ALIGNMENT);
  }
  return layout;
}

class Output {
 public:
  explicit Output(const std::string& path) : path_(path), stream_(std::filesystem::u8path(path), std::ios::binary | std::ios::trunc) {
    check();
  }

  void write(const std::vector<uint8_t>& data) {
    stream_.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
    bytes_ += data.size();
    check();
  }

  uint64_t close() {
    stream_.close();
    check();
    return bytes_;
  }

 private:
  void check() const {
    if (!stream_) throw Failure(code::ModelFile, "output: '" + path_ + "' could not be written: " + std::strerror(errno));
  }

  const std::string path_;
  std::ofstream stream_;
  uint64_t bytes_ = 0;
};

// Reads and converts a group's tensors to one after the other in `data`, padded as in the file.
void read(ModelLoader& loader, const Group& group, std::vector<uint8_t>& data) {
  data.assign(group.bytes, 0);
  std::map<std::string, ggml_tensor*> targets;
  std::set<std::string> names;
  size_t offset = 0;
  for (const auto& [source, target] : group.tensors) {
    target->data = data.data() + offset;
    offset += GGML_PAD(ggml_nbytes(target), GGUF_DEFAULT_ALIGNMENT);
    targets[source->name] = target;
    names.insert(source->name);
  }
  const bool ok = loader.load_tensors(  // calls back on its reading threads
      [&](const TensorStorage& source, ggml_tensor** target) {
        *target = targets.at(source.name);
        return true;
      },
      false, &names);
  for (const auto& [source, target] : group.tensors) target->data = nullptr;
  throw_if_cancelled();
  if (!ok) fail_weights();
}

}  // namespace

Converted convert(const ConvertRequest& request) {
  const TypeChoice choice(static_cast<ggml_type>(request.type), request.rules);
  take_unusable();  // of a call before
  const Plans listed(request.plans);
  const std::unique_ptr<ModelLoader> loader = open_files(request);
  loader->set_n_threads(request.threads);
  const Layout layout = lay_out(*loader, choice);
  describe(layout.gguf.get(), request, *loader);

  Output output(request.output);
  std::vector<uint8_t> data(gguf_get_meta_size(layout.gguf.get()));
  gguf_get_meta_data(layout.gguf.get(), data.data());
  output.write(data);

  Converted result;
  size_t total = 0;
  for (const Group& group : layout.groups) total += group.tensors.size();
  size_t done = 0;
  for (const Group& group : layout.groups) {
    throw_if_cancelled();
    if (request.on_group) request.on_group(done, total);
    read(*loader, group, data);
    output.write(data);
    done += group.tensors.size();
    for (const auto& [source, target] : group.tensors) result.tensors[ggml_type_name(target->type)]++;
  }
  result.bytes = output.close();
  return result;
}

}  // namespace sdcpp::engine
