#pragma once
#include <napi.h>

namespace sdcpp {

// describe("model" | "generate" | "convert" | "upscaler", params?): the params table, with the values that the engine gets for `params`.
Napi::Value describe(const Napi::CallbackInfo& info);

}  // namespace sdcpp
