#pragma once
#include "params/table.h"
#include "stable-diffusion.h"

namespace sdcpp::params {

// What a run takes: the engine's struct, and what is done to its pictures after it.
struct GenerateParams : sd_img_gen_params_t {
  bool keep_unmasked = true;
  int mask_feather = 0;
  Arena arena;

  GenerateParams() { sd_img_gen_params_init(this); }
  GenerateParams(const GenerateParams&) = delete;
  GenerateParams& operator=(const GenerateParams&) = delete;
};

const Table<GenerateParams>& generate_table();

}  // namespace sdcpp::params
