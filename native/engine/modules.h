#pragma once
#include <string>

#include "ggml-cpu.h"

// Backends as libraries of their own, as in the prebuilds (SDCPP_MODULES in CMakeLists.txt). In other builds they are part of the
// addon, and only graph_plan() does something.
namespace sdcpp::engine {

// Loads the CPU variant that suits this processor best, from the addon's folder alone. Throws std::runtime_error when none does.
void load_cpu_variant();

// Its name ("haswell"); empty where ggml is part of the addon.
const std::string& cpu_variant();

// Loads a GPU backend; its devices are listed from then on. A second call for one path does nothing. `content` takes the place of the file
// when it is not empty (Linux), for one that is compressed. Throws std::runtime_error.
void load_module(const std::string& path, const std::string& content);

// ggml_graph_plan, which belongs to the CPU backend.
ggml_cplan graph_plan(const ggml_cgraph* graph, int threads);

}  // namespace sdcpp::engine
