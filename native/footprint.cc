#include "footprint.h"

#include <atomic>

#include "engine/assertion.h"
#include "engine/compute.h"
#include "errors.h"
#include "job/cancel.h"
#include "job/environment.h"
#include "job/queue.h"
#include "params/generate.h"
#include "params/model.h"

namespace sdcpp {
namespace {

class OpenFootprintJob final : public Job {
 public:
  using Job::Job;
  params::ModelParams params;

  Napi::Value result(Napi::Env env) override {
    return Environment::of(env).footprint_class.New({Napi::External<std::shared_ptr<engine::Footprint>>::New(env, &footprint_)});
  }

 protected:
  void run() override {
    footprint_ = engine::open_footprint(params, params.plans);
    // Shapes on which the engine asserts show here, on the thread that can be unwound for sure.
    params::GenerateParams picture;
    picture.width = picture.height = 16;
    footprint_->measure(picture, PREVIEW_NONE, {}, false);
  }

  const char* failure_code() const override { return code::ModelFile; }

 private:
  std::shared_ptr<engine::Footprint> footprint_;
};

Napi::Object to_object(Napi::Env env, const engine::Computation& computation) {
  Napi::Object object = Napi::Object::New(env);
  object["buffer"] = static_cast<double>(computation.buffer);
  object["work"] = static_cast<double>(computation.work);
  return object;
}

Napi::Object to_object(Napi::Env env, const engine::PartFootprint& part) {
  Napi::Object object = Napi::Object::New(env);
  object["weights"] = static_cast<double>(part.weights);
  object["mapped"] = static_cast<double>(part.mapped);
  object["staging"] = static_cast<double>(part.staging);
  object["touched"] = static_cast<double>(part.touched);
  object["device"] = part.device;
  object["weightsDevice"] = part.weights_device;
  object["text"] = to_object(env, part.text);
  return object;
}

}  // namespace

Napi::Function Footprint::define(Napi::Env env) {
  return DefineClass(env, "NativeFootprint",
                     {InstanceAccessor<&Footprint::info>("info"), InstanceMethod<&Footprint::devices>("devices"),
                      InstanceMethod<&Footprint::measure>("measure"), InstanceMethod<&Footprint::dispose>("dispose")});
}

Footprint::Footprint(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Footprint>(info) {
  if (!info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "a footprint comes from openFootprint()");
  footprint_ = std::move(*info[0].As<Napi::External<std::shared_ptr<engine::Footprint>>>().Data());
}

// Its backends are the engine's: a GPU's is freed by the thread that made it.
void Footprint::free() {
  if (footprint_) Queue::between_jobs([footprint = std::move(footprint_)]() mutable { footprint.reset(); });
}

Footprint::~Footprint() { free(); }

void Footprint::dispose(const Napi::CallbackInfo&) { free(); }

Napi::Value Footprint::info(const Napi::CallbackInfo& info) {
  Napi::Object parts = Napi::Object::New(info.Env());
  for (const auto& [name, part] : footprint_->parts) parts[name] = to_object(info.Env(), part);
  Napi::Object object = Napi::Object::New(info.Env());
  object["parts"] = parts;
  object["positions"] = static_cast<double>(footprint_->positions);
  object["depth"] = static_cast<double>(footprint_->depth);
  object["dualAttentionBlocks"] = static_cast<double>(footprint_->dual_attention_blocks);
  return object;
}

Napi::Value Footprint::devices(const Napi::CallbackInfo& info) {
  Napi::Object object = Napi::Object::New(info.Env());
  for (const auto& [name, memory] : footprint_->devices()) {
    Napi::Object row = Napi::Object::New(info.Env());
    row["free"] = static_cast<double>(memory.free);
    row["total"] = static_cast<double>(memory.total);
    row["host"] = memory.host;
    object[name] = row;
  }
  return object;
}

Napi::Value Footprint::measure(const Napi::CallbackInfo& info) {
  params::GenerateParams params;
  params::read(params::generate_table(), params::options_of(info), params, params.arena);
  const engine::TextLength text{params::read_integer(info[1], "chunks"), params::read_integer(info[2], "t5Tokens")};
  const bool begins_with_picture = params::read_boolean(info[3], "beginsWithPicture");
  static const std::atomic<bool> never{false};
  const CancelScope unwinds(never);  // a failed assertion of the engine throws instead of ending the process
  try {
    const auto measured = footprint_->measure(params, params.preview_mode, text, begins_with_picture);
    Napi::Object object = Napi::Object::New(info.Env());
    for (const auto& [name, computation] : measured) object[name] = to_object(info.Env(), computation);
    return object;
  } catch (const std::exception& exception) {
    Napi::Error error = Napi::Error::New(info.Env(), exception.what());
    error.Set("code", dynamic_cast<const EngineAssertion*>(&exception) != nullptr ? code::EngineAssertion : code::Generation);
    throw error;
  }
}

Napi::Value open_footprint(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  auto job = std::make_shared<OpenFootprintJob>(environment.channel());
  params::read(params::model_table(), params::options_of(info), job->params, job->params.arena);
  return environment.start(info.Env(), job, info[1]);
}

Napi::Value held_memory(const Napi::CallbackInfo& info) {
  const engine::HeldMemory held = engine::held_memory();
  Napi::Object object = Napi::Object::New(info.Env());
  object["device"] = held.device;
  object["bytes"] = static_cast<double>(held.bytes);
  return object;
}

}  // namespace sdcpp
