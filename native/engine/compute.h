#pragma once
#include "ggml-backend.h"

// Stands in for ggml_backend_graph_compute inside the engine (CMakeLists.txt renames its one call): every graph of every
// runner comes through here, and is left by an exception when the running job is cancelled or the backend fails.
extern "C" ggml_status sdcpp_graph_compute(ggml_backend_t backend, ggml_cgraph* graph);
