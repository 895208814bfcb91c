#pragma once
#include <memory>
#include <vector>

#include "core/ggml_extend.hpp"
#include "engine/lora/selection.h"

namespace sdcpp::engine::lora {

// Whether a change can be computed beside the weight's own product, with less memory than the weight has: LoRA, LoHa of low rank, LoKr, of
// a weight that products alone read. All others are merged.
bool is_product(const Change& change);

// The changes as products with the weights' inputs, on `backend`; null for none. Reads the LoRAs' files; throws a Failure.
std::shared_ptr<WeightAdapter> make_products(ggml_backend_t backend, const ByTensor& changes);

}  // namespace sdcpp::engine::lora
