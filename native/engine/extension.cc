// The engine's main unit with our additions: sd_ctx_t and StableDiffusionGGML are defined inside that file only.
#include "src/stable-diffusion.cpp"

#include <filesystem>
#include <sstream>

#include "engine/conditioner.h"
#include "engine/extension.h"
#include "engine/lora/merge.h"
#include "engine/lora/products.h"
#include "engine/lora/selection.h"
#include "engine/numbers.h"
#include "engine/parts.h"
#include "engine/plan.h"
#include "engine/repack.h"
#include "errors.h"
#include "job/cancel.h"

namespace sdcpp::engine {
namespace {

using Tensors = std::map<std::string, ggml_tensor*>;
using Modules = std::vector<std::pair<SDBackendModule, Tensors>>;
using OnGroup = std::function<void(size_t done, size_t total)>;

// Weights that are moved to another device are read in groups of about this size, so that only one of them is on both sides at once.
constexpr uint64_t kOffloadedGroup = 256u << 20;

struct FreeContext {
  void operator()(sd_ctx_t* context) const { free_sd_ctx(context); }
};
using Context = std::unique_ptr<sd_ctx_t, FreeContext>;

Context open(const sd_ctx_params_t& params) {
  Context context(static_cast<sd_ctx_t*>(malloc(sizeof(sd_ctx_t))));
  if (!context) throw std::bad_alloc();
  context->sd = nullptr;
  context->sd = new StableDiffusionGGML();
  const bool ok = context->sd->init(&params);
  throw_if_cancelled();
  if (context->sd->model_manager == nullptr) fail_backend();
  ModelLoader& loader = context->sd->model_manager->loader();
  check_files(loader, params, context->sd->external_vae_is_invalid ? std::vector<std::string>{"vae"} : std::vector<std::string>{});
  check_parts(loader, params);
  if (!ok) throw Failure(code::ModelFile, "the files do not fit together as a Stable Diffusion 3 model");
  return context;
}

// A group of tensors that one call reads: of one file, so that progress comes after each.
struct Group {
  std::vector<ggml_tensor*> tensors;
  uint64_t bytes = 0;
};

std::vector<Group> groups_of(const Tensors& tensors, const String2TensorStorage& stored, uint64_t limit) {
  std::map<size_t, std::vector<Group>> by_file;
  for (const auto& [name, tensor] : tensors) {
    const auto found = stored.find(name);
    if (found == stored.end()) continue;  // optional ones
    auto& groups = by_file[found->second.file_index];
    if (groups.empty() || groups.back().bytes >= limit) groups.emplace_back();
    groups.back().tensors.push_back(tensor);
    groups.back().bytes += ggml_nbytes(tensor);
  }
  std::vector<Group> result;
  for (auto& [file, groups] : by_file) std::move(groups.begin(), groups.end(), std::back_inserter(result));
  return result;
}

// Weights are repacked where they can be, when they are read.
void repack([[maybe_unused]] ModelManager& manager) {
#ifdef SDCPP_WEIGHTS_BUFFER_TYPE  // of engine/patches
  manager.weights_buffer_type = repacked_type;
#endif
}

// Has all weights read again. What has computed with them must not take them for loaded.
void drop_weights(StableDiffusionGGML& sd) {
  sd.cond_stage_model->runner_done();
  sd.diffusion_model->runner_done();
  sd.first_stage_model->runner_done();
  if (sd.preview_vae) sd.preview_vae->runner_done();
#ifdef SDCPP_WEIGHTS_BUFFER_TYPE
  sd.model_manager->drop_params();
#endif
}

// What the LoRAs of a context are. The engine takes its own out at the beginning of a picture, and asks its extensions before it encodes
// the prompts.
struct LoraExtension final : GenerationExtension {
  explicit LoraExtension(StableDiffusionGGML& sd) : sd(sd), merges(sd.model_manager->loader()) {}
  const char* name() const override { return "loras"; }
  bool prepare_condition(GenerationExtensionConditionContext&) override {
    sd.cond_stage_model->set_weight_adapter(text);
    sd.diffusion_model->set_weight_adapter(diffusion);
    return false;
  }

  StableDiffusionGGML& sd;
  lora::Merges merges;
  std::string merged;  // which
  std::shared_ptr<WeightAdapter> text, diffusion;
};

LoraExtension& loras_of(StableDiffusionGGML& sd) {
  for (const auto& extension : sd.generation_extensions) {
    if (auto* loras = dynamic_cast<LoraExtension*>(extension.get())) return *loras;
  }
  throw Failure(code::Generation, "the context does not come from load()");
}

// Mapped weights pass no loader. Each step would read them anyway, so looking at them costs no more than their first reading; their pages
// are then given back, as the file has them.
void check_mapped(const std::vector<ggml_tensor*>& tensors, const String2TensorStorage& stored) {
  for (const ggml_tensor* tensor : tensors) {
    const auto found = stored.find(tensor->name);
    const bool mapped = tensor->buffer != nullptr && strcmp(ggml_backend_buffer_name(tensor->buffer), "CPU_Mapped") == 0;
    if (found == stored.end() || !mapped || tensor->data == nullptr) continue;
    throw_if_cancelled();
    if (!accept(found->second, static_cast<const char*>(tensor->data))) fail_weights();
    give_back(tensor->data, ggml_nbytes(tensor));
  }
}

// Reads all weights now; the engine would read them during the first picture. A module kept on disk stays there.
void preload(StableDiffusionGGML& sd, const Modules& modules, const OnGroup& on_group) {
  const auto& stored = sd.model_manager->loader().get_tensor_storage_map();
  std::vector<Group> groups;
  for (const auto& [module, tensors] : modules) {
    if (sd.backend_manager.params_backend_is_disk(module)) continue;
    const bool offloaded = sd.backend_for(module) != sd.params_backend_for(module);
    auto more = groups_of(tensors, stored, offloaded ? kOffloadedGroup : UINT64_MAX);
    std::move(more.begin(), more.end(), std::back_inserter(groups));
  }
  size_t total = 0;
  for (const Group& group : groups) total += group.tensors.size();
  size_t done = 0;
  for (const Group& group : groups) {
    throw_if_cancelled();
    if (on_group) on_group(done, total);
    const bool ok = sd.model_manager->prepare_params(group.tensors);
    throw_if_cancelled();
    if (!ok) fail_weights();
    if (sd.enable_mmap) check_mapped(group.tensors, stored);
    sd.model_manager->release_compute_backend_params(group.tensors);
    done += group.tensors.size();
  }
}

std::string device_of(ggml_backend_t backend) { return ggml_backend_dev_name(ggml_backend_get_device(backend)); }

Modules modules_of(StableDiffusionGGML& sd) {
  Modules modules(3);
  modules[0].first = SDBackendModule::TE;
  sd.cond_stage_model->get_param_tensors(modules[0].second);
  modules[1].first = SDBackendModule::DIFFUSION;
  sd.diffusion_model->get_param_tensors(modules[1].second, "model.diffusion_model");
  modules[2].first = SDBackendModule::VAE;
  sd.first_stage_model->get_param_tensors(modules[2].second);
  if (sd.preview_vae) sd.preview_vae->get_param_tensors(modules[2].second);
  return modules;
}

ModelInfo describe(StableDiffusionGGML& sd, const Modules& modules, const sd_ctx_params_t& params) {
  ModelInfo info;
  info.architecture = model_version_to_str[sd.version];
  for (const auto& [module, tensors] : modules) {
    for (const auto& [name, tensor] : tensors) {
      for (const PartFile& part : part_files(params)) {
        if (!starts_with(name, part.prefix)) continue;
        Part& sum = info.parts[part.name];
        sum.bytes += ggml_nbytes(tensor);
        sum.parameters += static_cast<uint64_t>(ggml_nelements(tensor));
      }
    }
  }
  const std::string prefix = "model.diffusion_model.";
  for (const auto& [name, tensor] : sd.model_manager->loader().get_tensor_storage_map()) {
    if (name == prefix + "pos_embed") info.positions = tensor.ne[1];
    if (name == prefix + "x_embedder.proj.bias") info.hidden_size = tensor.ne[0];
    if (!starts_with(name, prefix + "joint_blocks.")) continue;
    info.depth = std::max<int64_t>(info.depth, std::atoi(name.c_str() + prefix.size() + strlen("joint_blocks.")) + 1);
    if (ends_with(name, ".x_block.attn2.qkv.weight")) info.dual_attention_blocks++;
  }
  info.diffusion_device = device_of(sd.backend_for(SDBackendModule::DIFFUSION));
  info.text_device = device_of(sd.backend_for(SDBackendModule::TE));
  info.vae_device = device_of(sd.backend_for(SDBackendModule::VAE));
  return info;
}

// One LoRA with its file's size and time, so that another file of the same name is another LoRA.
std::string identity(const lora::Request& request) {
  const std::filesystem::path path = std::filesystem::u8path(request.path);
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  const auto time = error ? std::filesystem::file_time_type() : std::filesystem::last_write_time(path, error);
  if (error) throw Failure(code::ModelFile, "loras: '" + request.path + "' cannot be read: " + error.message());
  std::ostringstream text;
  text << request.path << '|' << request.strength << '|' << size << '|' << static_cast<int64_t>(time.time_since_epoch().count()) << '|'
       << std::hash<std::string>()(request.plan) << '\n';
  return text.str();
}

// Of the tensors with such a prefix.
lora::ByTensor those_of(const lora::ByTensor& changes, const std::string& prefix) {
  lora::ByTensor found;
  for (const auto& [target, placed] : changes) {
    if (starts_with(target, prefix)) found[target] = placed;
  }
  return found;
}

// Every context comes from load(), which puts our conditioner into it.
const TextConditioner& conditioner_of(const sd_ctx_t* context) {
  return static_cast<const TextConditioner&>(*context->sd->cond_stage_model);
}

}  // namespace

void begin_picture(sd_ctx_t* context, const Variation& variation) { begin_numbers(*context->sd->rng, variation); }

TokenCounts count_tokens(const sd_ctx_t* context, const std::string& prompt) { return conditioner_of(context).count(prompt); }

std::vector<EncoderTokens> tokens_of(const sd_ctx_t* context, const std::string& prompt) { return conditioner_of(context).tokens(prompt); }

Encoded encode(sd_ctx_t* context, const std::string& prompt) {
  StableDiffusionGGML& sd = *context->sd;
  const ConditionerRunnerDoneOnExit done{sd.cond_stage_model.get()};
  ConditionerParams params;
  params.text = prompt;
  const SDCondition condition = sd.cond_stage_model->get_learned_condition(sd.n_threads, params);
  return {condition.c_crossattn.values(), condition.c_vector.values()};
}

void check_prompt(const sd_ctx_t* context, const std::string& prompt) { conditioner_of(context).check(prompt); }

sd_ctx_t* load(const sd_ctx_params_t& params, const LoadOptions& options, ModelInfo& info) {
  take_unusable();  // of a call before
  lora::take_merge_failure();
  const Plans listed(options.plans);
  Context context = open(params);
  StableDiffusionGGML& sd = *context->sd;
  const Modules modules = modules_of(sd);
  repack(*sd.model_manager);
  preload(sd, modules, options.on_group);
  info = describe(sd, modules, params);
  continue_numbers(sd.rng, sd.sampler_rng, sd.get_rng(params.rng_type));
  sd.generation_extensions.push_back(std::make_shared<LoraExtension>(sd));
  sd.cond_stage_model = make_conditioner(std::static_pointer_cast<SD3CLIPEmbedder>(sd.cond_stage_model), options.prompt_cache);
  return context.release();
}

void apply_loras(sd_ctx_t* context, const std::vector<lora::Request>& requests, LoraState& state, const OnGroup& on_group) {
  StableDiffusionGGML& sd = *context->sd;
  LoraExtension& loras = loras_of(sd);
  std::string set;
  for (const lora::Request& request : requests) set += identity(request);
  if (state.known && set == state.set) return;
  const Modules modules = modules_of(sd);
  Tensors all;
  for (const auto& [module, tensors] : modules) all.insert(tensors.begin(), tensors.end());
  const lora::Selection selection = lora::select(requests, all, sd.apply_lora_immediately);

  state.known = false;
  loras.text = loras.diffusion = nullptr;  // first, as their memory may be needed
  const std::string merged = selection.merged.empty() ? "" : set;
  if (merged != loras.merged) {
    loras.merged = "?";  // until all weights have been read
    loras.merges.set(selection.merged);
    drop_weights(sd);
    preload(sd, modules, on_group);
    loras.merged = merged;
  }
  loras.text = lora::make_products(sd.backend_for(SDBackendModule::TE), those_of(selection.products, "text_encoders."));
  loras.diffusion = lora::make_products(sd.backend_for(SDBackendModule::DIFFUSION), those_of(selection.products, "model.diffusion_model."));
  set_scope(*sd.cond_stage_model, selection.text ? set : "");
  state.set = set;
  state.known = true;
}

}  // namespace sdcpp::engine
