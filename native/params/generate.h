#pragma once
#include <vector>

#include "engine/guidance.h"
#include "engine/lora/selection.h"
#include "engine/numbers.h"
#include "params/table.h"
#include "stable-diffusion.h"

namespace sdcpp::params {

// What a run takes: the engine's struct, and what is done to its pictures after it.
struct GenerateParams : sd_img_gen_params_t {
  bool keep_unmasked = true;
  int mask_feather = 0;
  int priority = 0;
  preview_t preview_mode = PREVIEW_NONE;
  int preview_every = 1;
  engine::GuidanceWindow guidance_window;
  engine::Variation variation;
  Arena arena;
  std::vector<engine::lora::Request> lora_list;  // the engine's own `loras` stay empty
  const char* t5_prompt = nullptr;               // null: T5 reads the same text as the CLIPs
  const char* negative_t5_prompt = nullptr;

  GenerateParams() { sd_img_gen_params_init(this); }
  GenerateParams(const GenerateParams&) = delete;
  GenerateParams& operator=(const GenerateParams&) = delete;
};

const Table<GenerateParams>& generate_table();

}  // namespace sdcpp::params
