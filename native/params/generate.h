#pragma once
#include "params/table.h"
#include "stable-diffusion.h"

namespace sdcpp::params {

struct GenerateParams : sd_img_gen_params_t {
  preview_t preview_mode = PREVIEW_NONE;
  int preview_every = 1;
  Arena arena;

  GenerateParams() { sd_img_gen_params_init(this); }
  GenerateParams(const GenerateParams&) = delete;
  GenerateParams& operator=(const GenerateParams&) = delete;
};

const Table<GenerateParams>& generate_table();

}  // namespace sdcpp::params
