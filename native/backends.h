#pragma once
#include <napi.h>

namespace sdcpp {

// loadBackend(path, content?): a job that loads a GPU backend, a library beside the addon or of its companion package; its devices are then
// listed. `content` are the bytes of a library that is compressed in its file.
Napi::Value load_backend(const Napi::CallbackInfo& info);

// tryDevice(name): a job that multiplies two matrices on a device, by ggml's name, and rejects when that does not work.
Napi::Value try_device(const Napi::CallbackInfo& info);

}  // namespace sdcpp
