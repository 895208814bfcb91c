#include "engine/clip.h"

#include "errors.h"

namespace sdcpp::engine {

ggml_cgraph* build_clip_graph(CLIPTextModelRunner& runner, const sd::Tensor<int32_t>& ids, size_t end, int clip_skip) {
  ggml_cgraph* graph = runner.build_graph(ids, 0, nullptr, end, true);
  ggml_context* context = runner.get_context().ggml_ctx;
  // CLIPEncoder::forward names each layer's result.
  const std::string layer = "clip_text.layers." + std::to_string(runner.model.n_layer - clip_skip);
  ggml_tensor* hidden = ggml_get_tensor(context, sd::ggml_graph_cut::make_graph_cut_name(layer, "x").c_str());
  if (hidden == nullptr) throw Failure(code::Generation, "CLIP has no layer to read at clip skip " + std::to_string(clip_skip));
  ggml_tensor* pooled = ggml_graph_node(graph, -1);
  ggml_build_forward_expand(graph, ggml_concat(context, hidden, pooled, 1));
  return graph;
}

ClipOutput compute_clip(CLIPTextModelRunner& runner, int n_threads, const sd::Tensor<int32_t>& ids, size_t end, int clip_skip) {
  const auto build = [&] { return build_clip_graph(runner, ids, end, clip_skip); };
  sd::Tensor<float> both = runner.GGMLRunner::compute<float>(build, n_threads, false, true, true).value_or(sd::Tensor<float>());
  if (both.empty()) return {};
  const int64_t tokens = ids.shape()[0];
  const int64_t width = both.shape()[0];
  ClipOutput output{sd::ops::slice(both, 1, 0, tokens), sd::ops::slice(both, 1, tokens, tokens + 1)};
  output.hidden.reshape_({width, tokens, 1});
  output.pooled.reshape_({width});
  return output;
}

}  // namespace sdcpp::engine
