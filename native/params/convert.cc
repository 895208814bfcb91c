#include "params/convert.h"

#include "params/model.h"

namespace sdcpp::params {

#define MEMBER(member) SDCPP_MEMBER(ConvertParams, member)

const Table<ConvertParams>& convert_table() {
  static const Table<ConvertParams> table = {
      field<ConvertParams>("input", MEMBER(input)),
      field<ConvertParams>("output", MEMBER(output)),
      choice<ConvertParams>("type", MEMBER(type), weight_types()),
      field<ConvertParams>("vae", MEMBER(vae)),
      field<ConvertParams>("rules", MEMBER(rules)),
      field<ConvertParams>("plans", MEMBER(plans)),
      field<ConvertParams>("threads", MEMBER(threads)),
  };
  return table;
}

}  // namespace sdcpp::params
