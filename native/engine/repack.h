#pragma once
#include <string>

#include "ggml-backend.h"

namespace sdcpp::engine {

// The buffer type in which the CPU keeps a weight in the order that its matrix products read it (ggml's "CPU_REPACK"); null for a
// weight that has none, or that other operations read too. Which types of weights have one depends on the processor.
ggml_backend_buffer_type_t repacked_type(const std::string& name, const ggml_tensor* weight);

// Whether a weight of this name is read by matrix products alone, in the blocks of the diffusion model, of CLIP and of T5.
bool only_in_products(const std::string& name);

}  // namespace sdcpp::engine
