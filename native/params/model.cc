#include "params/model.h"

namespace sdcpp::params {

std::vector<std::string> weight_types() {
  std::vector<std::string> names = names_of(sd_type_name, SD_TYPE_COUNT);
  for (std::string& name : names) {
    if (name == "DEPRECATED" || name.find("REMOVED") != std::string::npos) name.clear();
  }
  return names;
}

#define MEMBER(member) SDCPP_MEMBER(ModelParams, member)

const Table<ModelParams>& model_table() {
  static const Table<ModelParams> table = {
      field<ModelParams>("model", MEMBER(model_path)),
      field<ModelParams>("diffusionModel", MEMBER(diffusion_model_path)),
      field<ModelParams>("clipL", MEMBER(clip_l_path)),
      field<ModelParams>("clipG", MEMBER(clip_g_path)),
      field<ModelParams>("t5xxl", MEMBER(t5xxl_path)),
      field<ModelParams>("vae", MEMBER(vae_path)),
      field<ModelParams>("taesd", MEMBER(taesd_path)),
      field<ModelParams>("plans", MEMBER(plans)),
      field<ModelParams>("taesdPreviewOnly", MEMBER(tae_preview_only)),
      field<ModelParams>("threads", MEMBER(n_threads)),
      choice<ModelParams>("weightType", MEMBER(wtype), weight_types()),
      field<ModelParams>("flashAttention", MEMBER(diffusion_flash_attn)),
      field<ModelParams>("mmap", MEMBER(enable_mmap)),
      choice<ModelParams>("rng", MEMBER(rng_type), names_of(sd_rng_type_name, RNG_TYPE_COUNT)),
      field<ModelParams>("backend", MEMBER(backend)),
      field<ModelParams>("promptCache", MEMBER(prompt_cache)),
      choice<ModelParams>("loraApplyMode", MEMBER(lora_apply_mode), names_of(sd_lora_apply_mode_name, LORA_APPLY_MODE_COUNT)),
      field<ModelParams>("offload.params", MEMBER(params_backend)),
      field<ModelParams>("offload.maxVram", MEMBER(max_vram)),
      field<ModelParams>("offload.streamLayers", MEMBER(stream_layers)),
  };
  return table;
}

}  // namespace sdcpp::params
