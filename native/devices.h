#pragma once
#include <napi.h>

namespace sdcpp {

// devices(): a job that resolves with the compute devices ggml knows. On the engine thread, since the first look starts drivers.
Napi::Value devices(const Napi::CallbackInfo& info);

}  // namespace sdcpp
