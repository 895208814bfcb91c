#pragma once
#include <napi.h>

namespace sdcpp {

// convert(params, listener): a job that writes a GGUF file and resolves with { bytes, tensors }.
Napi::Value convert(const Napi::CallbackInfo& info);

}  // namespace sdcpp
