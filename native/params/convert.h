#pragma once
#include "params/table.h"
#include "stable-diffusion.h"

namespace sdcpp::params {

struct ConvertParams {
  const char* input = nullptr;
  const char* output = nullptr;
  const char* vae = nullptr;
  const char* rules = nullptr;
  const char* plans = nullptr;  // see engine/plan.h
  sd_type_t type = SD_TYPE_COUNT;
  int threads = 0;
  Arena arena;

  ConvertParams() = default;
  ConvertParams(const ConvertParams&) = delete;
  ConvertParams& operator=(const ConvertParams&) = delete;
};

const Table<ConvertParams>& convert_table();

}  // namespace sdcpp::params
