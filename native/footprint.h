#pragma once
#include <napi.h>

#include <memory>

#include "engine/footprint.h"

namespace sdcpp {

// The JavaScript class of engine::Footprint; made by open_footprint() only.
class Footprint : public Napi::ObjectWrap<Footprint> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit Footprint(const Napi::CallbackInfo& info);
  ~Footprint() override;

 private:
  Napi::Value info(const Napi::CallbackInfo& info);
  Napi::Value devices(const Napi::CallbackInfo& info);
  // measure(params, chunks, t5Tokens, beginsWithPicture): on the calling thread, as it must not wait for a running picture.
  Napi::Value measure(const Napi::CallbackInfo& info);
  // Frees it; nothing but this may be called afterwards.
  void dispose(const Napi::CallbackInfo& info);

  void free();

  std::shared_ptr<engine::Footprint> footprint_;
};

// openFootprint(params, listener): a job that resolves with a Footprint. The params are those of load().
Napi::Value open_footprint(const Napi::CallbackInfo& info);

// heldMemory(): { device, bytes }, see engine::HeldMemory.
Napi::Value held_memory(const Napi::CallbackInfo& info);

}  // namespace sdcpp
