#pragma once
#include <napi.h>

#include <memory>
#include <vector>

#include "engine/esrgan.h"
#include "job/job.h"

namespace sdcpp {

// An ESRGAN network that JavaScript and its jobs share; the engine thread frees it.
struct LoadedUpscaler {
  std::unique_ptr<engine::Esrgan> network;
  ~LoadedUpscaler();
};

// What JavaScript holds: info, upscale(picture, listener), dispose().
class Upscaler : public Napi::ObjectWrap<Upscaler> {
 public:
  static Napi::Function define(Napi::Env env);
  static Napi::Object wrap(Napi::Env env, std::shared_ptr<LoadedUpscaler> upscaler);
  explicit Upscaler(const Napi::CallbackInfo& info);

 private:
  Napi::Value info(const Napi::CallbackInfo& info);
  Napi::Value upscale(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  std::shared_ptr<LoadedUpscaler> upscaler_;
  std::vector<std::weak_ptr<Job>> jobs_;
};

// loadUpscaler(params, listener): a job that resolves with an Upscaler.
Napi::Value load_upscaler(const Napi::CallbackInfo& info);

}  // namespace sdcpp
