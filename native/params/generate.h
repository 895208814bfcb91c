#pragma once
#include <vector>

#include "params/table.h"
#include "stable-diffusion.h"

namespace sdcpp::params {

struct GenerateParams : sd_img_gen_params_t {
  Arena arena;
  std::vector<sd_lora_t> lora_list;  // what `loras` points to

  GenerateParams() { sd_img_gen_params_init(this); }
  GenerateParams(const GenerateParams&) = delete;
  GenerateParams& operator=(const GenerateParams&) = delete;
};

const Table<GenerateParams>& generate_table();

}  // namespace sdcpp::params
