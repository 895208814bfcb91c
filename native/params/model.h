#pragma once
#include "params/table.h"
#include "stable-diffusion.h"

namespace sdcpp::params {

// What a load takes: the engine's struct, and what our extension adds.
struct ModelParams : sd_ctx_params_t {
  int prompt_cache = 0;
  Arena arena;

  ModelParams() { sd_ctx_params_init(this); }
  ModelParams(const ModelParams&) = delete;
  ModelParams& operator=(const ModelParams&) = delete;
};

const Table<ModelParams>& model_table();

}  // namespace sdcpp::params
