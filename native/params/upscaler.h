#pragma once
#include "params/table.h"

namespace sdcpp::params {

struct UpscalerParams {
  const char* model = "";
  int threads = 0;  // 0: the machine's physical cores
  int tile_size = 128;
  const char* backend = "";
  Arena arena;

  UpscalerParams() = default;
  UpscalerParams(const UpscalerParams&) = delete;
  UpscalerParams& operator=(const UpscalerParams&) = delete;
};

const Table<UpscalerParams>& upscaler_table();

}  // namespace sdcpp::params
