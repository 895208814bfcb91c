#include "engine/footprint.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "conditioning/conditioner.hpp"
#include "engine/clip.h"
#include "engine/modules.h"
#include "engine/parts.h"
#include "engine/plan.h"
#include "errors.h"
#include "model/diffusion/dit.hpp"  // mmdit.hpp needs it and does not include it
#include "model/diffusion/mmdit.hpp"
#include "model/vae/auto_encoder_kl.hpp"

// It defines functions that are neither static nor inline, which extension.cc has too; what it includes is included above.
namespace tiny {
#include "model/vae/tae.hpp"
}

namespace sdcpp::engine {
namespace {

using Tensors = std::map<std::string, ggml_tensor*>;
using BuildGraph = std::function<ggml_cgraph*()>;

constexpr int64_t kChunk = 77;  // tokens of a CLIP's chunk
constexpr int kClipSkip = 2;    // another takes the same
constexpr int64_t kLatentChannels = 16;
constexpr int kPixels = 8;                 // of a latent's side
constexpr float kEncodingTile = 1.30539f;  // by which VAE::encode enlarges a tile

// The engine keeps these to itself and its runners.
struct Access : GGMLRunner {
  static ggml_cgraph* prepare(GGMLRunner& runner, const BuildGraph& build) {
    ggml_cgraph* graph = nullptr;
    if (!(runner.*&Access::prepare_compute_graph)(build, &graph)) throw Failure(code::Generation, "a graph could not be built");
    return graph;
  }
  static void release(GGMLRunner& runner) { (runner.*&Access::free_compute_ctx)(); }
  static ggml_backend_t backend(GGMLRunner& runner) { return runner.*&Access::runtime_backend; }
};

Computation measure_graph(GGMLRunner& runner, int threads, const BuildGraph& build) {
  struct Release {
    GGMLRunner& runner;
    ~Release() { Access::release(runner); }
  } const release{runner};
  ggml_cgraph* graph = Access::prepare(runner, build);
  ggml_backend_t backend = Access::backend(runner);
  Computation result;
  const std::unique_ptr<ggml_gallocr, void (*)(ggml_gallocr*)> allocator(ggml_gallocr_new(ggml_backend_get_default_buffer_type(backend)),
                                                                         ggml_gallocr_free);
  size_t size = 0;
  ggml_gallocr_reserve_n_size(allocator.get(), graph, nullptr, nullptr, &size);
  result.buffer = size;
  if (sd_backend_is_cpu(backend)) result.work = graph_plan(graph, threads).work_size;
  return result;
}

// Whether a tensor is made while it is read, and so never mapped.
bool assembled([[maybe_unused]] const TensorStorage& storage) {
#ifdef SDCPP_TENSOR_SOURCES
  return storage.source != nullptr;
#else
  return false;
#endif
}

Computation largest(const Computation& a, const Computation& b) { return {std::max(a.buffer, b.buffer), std::max(a.work, b.work)}; }

class HeaderFootprint final : public Footprint {
 public:
  explicit HeaderFootprint(const sd_ctx_params_t& params) : threads_(params.n_threads) {
    std::string error;
    const char* weights = params.params_backend != nullptr ? params.params_backend : "";
    if (!backends_.init(params.backend != nullptr ? params.backend : "", weights, &error)) fail_backend();
    for (const auto module : {SDBackendModule::DIFFUSION, SDBackendModule::TE, SDBackendModule::VAE}) {
      if (backends_.runtime_backend(module) == nullptr || backends_.params_backend(module) == nullptr) fail_backend();
    }
    ModelLoader loader;
    read_headers(loader, params);
    make_runners(loader.get_tensor_storage_map(), loader.get_sd_version(), params);
    weigh(loader.get_tensor_storage_map(), params);
    measure_encoders();
  }

  std::map<std::string, Computation> measure(const sd_img_gen_params_t& params, preview_t preview, const TextLength& text,
                                             bool begins_with_picture) override {
    const sd_hires_params_t& hires = params.hires;
    const bool again = hires.enabled && hires.target_width > 0;
    const bool as_picture = again && (hires.upscaler == SD_HIRES_UPSCALER_MODEL || hires.upscaler == SD_HIRES_UPSCALER_LANCZOS ||
                                      hires.upscaler == SD_HIRES_UPSCALER_NEAREST);
    const int width = again ? hires.target_width : params.width;
    const int height = again ? hires.target_height : params.height;
    const int64_t side = pos_embed_side();
    for (const int pixels : {params.width, params.height, width, height}) {
      if (pixels < 16 || pixels / 16 > side) throw Failure(code::InvalidOption, "width: expected a size that the model can draw");
    }
    const sd_tiling_params_t& tiling = params.vae_tiling_params;
    std::map<std::string, Computation> result;
    const int64_t context = kChunk * text.chunks + text.t5_tokens;
    if (t5_) result["t5xxl"] = encode_t5(text.t5_tokens);
    result["diffusion"] = diffusion(params.width, params.height, context);
    result["decode"] = autoencode(*autoencoder_, width, height, tiling, true);
    if (again) result["diffusion"] = largest(result["diffusion"], diffusion(width, height, context));
    if (begins_with_picture) result["encode"] = autoencode(*autoencoder_, params.width, params.height, tiling, false);
    if (as_picture) result["encode"] = largest(result["encode"], autoencode(*autoencoder_, width, height, tiling, false));
    if (preview == PREVIEW_TAE || preview == PREVIEW_VAE) {
      result["preview"] = autoencode(preview_ ? *preview_ : *autoencoder_, width, height, tiling, true);
    }
    return result;
  }

  std::map<std::string, DeviceMemory> devices() const override {
    std::map<std::string, DeviceMemory> result;
    for (ggml_backend_dev_t device : devices_) {
      size_t free = 0, total = 0;
      ggml_backend_dev_memory(device, &free, &total);
      result[ggml_backend_dev_name(device)] = {free, total, ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_CPU};
    }
    return result;
  }

 private:
  int64_t pos_embed_side() const { return diffusion_->config.pos_embed_max_size; }

  // As StableDiffusionGGML::init does.
  static void read_headers(ModelLoader& loader, const sd_ctx_params_t& params) {
    std::vector<std::string> unread;
    if (given(params.model_path)) loader.init_from_file(params.model_path);
    for (const PartFile& part : part_files(params)) {
      if (given(part.path) && !loader.init_from_file(part.path, part.file_prefix)) unread.push_back(part.name);
    }
    loader.convert_tensors_name();
    check_files(loader, params, unread);
    check_parts(loader, params);
    if (params.wtype != SD_TYPE_COUNT) loader.set_wtype_override(static_cast<ggml_type>(params.wtype));
  }

  void make_runners(const String2TensorStorage& stored, SDVersion version, const sd_ctx_params_t& params) {
    ggml_backend_t text = backends_.runtime_backend(SDBackendModule::TE);
    ggml_backend_t vae = backends_.runtime_backend(SDBackendModule::VAE);
    const auto has = [&](const char* prefix) {
      return std::any_of(stored.begin(), stored.end(), [&](const auto& entry) { return starts_with(entry.first, prefix); });
    };
    diffusion_ = std::make_unique<MMDiTRunner>(backends_.runtime_backend(SDBackendModule::DIFFUSION), stored, "model.diffusion_model");
    diffusion_->set_flash_attention_enabled(params.flash_attn || params.diffusion_flash_attn);
    if (has("text_encoders.clip_l")) {
      clip_l_ =
          std::make_unique<CLIPTextModelRunner>(text, stored, "text_encoders.clip_l.transformer.text_model", OPENAI_CLIP_VIT_L_14, false);
    }
    if (has("text_encoders.clip_g")) {
      clip_g_ =
          std::make_unique<CLIPTextModelRunner>(text, stored, "text_encoders.clip_g.transformer.text_model", OPEN_CLIP_VIT_BIGG_14, false);
    }
    if (has("text_encoders.t5xxl")) t5_ = std::make_unique<T5Runner>(text, stored, "text_encoders.t5xxl.transformer");
    const bool tae = given(params.taesd_path);
    if (tae) {
      const bool decodes_only = params.tae_preview_only;
      auto runner = std::make_unique<tiny::TinyImageAutoEncoder>(vae, stored, "decoder.layers", decodes_only, version);
      (decodes_only ? preview_ : autoencoder_) = std::move(runner);
    }
    if (!autoencoder_) autoencoder_ = std::make_unique<AutoEncoderKL>(vae, stored, "first_stage_model", false, false, version);
  }

  template <class Runner>
  static Tensors tensors_of(Runner& runner, const char* prefix) {
    Tensors tensors;
    if constexpr (std::is_base_of_v<VAE, Runner>) {
      runner.get_param_tensors(tensors);
    } else {
      runner.get_param_tensors(tensors, prefix);
    }
    return tensors;
  }

  void weigh(const String2TensorStorage& stored, const sd_ctx_params_t& params) {
    using Module = SDBackendModule;
    positions = diffusion_->config.num_patches;
    depth = diffusion_->config.depth;
    dual_attention_blocks = diffusion_->config.d_self + 1;
    add("diffusion", Module::DIFFUSION, tensors_of(*diffusion_, "model.diffusion_model"), stored, params);
    if (clip_l_) add("clipL", Module::TE, tensors_of(*clip_l_, "text_encoders.clip_l.transformer.text_model"), stored, params);
    if (clip_g_) add("clipG", Module::TE, tensors_of(*clip_g_, "text_encoders.clip_g.transformer.text_model"), stored, params);
    if (t5_) add("t5xxl", Module::TE, tensors_of(*t5_, "text_encoders.t5xxl.transformer"), stored, params);
    const bool tae = given(params.taesd_path);
    add(tae && !preview_ ? "taesd" : "vae", Module::VAE, tensors_of(*autoencoder_, ""), stored, params);
    if (preview_) add("taesd", Module::VAE, tensors_of(*preview_, ""), stored, params);
  }

  void add(const char* name, SDBackendModule module, const Tensors& tensors, const String2TensorStorage& stored,
           const sd_ctx_params_t& params) {
    ggml_backend_t runtime = backends_.runtime_backend(module);
    ggml_backend_t kept = backends_.params_backend(module);
    const bool disk = backends_.params_backend_is_disk(module);
    const bool on_host = sd_backend_is_cpu(kept);
    const bool maps = params.enable_mmap && !disk && (sd_backend_is_cpu(runtime) || on_host);
    ggml_backend_buffer_type_t type = ggml_backend_get_default_buffer_type(kept);
    PartFootprint& part = parts[name];
    std::vector<uint64_t> staged;
    for (const auto& [tensor_name, tensor] : tensors) {
      const auto found = stored.find(tensor_name);
      if (tensor == nullptr || found == stored.end()) continue;
      const TensorStorage& storage = found->second;
      const uint64_t bytes = GGML_PAD(ggml_backend_buft_get_alloc_size(type, tensor), ggml_backend_buft_get_alignment(type));
      const bool as_stored = storage.type == tensor->type && !storage.is_f64 && !storage.is_i64;
      part.weights += bytes;
      const bool mapped = maps && as_stored && !assembled(storage) && !storage.is_f8_e4m3 && !storage.is_f8_e5m2;
      if (mapped) part.mapped += bytes;
      if (params.enable_mmap && !mapped && !assembled(storage)) part.touched += storage.nbytes_to_read();
      if (!as_stored || !on_host) staged.push_back(std::max<uint64_t>(storage.nbytes(), storage.nbytes_to_read()));
      tensor->data = tensor;  // any address: for ggml's allocator weights are in a buffer of their own
    }
    std::sort(staged.begin(), staged.end(), std::greater<>());
    staged.resize(std::min<size_t>(staged.size(), static_cast<size_t>(std::max(threads_, 1))));
    for (const uint64_t bytes : staged) part.staging += bytes;
    part.device = name_of(runtime);
    part.weights_device = disk ? "disk" : name_of(kept);
  }

  std::string name_of(ggml_backend_t backend) {
    ggml_backend_dev_t device = ggml_backend_get_device(backend);
    if (std::find(devices_.begin(), devices_.end(), device) == devices_.end()) devices_.push_back(device);
    return ggml_backend_dev_name(device);
  }

  void measure_encoders() {
    const sd::Tensor<int32_t> ids({kChunk});
    for (const auto& [name, runner] : {std::pair{"clipL", clip_l_.get()}, std::pair{"clipG", clip_g_.get()}}) {
      if (runner == nullptr) continue;
      parts[name].text = measure_graph(*runner, threads_, [&, runner = runner] { return build_clip_graph(*runner, ids, 0, kClipSkip); });
    }
    if (t5_) parts["t5xxl"].text = encode_t5(kChunk);
  }

  Computation encode_t5(int64_t tokens) {
    return measure_graph(*t5_, threads_, [&] { return t5_->build_graph(sd::Tensor<int32_t>({tokens})); });
  }

  Computation diffusion(int width, int height, int64_t positions) {
    const MMDiTConfig& config = diffusion_->config;
    const sd::Tensor<float> latents({width / kPixels, height / kPixels, config.in_channels, 1});
    const sd::Tensor<float> steps({1});
    const sd::Tensor<float> context({config.context_size, positions, 1});
    const sd::Tensor<float> pooled({config.adm_in_channels, 1});
    return measure_graph(*diffusion_, threads_, [&] { return diffusion_->build_graph(latents, steps, context, pooled); });
  }

  Computation autoencode(VAE& runner, int width, int height, const sd_tiling_params_t& tiling, bool decode) {
    int w = width / kPixels;
    int h = height / kPixels;
    if (tiling.enabled) {
      float overlap = 0;
      const int full_w = w, full_h = h;
      runner.get_tile_sizes(w, h, overlap, tiling, full_w, full_h, decode ? 1.0f : kEncodingTile);
    }
    const sd::Tensor<float> input =
        decode ? sd::Tensor<float>({w, h, kLatentChannels, 1}) : sd::Tensor<float>({w * kPixels, h * kPixels, 3, 1});
    return measure_graph(runner, threads_, [&]() -> ggml_cgraph* {
      if (auto* tiny = dynamic_cast<tiny::TinyImageAutoEncoder*>(&runner)) return tiny->build_graph(input, decode);
      return static_cast<AutoEncoderKL&>(runner).build_graph(input, decode);
    });
  }

  const int threads_;
  SDBackendManager backends_;  // before the runners, which end first
  std::vector<ggml_backend_dev_t> devices_;
  std::unique_ptr<MMDiTRunner> diffusion_;
  std::unique_ptr<CLIPTextModelRunner> clip_l_, clip_g_;
  std::unique_ptr<T5Runner> t5_;
  std::unique_ptr<VAE> autoencoder_, preview_;
};

}  // namespace

std::unique_ptr<Footprint> open_footprint(const sd_ctx_params_t& params, const char* plans) {
  const Plans listed(plans);
  return std::make_unique<HeaderFootprint>(params);
}

}  // namespace sdcpp::engine
