#include "upscaler.h"

#include <algorithm>
#include <cstdlib>

#include "image.h"
#include "job/environment.h"
#include "job/phased_job.h"
#include "job/queue.h"
#include "params/upscaler.h"

namespace sdcpp {
namespace {

class LoadUpscalerJob final : public PhasedJob {
 public:
  using PhasedJob::PhasedJob;
  params::UpscalerParams params;

  void on_progress(int step, int steps) override { progress(step, steps); }
  Napi::Value result(Napi::Env env) override { return Upscaler::wrap(env, std::move(upscaler_)); }

 protected:
  void run() override {
    enter(Phase::Load);
    const int threads = params.threads > 0 ? params.threads : sd_get_num_physical_cores();
    auto upscaler = std::make_shared<LoadedUpscaler>();
    upscaler->network = engine::load_esrgan(params.model, threads, params.tile_size, params.backend);
    upscaler_ = std::move(upscaler);
  }
  const char* failure_code() const override { return code::ModelFile; }

 private:
  std::shared_ptr<LoadedUpscaler> upscaler_;
};

class UpscaleJob final : public PhasedJob {
 public:
  UpscaleJob(std::shared_ptr<Channel> channel, std::shared_ptr<LoadedUpscaler> upscaler, Pixels picture)
      : PhasedJob(std::move(channel)), upscaler_(std::move(upscaler)), picture_(std::move(picture)) {}

  void on_progress(int step, int steps) override {
    tiled_ = true;
    progress(step, steps);
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Object picture = Napi::Object::New(env);
    picture_.put_into(picture);
    return picture;
  }

 protected:
  void run() override {
    if (upscaler_->network == nullptr) throw Failure(code::Disposed, "the upscaler has been disposed");
    enter(Phase::Upscale);
    const sd_image_t input{picture_.width, picture_.height, picture_.channels, picture_.data.data()};
    const sd_image_t output = upscaler_->network->upscale(input);
    if (output.data == nullptr) throw Failure(code::Generation, "the engine returned no picture");
    const std::unique_ptr<uint8_t, void (*)(void*)> owned(output.data, std::free);
    picture_ = Pixels::copy_of(output);
    if (!tiled_) progress(1, 1);
  }

 private:
  const std::shared_ptr<LoadedUpscaler> upscaler_;
  Pixels picture_;
  bool tiled_ = false;
};

class DisposeUpscalerJob final : public Job {
 public:
  DisposeUpscalerJob(std::shared_ptr<Channel> channel, std::shared_ptr<LoadedUpscaler> upscaler)
      : Job(std::move(channel)), upscaler_(std::move(upscaler)) {}
  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

 protected:
  void run() override { upscaler_->network.reset(); }

 private:
  const std::shared_ptr<LoadedUpscaler> upscaler_;
};

}  // namespace

LoadedUpscaler::~LoadedUpscaler() {
  if (network) Queue::between_jobs([network = std::shared_ptr<engine::Esrgan>(std::move(network))]() mutable { network.reset(); });
}

Napi::Function Upscaler::define(Napi::Env env) {
  return DefineClass(env, "NativeUpscaler",
                     {InstanceAccessor<&Upscaler::info>("info"), InstanceMethod<&Upscaler::upscale>("upscale"),
                      InstanceMethod<&Upscaler::dispose>("dispose")});
}

Napi::Object Upscaler::wrap(Napi::Env env, std::shared_ptr<LoadedUpscaler> upscaler) {
  return Environment::of(env).upscaler_class.New({Napi::External<std::shared_ptr<LoadedUpscaler>>::New(env, &upscaler)});
}

Upscaler::Upscaler(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Upscaler>(info) {
  if (!info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "an upscaler comes from loadUpscaler()");
  upscaler_ = std::move(*info[0].As<Napi::External<std::shared_ptr<LoadedUpscaler>>>().Data());
}

Napi::Value Upscaler::info(const Napi::CallbackInfo& info) {
  if (!upscaler_ || !upscaler_->network) return info.Env().Undefined();
  const engine::Esrgan& network = *upscaler_->network;
  Napi::Object object = Napi::Object::New(info.Env());
  object["scale"] = network.scale;
  object["blocks"] = network.blocks;
  object["bytes"] = static_cast<double>(network.bytes);
  object["parameters"] = static_cast<double>(network.parameters);
  object["device"] = network.device;
  return object;
}

Napi::Value Upscaler::upscale(const Napi::CallbackInfo& info) {
  if (!upscaler_) {
    Napi::Error error = Napi::Error::New(info.Env(), "the upscaler has been disposed");
    error.Set("code", code::Disposed);
    throw error;
  }
  Pixels picture = Pixels::read(info[0], "image");
  if (picture.channels != 3) params::reject(info[0].As<Napi::Object>().Get("channels"), "image.channels", "3");
  Environment& environment = Environment::of(info.Env());
  auto job = std::make_shared<UpscaleJob>(environment.channel(), upscaler_, std::move(picture));
  jobs_.erase(std::remove_if(jobs_.begin(), jobs_.end(), [](const auto& old) { return old.expired(); }), jobs_.end());
  jobs_.push_back(job);
  return environment.start(info.Env(), job, info[1]);
}

Napi::Value Upscaler::dispose(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  for (const auto& weak : jobs_) {
    if (auto job = weak.lock()) Queue::cancel(job);
  }
  auto job =
      std::make_shared<DisposeUpscalerJob>(environment.channel(), upscaler_ ? std::move(upscaler_) : std::make_shared<LoadedUpscaler>());
  upscaler_.reset();
  return environment.start(info.Env(), job, Napi::Value()).Get("promise");
}

Napi::Value load_upscaler(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  auto job = std::make_shared<LoadUpscalerJob>(environment.channel());
  params::read(params::upscaler_table(), params::options_of(info), job->params, job->params.arena);
  return environment.start(info.Env(), job, info[1]);
}

}  // namespace sdcpp
