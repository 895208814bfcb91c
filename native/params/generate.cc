#include "params/generate.h"

#include <algorithm>
#include <cctype>

namespace sdcpp::params {
namespace {

// [{ path, weight, plan }, …]
Field<GenerateParams> lora_field() {
  Field<GenerateParams> f;
  f.name = "loras";
  f.type = "loras";
  f.read = [](GenerateParams& params, const Napi::Value& value, const std::string& path, Arena& arena) {
    if (!value.IsArray()) reject(value, path, "an array");
    const Napi::Array items = value.As<Napi::Array>();
    for (uint32_t i = 0; i < items.Length(); i++) {
      const std::string at = path + "[" + std::to_string(i) + "]";
      const Napi::Value item = items.Get(i);
      if (!item.IsObject()) reject(item, at, "an object");
      const Napi::Object lora = item.As<Napi::Object>();
      engine::lora::Request request;
      request.path = read_string(lora.Get("path"), at + ".path", arena);
      request.strength = read_number(lora.Get("weight"), at + ".weight");
      request.plan = read_string(lora.Get("plan"), at + ".plan", arena);
      params.lora_list.push_back(std::move(request));
    }
  };
  f.show = [](Napi::Env env, GenerateParams& params) -> Napi::Value {
    Napi::Array rows = Napi::Array::New(env, params.lora_list.size());
    for (uint32_t i = 0; i < params.lora_list.size(); i++) {
      Napi::Object row = Napi::Object::New(env);
      row["path"] = params.lora_list[i].path;
      row["weight"] = params.lora_list[i].strength;
      row["plan"] = params.lora_list[i].plan;
      rows[i] = row;
    }
    return rows;
  };
  return f;
}

// One option for two members.
template <class First, class Second>
Field<GenerateParams> both(const char* name, First first, Second second) {
  Field<GenerateParams> f = field<GenerateParams>(name, first);
  f.read = [read = f.read, first, second](GenerateParams& params, const Napi::Value& value, const std::string& path, Arena& arena) {
    read(params, value, path, arena);
    second(params) = first(params);
  };
  return f;
}

// The engine has no names for these; in the order of sd_cache_mode_t.
const std::vector<std::string> kCacheModes = {"disabled", "easycache", "ucache", "dbcache", "taylorseer", "cache-dit", "spectrum"};

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
      field<GenerateParams>("t5Prompt", MEMBER(t5_prompt)),
      field<GenerateParams>("negativeT5Prompt", MEMBER(negative_t5_prompt)),
      field<GenerateParams>("width", MEMBER(width)),
      field<GenerateParams>("height", MEMBER(height)),
      field<GenerateParams>("steps", MEMBER(sample_params.sample_steps)),
      field<GenerateParams>("cfgScale", MEMBER(sample_params.guidance.txt_cfg)),
      choice<GenerateParams>("sampler", MEMBER(sample_params.sample_method), names_of(sd_sample_method_name, SAMPLE_METHOD_COUNT)),
      choice<GenerateParams>("scheduler", MEMBER(sample_params.scheduler), names_of(sd_scheduler_name, SCHEDULER_COUNT)),
      field<GenerateParams>("seed", MEMBER(seed)),
      field<GenerateParams>("variationSeed", MEMBER(variation.seed)),
      field<GenerateParams>("variationStrength", MEMBER(variation.strength)),
      field<GenerateParams>("batchCount", MEMBER(batch_count)),
      field<GenerateParams>("eta", MEMBER(sample_params.eta)),
      field<GenerateParams>("flowShift", MEMBER(sample_params.flow_shift)),
      list<GenerateParams>("sigmas", MEMBER(sample_params.custom_sigmas), MEMBER(sample_params.custom_sigmas_count)),
      field<GenerateParams>("guidance.start", MEMBER(guidance_window.start)),
      field<GenerateParams>("guidance.end", MEMBER(guidance_window.end)),
      list<GenerateParams>("skipLayerGuidance.layers", MEMBER(sample_params.guidance.slg.layers),
                           MEMBER(sample_params.guidance.slg.layer_count)),
      field<GenerateParams>("skipLayerGuidance.scale", MEMBER(sample_params.guidance.slg.scale)),
      field<GenerateParams>("skipLayerGuidance.start", MEMBER(sample_params.guidance.slg.layer_start)),
      field<GenerateParams>("skipLayerGuidance.end", MEMBER(sample_params.guidance.slg.layer_end)),
      field<GenerateParams>("clipSkip", MEMBER(clip_skip)),
      lora_field(),
      field<GenerateParams>("vaeTiling.enabled", MEMBER(vae_tiling_params.enabled)),
      both("vaeTiling.tileSize", MEMBER(vae_tiling_params.tile_size_x), MEMBER(vae_tiling_params.tile_size_y)),
      both("vaeTiling.relativeSize", MEMBER(vae_tiling_params.rel_size_x), MEMBER(vae_tiling_params.rel_size_y)),
      field<GenerateParams>("vaeTiling.overlap", MEMBER(vae_tiling_params.target_overlap)),
      choice<GenerateParams>("cache.mode", MEMBER(cache.mode), kCacheModes),
      both("cache.threshold", MEMBER(cache.reuse_threshold), MEMBER(cache.residual_diff_threshold)),
      field<GenerateParams>("cache.start", MEMBER(cache.start_percent)),
      both("cache.end", MEMBER(cache.end_percent), MEMBER(cache.spectrum_stop_percent)),
      field<GenerateParams>("cache.warmup", MEMBER(cache.spectrum_warmup_steps)),
      field<GenerateParams>("cache.window", MEMBER(cache.spectrum_window_size)),
      field<GenerateParams>("cache.windowGrowth", MEMBER(cache.spectrum_flex_window)),
      picture<GenerateParams>("initImage", MEMBER(init_image), 3),
      picture<GenerateParams>("mask", MEMBER(mask_image), 1),
      field<GenerateParams>("strength", MEMBER(strength)),
      field<GenerateParams>("keepUnmasked", MEMBER(keep_unmasked)),
      field<GenerateParams>("maskFeather", MEMBER(mask_feather)),
      field<GenerateParams>("priority", MEMBER(priority)),
      field<GenerateParams>("hires.enabled", MEMBER(hires.enabled)),
      field<GenerateParams>("hires.width", MEMBER(hires.target_width)),
      field<GenerateParams>("hires.height", MEMBER(hires.target_height)),
      field<GenerateParams>("hires.steps", MEMBER(hires.steps)),
      field<GenerateParams>("hires.strength", MEMBER(hires.denoising_strength)),
      list<GenerateParams>("hires.sigmas", MEMBER(hires.custom_sigmas), MEMBER(hires.custom_sigmas_count)),
      choice<GenerateParams>("hires.upscaler", MEMBER(hires.upscaler), hires_upscalers()),
      field<GenerateParams>("hires.model", MEMBER(hires.model_path)),
      field<GenerateParams>("hires.tileSize", MEMBER(hires.upscale_tile_size)),
      field<GenerateParams>("preview.every", MEMBER(preview_every)),
      choice<GenerateParams>("preview.mode", MEMBER(preview_mode), {"", "latent", "taesd", "vae"}),
  };
  return table;
}

}  // namespace sdcpp::params
