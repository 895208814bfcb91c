#include "params/upscaler.h"

namespace sdcpp::params {

#define MEMBER(member) SDCPP_MEMBER(UpscalerParams, member)

const Table<UpscalerParams>& upscaler_table() {
  static const Table<UpscalerParams> table = {
      field<UpscalerParams>("model", MEMBER(model)),
      field<UpscalerParams>("threads", MEMBER(threads)),
      field<UpscalerParams>("tileSize", MEMBER(tile_size)),
      field<UpscalerParams>("backend", MEMBER(backend)),
  };
  return table;
}

}  // namespace sdcpp::params
