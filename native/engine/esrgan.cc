#include "engine/esrgan.h"

#include "engine/parts.h"
#include "errors.h"
#include "job/cancel.h"
#include "src/upscaler.h"

namespace sdcpp::engine {
namespace {

constexpr int kMostBlocks = 256;  // published ones have 6 or 23; each has 30 tensors

using Tensors = std::map<std::string, ggml_tensor*>;

std::string shape_of(const int64_t* ne, int dims) {
  std::string text;
  for (int i = 0; i < dims; i++) text += (i > 0 ? "x" : "") + std::to_string(ne[i]);
  return text;
}

void check_tensors(const String2TensorStorage& stored, const Tensors& wanted, const std::string& what) {
  for (const auto& [name, tensor] : wanted) {
    const auto found = stored.find(name);
    if (found == stored.end()) throw Failure(code::ModelFile, what + " is no ESRGAN network (RRDBNet): it has no tensor " + name);
    const int dims = ggml_n_dims(tensor);
    const std::string expected = shape_of(tensor->ne, dims);
    const std::string actual = shape_of(found->second.ne, std::max(dims, found->second.n_dims));
    if (expected != actual) {
      throw Failure(code::ModelFile, what + " is an ESRGAN network of another shape: " + name + " is " + actual + ", expected " + expected);
    }
  }
}

class LoadedEsrgan final : public Esrgan {
 public:
  LoadedEsrgan(const std::string& file, int threads, int tile_size, const std::string& backend)
      : upscaler_(threads, false, tile_size, backend) {
    const bool ok = upscaler_.load_from_file(file, threads);
    throw_if_cancelled();
    if (upscaler_.model_manager == nullptr) fail_backend();
    if (!ok) throw Failure(code::ModelFile, "model: '" + file + "' could not be read as an ESRGAN network");
    Tensors tensors;
    upscaler_.esrgan_upscaler->get_param_tensors(tensors);
    std::vector<ggml_tensor*> all;
    for (const auto& [name, tensor] : tensors) {
      all.push_back(tensor);
      bytes += ggml_nbytes(tensor);
      parameters += static_cast<uint64_t>(ggml_nelements(tensor));
    }
    const bool read = upscaler_.model_manager->prepare_params(all);  // the engine would read them with the first picture
    throw_if_cancelled();
    if (!read) throw Failure(code::ModelFile, "model: the weights of '" + file + "' could not be read; it may be truncated or damaged");
    scale = upscaler_.esrgan_upscaler->config.scale;
    blocks = upscaler_.esrgan_upscaler->config.num_block;
    device = ggml_backend_dev_name(ggml_backend_get_device(upscaler_.backend_manager.runtime_backend(SDBackendModule::UPSCALER)));
  }

  sd_image_t upscale(const sd_image_t& image) override {
    struct FreeBuffer {  // a canceled computation leaves it
      ESRGAN& network;
      ~FreeBuffer() { network.free_compute_buffer(); }
    } const free_buffer{*upscaler_.esrgan_upscaler};
    return upscaler_.upscale(image, static_cast<uint32_t>(scale));
  }

 private:
  UpscalerGGML upscaler_;
};

}  // namespace

std::unique_ptr<Esrgan> load_esrgan(const std::string& file, int threads, int tile_size, const std::string& backend) {
  check_esrgan(file, "model");
  return std::make_unique<LoadedEsrgan>(file, threads, tile_size, backend);
}

void check_esrgan(const std::string& file, const std::string& option) {
  const std::string what = option + ": '" + file + "'";
  ModelLoader loader;
  if (!loader.init_from_file_and_convert_name(file, "", VERSION_ESRGAN)) {
    throw Failure(code::ModelFile, what + " could not be read as a model");
  }
  const auto& stored = loader.get_tensor_storage_map();
  const ESRGANConfig config = ESRGANConfig::detect_from_weights(stored);
  if (config.num_block > kMostBlocks) throw Failure(code::ModelFile, what + " has more blocks than any ESRGAN network");
  RRDBNet network(config);
  const std::unique_ptr<ggml_context, void (*)(ggml_context*)> context(
      ggml_init({ggml_tensor_overhead() * (kMostBlocks + 1) * 32, nullptr, true}), ggml_free);
  if (!context) throw std::bad_alloc();
  network.init(context.get(), stored, "");
  Tensors tensors;
  network.get_param_tensors(tensors);
  check_tensors(stored, tensors, what);
}

}  // namespace sdcpp::engine
