#include "engine/repack.h"

#include <cstring>
#include <memory>

#include "ggml.h"

namespace sdcpp::engine {
namespace {

bool is_repack(ggml_backend_buffer_type_t type) { return strcmp(ggml_backend_buft_name(type), "CPU_REPACK") == 0; }

using ExtraTypes = ggml_backend_buffer_type_t* (*)(ggml_backend_dev_t);

bool ends_with(const std::string& text, const char* end) {
  const size_t length = strlen(end);
  return text.size() >= length && text.compare(text.size() - length, length, end) == 0;
}

struct FreeTensors {
  void operator()(ggml_context* context) const { ggml_free(context); }
};
struct FreeBuffer {
  void operator()(ggml_backend_buffer* buffer) const { ggml_backend_buffer_free(buffer); }
};

// Whether products with such a weight can be computed from a buffer of this type. ggml looks at the buffer of a tensor, so there has to be
// one.
bool supported(ggml_backend_dev_t cpu, ggml_backend_buffer_type_t type, const ggml_tensor* weight) {
  const std::unique_ptr<ggml_context, FreeTensors> context(ggml_init({ggml_tensor_overhead() * 4, nullptr, true}));
  const std::unique_ptr<ggml_backend_buffer, FreeBuffer> empty(ggml_backend_buft_alloc_buffer(type, 0));
  ggml_tensor* copy = ggml_new_tensor_2d(context.get(), weight->type, weight->ne[0], weight->ne[1]);
  ggml_tensor* product = ggml_mul_mat(context.get(), copy, ggml_new_tensor_2d(context.get(), GGML_TYPE_F32, weight->ne[0], 64));
  copy->buffer = empty.get();
  return ggml_backend_dev_supports_op(cpu, product);
}

}  // namespace

// Inside the blocks a matrix is read by products alone, T5's table of positions apart.
bool only_in_products(const std::string& name) {
  const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
  return ends_with(name, ".weight") && !has("relative_attention_bias") &&
         (has(".joint_blocks.") || has(".encoder.layers.") || has(".encoder.block."));
}

ggml_backend_buffer_type_t repacked_type(const std::string& name, const ggml_tensor* weight) {
  if (!ggml_is_quantized(weight->type) || ggml_n_dims(weight) != 2 || !only_in_products(name)) return nullptr;
  ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  const auto extra_types = reinterpret_cast<ExtraTypes>(
      ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(cpu), "ggml_backend_dev_get_extra_bufts"));
  if (extra_types == nullptr) return nullptr;
  for (ggml_backend_buffer_type_t* type = extra_types(cpu); type != nullptr && *type != nullptr; type++) {
    if (is_repack(*type) && supported(cpu, *type, weight)) return *type;
  }
  return nullptr;
}

}  // namespace sdcpp::engine
