#include "engine/compute.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <set>
#include <string>

#include "errors.h"
#include "ggml-impl.h"
#include "job/cancel.h"

namespace {

// Nodes computed between two looks at the flag on a device that has no abort callback: a few milliseconds of work, and
// long enough that the pause between slices is not felt.
constexpr int kSliceNodes = 64;

bool flag_is_set(void* flag) { return static_cast<const std::atomic<bool>*>(flag)->load(std::memory_order_relaxed); }

ggml_backend_set_abort_callback_t abort_setter(ggml_backend_t backend) {
  ggml_backend_dev_t device = ggml_backend_get_device(backend);
  if (device == nullptr) return nullptr;
  return reinterpret_cast<ggml_backend_set_abort_callback_t>(
      ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), "ggml_backend_set_abort_callback"));
}

// ggml asks the flag before each node.
ggml_status compute_with_callback(ggml_backend_t backend, ggml_cgraph* graph, ggml_backend_set_abort_callback_t set) {
  struct Armed {
    ggml_backend_t backend;
    ggml_backend_set_abort_callback_t set;
    ~Armed() { set(backend, nullptr, nullptr); }
  } armed{backend, set};
  set(backend, flag_is_set, const_cast<std::atomic<bool>*>(sdcpp::cancel_flag()));
  return ggml_backend_graph_compute(backend, graph);
}

ggml_status compute_in_slices(ggml_backend_t backend, ggml_cgraph* graph) {
  const int nodes = ggml_graph_n_nodes(graph);
  for (int first = 0; first < nodes; first += kSliceNodes) {
    ggml_cgraph slice = ggml_graph_view(graph, first, std::min(first + kSliceNodes, nodes));
    const ggml_status status = ggml_backend_graph_compute(backend, &slice);
    if (status != GGML_STATUS_SUCCESS) return status;
    sdcpp::throw_if_cancelled();
  }
  return GGML_STATUS_SUCCESS;
}

ggml_status compute(ggml_backend_t backend, ggml_cgraph* graph) {
  if (sdcpp::cancel_flag() == nullptr) return ggml_backend_graph_compute(backend, graph);
  if (auto set = abort_setter(backend)) return compute_with_callback(backend, graph, set);
  return compute_in_slices(backend, graph);
}

// What a graph has computed is read by the next one, and in the end by a picture: white or gray where its numbers are none. Devices of
// their own are not asked, as each answer would be a copy.
bool is_finite(const ggml_cgraph* graph) {
  const ggml_tensor* output = ggml_graph_node(const_cast<ggml_cgraph*>(graph), -1);
  const ggml_backend_buffer_t buffer = output->view_src != nullptr ? output->view_src->buffer : output->buffer;
  const bool here = buffer != nullptr && ggml_backend_buffer_is_host(buffer) && output->data != nullptr;
  if (!here || output->type != GGML_TYPE_F32 || !ggml_is_contiguous(output)) return true;
  const auto* numbers = static_cast<const float*>(output->data);
  return std::all_of(numbers, numbers + ggml_nelements(output), [](float number) { return std::isfinite(number); });
}

std::mutex held_mutex;
sdcpp::engine::HeldMemory held;

// The graph's tensors without its weights.
void note_held_memory(ggml_backend_t backend, ggml_cgraph* graph) {
  std::set<ggml_backend_buffer_t> buffers;
  for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
    const ggml_tensor* node = ggml_graph_node(graph, i);
    ggml_backend_buffer_t buffer = node->view_src != nullptr ? node->view_src->buffer : node->buffer;
    if (buffer != nullptr && ggml_backend_buffer_get_usage(buffer) == GGML_BACKEND_BUFFER_USAGE_COMPUTE) buffers.insert(buffer);
  }
  uint64_t bytes = 0;
  for (ggml_backend_buffer_t buffer : buffers) bytes += ggml_backend_buffer_get_size(buffer);
  const std::lock_guard<std::mutex> lock(held_mutex);
  held = {ggml_backend_dev_name(ggml_backend_get_device(backend)), bytes};
}

}  // namespace

namespace sdcpp::engine {

HeldMemory held_memory() {
  const std::lock_guard<std::mutex> lock(held_mutex);
  return held;
}

void forget_held_memory() {
  const std::lock_guard<std::mutex> lock(held_mutex);
  held = {};
}

}  // namespace sdcpp::engine

extern "C" ggml_status sdcpp_graph_compute(ggml_backend_t backend, ggml_cgraph* graph) {
  sdcpp::throw_if_cancelled();
  note_held_memory(backend, graph);
  const ggml_status status = compute(backend, graph);
  if (status == GGML_STATUS_ABORTED) throw sdcpp::Cancelled{};
  // The engine's text encoders assert on a failed status; an exception unwinds every runner alike.
  if (status == GGML_STATUS_ALLOC_FAILED) {
    throw sdcpp::Failure(sdcpp::code::InsufficientMemory, std::string(ggml_backend_name(backend)) + " ran out of memory while computing");
  }
  if (status != GGML_STATUS_SUCCESS) {
    throw sdcpp::Failure(sdcpp::code::Generation,
                         std::string(ggml_backend_name(backend)) + " failed to compute: " + ggml_status_to_string(status));
  }
  if (!is_finite(graph)) {
    throw sdcpp::Failure(
        sdcpp::code::Generation,
        "the computation left the range of its numbers (NaN or infinity). That may come from a LoRA that is too strong, from weights "
        "that are too large for their type (try another weightType), or from extreme guidance or weights in the prompt");
  }
  return status;
}
