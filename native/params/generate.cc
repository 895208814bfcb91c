#include "params/generate.h"

#include <algorithm>
#include <cctype>

namespace sdcpp::params {

namespace {

// "Latent (bicubic antialiased)" → "latent-bicubic-antialiased"; "None" is no upscaler.
std::vector<std::string> hires_upscalers() {
  std::vector<std::string> names = names_of(sd_hires_upscaler_name, SD_HIRES_UPSCALER_COUNT);
  for (std::string& name : names) {
    if (name == "None") name.clear();
    name.erase(std::remove_if(name.begin(), name.end(), [](char c) { return c == '(' || c == ')'; }), name.end());
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return c == ' ' ? '-' : std::tolower(c); });
  }
  return names;
}

}  // namespace

#define MEMBER(member) SDCPP_MEMBER(GenerateParams, member)

const Table<GenerateParams>& generate_table() {
  static const Table<GenerateParams> table = {
      field<GenerateParams>("prompt", MEMBER(prompt)),
      field<GenerateParams>("negativePrompt", MEMBER(negative_prompt)),
      field<GenerateParams>("width", MEMBER(width)),
      field<GenerateParams>("height", MEMBER(height)),
      field<GenerateParams>("steps", MEMBER(sample_params.sample_steps)),
      field<GenerateParams>("cfgScale", MEMBER(sample_params.guidance.txt_cfg)),
      choice<GenerateParams>("sampler", MEMBER(sample_params.sample_method), names_of(sd_sample_method_name, SAMPLE_METHOD_COUNT)),
      choice<GenerateParams>("scheduler", MEMBER(sample_params.scheduler), names_of(sd_scheduler_name, SCHEDULER_COUNT)),
      field<GenerateParams>("seed", MEMBER(seed)),
      field<GenerateParams>("batchCount", MEMBER(batch_count)),
      field<GenerateParams>("eta", MEMBER(sample_params.eta)),
      field<GenerateParams>("flowShift", MEMBER(sample_params.flow_shift)),
      list<GenerateParams>("sigmas", MEMBER(sample_params.custom_sigmas), MEMBER(sample_params.custom_sigmas_count)),
      list<GenerateParams>("skipLayerGuidance.layers", MEMBER(sample_params.guidance.slg.layers),
                           MEMBER(sample_params.guidance.slg.layer_count)),
      field<GenerateParams>("skipLayerGuidance.scale", MEMBER(sample_params.guidance.slg.scale)),
      field<GenerateParams>("skipLayerGuidance.start", MEMBER(sample_params.guidance.slg.layer_start)),
      field<GenerateParams>("skipLayerGuidance.end", MEMBER(sample_params.guidance.slg.layer_end)),
      field<GenerateParams>("clipSkip", MEMBER(clip_skip)),
      field<GenerateParams>("hires.enabled", MEMBER(hires.enabled)),
      field<GenerateParams>("hires.width", MEMBER(hires.target_width)),
      field<GenerateParams>("hires.height", MEMBER(hires.target_height)),
      field<GenerateParams>("hires.steps", MEMBER(hires.steps)),
      field<GenerateParams>("hires.strength", MEMBER(hires.denoising_strength)),
      choice<GenerateParams>("hires.upscaler", MEMBER(hires.upscaler), hires_upscalers()),
      field<GenerateParams>("hires.model", MEMBER(hires.model_path)),
      field<GenerateParams>("hires.tileSize", MEMBER(hires.upscale_tile_size)),
      field<GenerateParams>("preview.every", MEMBER(preview_every)),
      choice<GenerateParams>("preview.mode", MEMBER(preview_mode), {"", "latent", "taesd", "vae"}),
  };
  return table;
}

}  // namespace sdcpp::params
