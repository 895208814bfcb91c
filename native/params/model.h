#pragma once
#include "params/table.h"
#include "stable-diffusion.h"

namespace sdcpp::params {

// What a load takes: the engine's struct, and what our extension adds.
struct ModelParams : sd_ctx_params_t {
  int prompt_cache = 0;
  const char* plans = nullptr;  // see engine/plan.h
  Arena arena;

  ModelParams() { sd_ctx_params_init(this); }
  ModelParams(const ModelParams&) = delete;
  ModelParams& operator=(const ModelParams&) = delete;
};

const Table<ModelParams>& model_table();

// Weight types by their number; those that no longer exist have no name.
std::vector<std::string> weight_types();

}  // namespace sdcpp::params
