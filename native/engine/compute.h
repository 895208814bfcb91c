#pragma once
#include <cstdint>
#include <string>

#include "ggml-backend.h"

// Stands in for ggml_backend_graph_compute inside the engine (CMakeLists.txt renames its one call): every graph of every
// runner comes through here, and is left by an exception when the running job is cancelled or the backend fails.
extern "C" ggml_status sdcpp_graph_compute(ggml_backend_t backend, ggml_cgraph* graph);

namespace sdcpp::engine {

// What the running job's last graph holds of a device's memory until the job ends; from any thread.
struct HeldMemory {
  std::string device;  // ggml's name, empty without a job
  uint64_t bytes = 0;
};
HeldMemory held_memory();

// Engine thread: the job that computed has ended.
void forget_held_memory();

}  // namespace sdcpp::engine
