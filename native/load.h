#pragma once
#include <napi.h>

namespace sdcpp {

// load(params, listener): a job that resolves with a Model.
Napi::Value load(const Napi::CallbackInfo& info);

}  // namespace sdcpp
