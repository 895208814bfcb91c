#pragma once
#include "engine/extension.h"
#include "stable-diffusion.h"

namespace sdcpp {

// A model in memory, shared by its JavaScript handle and its jobs; freed on the engine thread.
struct LoadedModel {
  sd_ctx_t* context = nullptr;
  engine::ModelInfo info;
  engine::LoraState loras;  // engine thread

  LoadedModel() = default;
  ~LoadedModel();
  LoadedModel(const LoadedModel&) = delete;
  LoadedModel& operator=(const LoadedModel&) = delete;

  void free();  // engine thread
};

}  // namespace sdcpp
