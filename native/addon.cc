#include <napi.h>

#include "backends.h"
#include "convert.h"
#include "describe.h"
#include "devices.h"
#include "engine/modules.h"
#include "footprint.h"
#include "job/environment.h"
#include "load.h"
#include "model.h"
#include "pin.h"
#include "stable-diffusion.h"
#include "upscaler.h"

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  using namespace sdcpp;
  stay_loaded();
  try {
    engine::load_cpu_variant();
  } catch (const std::exception& error) {
    Napi::Error failure = Napi::Error::New(env, error.what());
    failure.Set("code", "ERR_DLOPEN_FAILED");  // as for a library that is missing
    throw failure;
  }
  Environment::create(env);
  Environment::of(env).model_class = Napi::Persistent(Model::define(env));
  Environment::of(env).upscaler_class = Napi::Persistent(Upscaler::define(env));
  Environment::of(env).footprint_class = Napi::Persistent(Footprint::define(env));

  exports["load"] = Napi::Function::New<load>(env, "load");
  exports["convert"] = Napi::Function::New<convert>(env, "convert");
  exports["loadUpscaler"] = Napi::Function::New<load_upscaler>(env, "loadUpscaler");
  exports["openFootprint"] = Napi::Function::New<open_footprint>(env, "openFootprint");
  exports["heldMemory"] = Napi::Function::New<held_memory>(env, "heldMemory");
  exports["devices"] = Napi::Function::New<devices>(env, "devices");
  exports["loadBackend"] = Napi::Function::New<load_backend>(env, "loadBackend");
  exports["tryDevice"] = Napi::Function::New<try_device>(env, "tryDevice");
  exports["close"] = Napi::Function::New(
      env, [](const Napi::CallbackInfo& info) { Environment::of(info.Env()).close(); }, "close");
  exports["describe"] = Napi::Function::New<describe>(env, "describe");

  Napi::Object engine = Napi::Object::New(env);
  engine["commit"] = SDCPP_ENGINE_COMMIT;
  engine["system"] = sd_get_system_info();
  engine["cpuVariant"] = engine::cpu_variant();
  exports["engine"] = engine;
  return exports;
}

NODE_API_MODULE(NODE_GYP_MODULE_NAME, Init)
