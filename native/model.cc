#include "model.h"

#include <algorithm>

#include "encode.h"
#include "engine/prompt.h"
#include "generate.h"
#include "job/environment.h"
#include "job/queue.h"
#include "params/table.h"

namespace sdcpp {
namespace {

class DisposeJob final : public Job {
 public:
  DisposeJob(std::shared_ptr<Channel> channel, std::shared_ptr<LoadedModel> model) : Job(std::move(channel)), model_(std::move(model)) {}
  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

 protected:
  void run() override { model_->free(); }

 private:
  const std::shared_ptr<LoadedModel> model_;
};

Napi::Object to_object(Napi::Env env, const engine::ModelInfo& info) {
  Napi::Object object = Napi::Object::New(env);
  object["architecture"] = info.architecture;
  object["depth"] = static_cast<double>(info.depth);
  object["hiddenSize"] = static_cast<double>(info.hidden_size);
  object["dualAttentionBlocks"] = static_cast<double>(info.dual_attention_blocks);
  object["positions"] = static_cast<double>(info.positions);
  Napi::Object parts = Napi::Object::New(env);
  for (const auto& [name, part] : info.parts) {
    Napi::Object row = Napi::Object::New(env);
    row["bytes"] = static_cast<double>(part.bytes);
    row["parameters"] = static_cast<double>(part.parameters);
    parts[name] = row;
  }
  object["parts"] = parts;
  Napi::Object devices = Napi::Object::New(env);
  devices["diffusion"] = info.diffusion_device;
  devices["textEncoders"] = info.text_device;
  devices["vae"] = info.vae_device;
  object["devices"] = devices;
  return object;
}

}  // namespace

Napi::Function Model::define(Napi::Env env) {
  return DefineClass(
      env, "NativeModel",
      {InstanceAccessor<&Model::info>("info"), InstanceMethod<&Model::generate>("generate"), InstanceMethod<&Model::check>("check"),
       InstanceMethod<&Model::count_tokens>("countTokens"), InstanceMethod<&Model::tokens>("tokens"),
       InstanceMethod<&Model::encode>("encode"), InstanceMethod<&Model::dispose>("dispose")});
}

Napi::Object Model::wrap(Napi::Env env, std::shared_ptr<LoadedModel> model) {
  return Environment::of(env).model_class.New({Napi::External<std::shared_ptr<LoadedModel>>::New(env, &model)});
}

Model::Model(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Model>(info) {
  if (!info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "a model comes from load()");
  model_ = std::move(*info[0].As<Napi::External<std::shared_ptr<LoadedModel>>>().Data());
}

Napi::Value Model::info(const Napi::CallbackInfo& info) { return model_ ? to_object(info.Env(), model_->info) : info.Env().Undefined(); }

void Model::stop_if_disposed(Napi::Env env) const {
  if (model_) return;
  Napi::Error error = Napi::Error::New(env, "the model has been disposed");
  error.Set("code", code::Disposed);
  throw error;
}

// Calls `read` with both texts as one; what it throws names the text that is wrong.
template <class Read>
void Model::read_prompts(const Napi::CallbackInfo& info, const Read& read) const {
  stop_if_disposed(info.Env());
  params::Arena arena;
  const char* prompt = params::read_string(info[0], "prompt", arena);
  const char* t5 = info[1].IsUndefined() ? nullptr : params::read_string(info[1], "t5Prompt", arena);
  const char* path = "prompt";
  try {
    engine::parse_prompt(prompt);
    path = "t5Prompt";
    read(engine::join_prompts(prompt, t5));
  } catch (const Failure& failure) {
    params::fail(info.Env(), path, failure.what());
  }
}

Napi::Value Model::count_tokens(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  read_prompts(info, [&](const std::string& text) {
    const engine::TokenCounts counts = engine::count_tokens(model_->context, text);
    for (const engine::TokenCount& count : counts.encoders) {
      Napi::Object row = Napi::Object::New(info.Env());
      row["tokens"] = static_cast<double>(count.tokens);
      row["chunks"] = static_cast<double>(count.chunks);
      row["positions"] = static_cast<double>(count.positions);
      result[count.encoder] = row;
    }
    result["chunks"] = static_cast<double>(counts.chunks);
  });
  return result;
}

Napi::Value Model::tokens(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  read_prompts(info, [&](const std::string& text) {
    for (const engine::EncoderTokens& tokens : engine::tokens_of(model_->context, text)) {
      Napi::Int32Array ids = Napi::Int32Array::New(info.Env(), tokens.ids.size());
      Napi::Float32Array weights = Napi::Float32Array::New(info.Env(), tokens.weights.size());
      std::copy(tokens.ids.begin(), tokens.ids.end(), ids.Data());
      std::copy(tokens.weights.begin(), tokens.weights.end(), weights.Data());
      Napi::Object row = Napi::Object::New(info.Env());
      row["ids"] = ids;
      row["weights"] = weights;
      result[tokens.encoder] = row;
    }
  });
  return result;
}

Napi::Value Model::encode(const Napi::CallbackInfo& info) {
  stop_if_disposed(info.Env());
  return start(info.Env(), make_encode_job(info, model_), info[2]);
}

void Model::check(const Napi::CallbackInfo& info) {
  stop_if_disposed(info.Env());
  make_generate_job(info, model_);
}

Napi::Value Model::generate(const Napi::CallbackInfo& info) {
  stop_if_disposed(info.Env());
  return start(info.Env(), make_generate_job(info, model_), info[1]);
}

Napi::Value Model::start(Napi::Env env, const std::shared_ptr<Job>& job, const Napi::Value& listener) {
  jobs_.erase(std::remove_if(jobs_.begin(), jobs_.end(), [](const auto& old) { return old.expired(); }), jobs_.end());
  jobs_.push_back(job);
  return Environment::of(env).start(env, job, listener);
}

Napi::Value Model::dispose(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  for (const auto& weak : jobs_) {
    if (auto job = weak.lock()) Queue::cancel(job);
  }
  auto job = std::make_shared<DisposeJob>(environment.channel(), model_ ? std::move(model_) : std::make_shared<LoadedModel>());
  model_.reset();
  return environment.start(info.Env(), job, Napi::Value()).Get("promise");
}

}  // namespace sdcpp
