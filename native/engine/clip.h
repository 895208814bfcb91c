#pragma once
#include "conditioning/conditioner.hpp"

namespace sdcpp::engine {

// The graph of one CLIP for one chunk of 77 tokens, of which SD3 takes two things: the hidden states of the layer that is `clip_skip`th
// from the end, and the pooled vector, which is the last layer's at the position of the end token. The result has the shape [width, 78]:
// the states, then the vector. The engine has a graph for each, which repeats all the layers that both need.
ggml_cgraph* build_clip_graph(CLIPTextModelRunner& runner, const sd::Tensor<int32_t>& ids, size_t end, int clip_skip);

struct ClipOutput {
  sd::Tensor<float> hidden;  // [width, 77, 1]; empty when the computation failed
  sd::Tensor<float> pooled;  // [width]
};

ClipOutput compute_clip(CLIPTextModelRunner& runner, int n_threads, const sd::Tensor<int32_t>& ids, size_t end, int clip_skip);

}  // namespace sdcpp::engine
