#include "engine/parts.h"

#include <algorithm>

#include "core/util.h"
#include "errors.h"

extern const char* model_version_to_str[];  // stable-diffusion.cpp

namespace sdcpp::engine {
namespace {

bool any_tensor(const String2TensorStorage& tensors, const std::string& prefix) {
  return std::any_of(tensors.begin(), tensors.end(), [&](const auto& entry) { return starts_with(entry.first, prefix); });
}

}  // namespace

bool given(const char* path) { return path != nullptr && *path != '\0'; }

std::vector<PartFile> part_files(const sd_ctx_params_t& params) {
  return {{"diffusion", params.diffusion_model_path, "model.diffusion_model.", "model.diffusion_model."},
          {"clipL", params.clip_l_path, "text_encoders.clip_l.transformer.", "text_encoders.clip_l."},
          {"clipG", params.clip_g_path, "text_encoders.clip_g.transformer.", "text_encoders.clip_g."},
          {"t5xxl", params.t5xxl_path, "text_encoders.t5xxl.transformer.", "text_encoders.t5xxl."},
          {"vae", params.vae_path, "vae.", "first_stage_model."},
          {"taesd", params.taesd_path, "tae.", "tae."}};
}

// The engine only warns of a file that it could not read, and goes on without it: name it instead.
void check_files(const ModelLoader& loader, const sd_ctx_params_t& params, const std::vector<std::string>& unread) {
  const auto& tensors = loader.get_tensor_storage_map();
  if (given(params.model_path) && tensors.empty()) {
    throw Failure(code::ModelFile, std::string("model: '") + params.model_path + "' could not be read as a checkpoint");
  }
  for (const PartFile& part : part_files(params)) {
    if (!given(part.path) || any_tensor(tensors, part.prefix)) continue;
    const std::string option = std::string(part.name) == "diffusion" ? "diffusionModel" : part.name;
    throw Failure(code::ModelFile, option + ": '" + part.path + "' could not be read, or holds no tensors of this part");
  }
  for (const PartFile& part : part_files(params)) {
    if (std::find(unread.begin(), unread.end(), part.name) == unread.end()) continue;
    throw Failure(code::ModelFile, std::string(part.name) + ": '" + part.path + "' could not be read");
  }
}

void check_parts(ModelLoader& loader, const sd_ctx_params_t& params) {
  const auto& tensors = loader.get_tensor_storage_map();
  const SDVersion version = loader.get_sd_version();
  if (version == VERSION_COUNT) {
    throw Failure(
        code::UnsupportedModel,
        "the files hold no diffusion model that is known; expected Stable Diffusion 3 or 3.5 in its original or city96's GGUF layout");
  }
  if (!sd_version_is_sd3(version)) {
    throw Failure(code::UnsupportedModel,
                  std::string("this is a ") + model_version_to_str[version] + " checkpoint; expected Stable Diffusion 3 or 3.5");
  }
  if (!any_tensor(tensors, "text_encoders.")) {
    throw Failure(code::MissingComponent, "no text encoder: give clipL, clipG or t5xxl, or a model file that includes them");
  }
  if (!any_tensor(tensors, "first_stage_model.") && params.tae_preview_only) {
    throw Failure(code::MissingComponent,
                  "no VAE: with taesdPreviewOnly, taesd is for previews alone; give vae, or a model file that includes one");
  }
  if (!any_tensor(tensors, "first_stage_model.") && !given(params.taesd_path)) {
    throw Failure(code::MissingComponent, "no autoencoder: give vae or taesd, or a model file that includes a VAE");
  }
}

void fail_backend() { throw Failure(code::InvalidOption, "backend: no such device; listDevices() names those of this machine"); }

}  // namespace sdcpp::engine
