#include "describe.h"

#include "params/convert.h"
#include "params/generate.h"
#include "params/model.h"
#include "params/upscaler.h"

namespace sdcpp {
namespace {

template <class S>
Napi::Value describe_table(const Napi::CallbackInfo& info, const params::Table<S>& table) {
  S target;
  if (info[1].IsObject()) params::read(table, info[1].As<Napi::Object>(), target, target.arena);
  return params::describe(info.Env(), table, target);
}

}  // namespace

Napi::Value describe(const Napi::CallbackInfo& info) {
  const std::string table = info[0].ToString();
  if (table == "model") return describe_table(info, params::model_table());
  if (table == "generate") return describe_table(info, params::generate_table());
  if (table == "convert") return describe_table(info, params::convert_table());
  if (table == "upscaler") return describe_table(info, params::upscaler_table());
  params::reject(info[0], "table", "model, generate, convert or upscaler");
}

}  // namespace sdcpp
