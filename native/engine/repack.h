#pragma once
#include <string>

#include "ggml-backend.h"

namespace sdcpp::engine {

// The buffer type in which the CPU keeps a weight in the order that its matrix products read it (ggml's "CPU_REPACK"); null for a
// weight that has none, or that other operations read too. Which types of weights have one depends on the processor.
ggml_backend_buffer_type_t repacked_type(const std::string& name, const ggml_tensor* weight);

// Whether a loaded weight is in such a buffer.
bool is_repacked(const ggml_tensor* weight);

}  // namespace sdcpp::engine
