#pragma once
#include <napi.h>

#include <atomic>
#include <memory>
#include <vector>

#include "engine/extension.h"
#include "job/job.h"
#include "stable-diffusion.h"

namespace sdcpp {

// A loaded model, shared by its JavaScript handle and its jobs; freed on the engine thread.
struct LoadedModel {
  sd_ctx_t* context = nullptr;
  engine::ModelInfo info;

  ~LoadedModel();
  void free();  // engine thread
};

// The JavaScript class; made by load() only.
class Model : public Napi::ObjectWrap<Model> {
 public:
  static Napi::Function define(Napi::Env env);
  static Napi::Object wrap(Napi::Env env, std::shared_ptr<LoadedModel> model);
  explicit Model(const Napi::CallbackInfo& info);

 private:
  Napi::Value info(const Napi::CallbackInfo& info);
  Napi::Value generate(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  std::shared_ptr<LoadedModel> model_;  // null once disposed
  std::vector<std::weak_ptr<Job>> jobs_;
};

// load(params, listener): a job that resolves with a Model.
Napi::Value load(const Napi::CallbackInfo& info);

}  // namespace sdcpp
