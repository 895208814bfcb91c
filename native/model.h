#pragma once
#include <napi.h>

#include <memory>
#include <vector>

#include "job/job.h"
#include "loaded_model.h"

namespace sdcpp {

// The JavaScript class; made by load() only.
class Model : public Napi::ObjectWrap<Model> {
 public:
  static Napi::Function define(Napi::Env env);
  static Napi::Object wrap(Napi::Env env, std::shared_ptr<LoadedModel> model);
  explicit Model(const Napi::CallbackInfo& info);

 private:
  Napi::Value info(const Napi::CallbackInfo& info);
  Napi::Value generate(const Napi::CallbackInfo& info);
  // check(params): throws what generate(params) would, for a run that is to start later.
  void check(const Napi::CallbackInfo& info);
  // countTokens(prompt, t5Prompt?): on the calling thread, as it takes microseconds and must not wait for a running picture.
  Napi::Value count_tokens(const Napi::CallbackInfo& info);
  // tokens(prompt, t5Prompt?): by encoder { ids, weights }, as they are read. For tests.
  Napi::Value tokens(const Napi::CallbackInfo& info);
  // encode(prompt, t5Prompt, listener): see encode.h.
  Napi::Value encode(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  void stop_if_disposed(Napi::Env env) const;
  Napi::Value start(Napi::Env env, const std::shared_ptr<Job>& job, const Napi::Value& listener);
  template <class Read>
  void read_prompts(const Napi::CallbackInfo& info, const Read& read) const;

  std::shared_ptr<LoadedModel> model_;  // null once disposed
  std::vector<std::weak_ptr<Job>> jobs_;
};

}  // namespace sdcpp
