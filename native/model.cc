#include "model.h"

#include <algorithm>

#include "engine/announcements.h"
#include "image.h"
#include "job/cancel.h"
#include "job/environment.h"
#include "job/phases.h"
#include "job/queue.h"
#include "params/generate.h"
#include "params/model.h"

namespace sdcpp {
namespace {

Napi::Object event_of(Napi::Env env, const char* type) {
  Napi::Object event = Napi::Object::New(env);
  event["type"] = type;
  return event;
}

// A job with phases, of which JavaScript hears.
class PhasedJob : public Job {
 public:
  using Job::Job;

 protected:
  void enter(Phase phase) {
    clock_.enter(phase);
    emit([phase, image = image_](Napi::Env env) {
      Napi::Object event = event_of(env, "phase");
      event["phase"] = name_of(phase);
      event["image"] = image;
      return event;
    });
  }

  void progress(int step, int steps) {
    if (step <= last_step_ && clock_.phase() == Phase::Load) return;  // the loader repeats itself while it waits
    last_step_ = step;
    emit([phase = clock_.phase(), step, steps, image = image_, seconds = clock_.seconds()](Napi::Env env) {
      Napi::Object event = event_of(env, "progress");
      event["phase"] = name_of(phase);
      event["step"] = step;
      event["steps"] = steps;
      event["image"] = image;
      event["seconds"] = seconds;
      return event;
    });
  }

  PhaseClock clock_;
  int image_ = 0;

 private:
  int last_step_ = 0;
};

class LoadJob final : public PhasedJob {
 public:
  using PhasedJob::PhasedJob;
  params::ModelParams params;

  void on_progress(int step, int) override { progress(static_cast<int>(done_) + step, static_cast<int>(total_)); }

  Napi::Value result(Napi::Env env) override { return Model::wrap(env, std::move(model_)); }

 protected:
  void run() override {
    enter(Phase::Load);
    engine::LoadOptions options;
    options.prompt_cache = static_cast<size_t>(std::max(0, params.prompt_cache));
    options.on_group = [this](size_t done, size_t total) {
      done_ = done;
      total_ = total;
    };
    auto model = std::make_shared<LoadedModel>();
    model->context = engine::load(params, options, model->info);
    model_ = std::move(model);
  }

  const char* failure_code() const override { return code::ModelFile; }

 private:
  size_t done_ = 0;
  size_t total_ = 0;
  std::shared_ptr<LoadedModel> model_;
};

class GenerateJob final : public PhasedJob {
 public:
  GenerateJob(std::shared_ptr<Channel> channel, std::shared_ptr<LoadedModel> model)
      : PhasedJob(std::move(channel)), model_(std::move(model)) {}
  params::GenerateParams params;

  void on_log(sd_log_level_t level, const char* text) override {
    Phase phase;
    if (engine::begins_phase(text, phase)) enter(phase);
    PhasedJob::on_log(level, text);
  }

  void on_progress(int step, int steps) override { progress(step, steps); }

  Napi::Value result(Napi::Env env) override {
    Napi::Object timings = Napi::Object::New(env);
    timings["queued"] = queued_;
    timings["encode"] = clock_.total(Phase::Encode);
    timings["sample"] = clock_.total(Phase::Sample);
    timings["decode"] = clock_.total(Phase::Decode);
    timings["total"] = total_;
    return timings;
  }

 protected:
  // One picture at a time, which gives the bytes that the engine's own batch gives, but hands each over when it is done.
  void run() override {
    queued_ = seconds_since(created_);
    if (model_->context == nullptr) throw Failure(code::Disposed, "the model has been disposed");
    const Clock::time_point start = Clock::now();
    const int64_t first_seed = params.seed;
    const int count = params.batch_count;
    params.batch_count = 1;
    for (image_ = 0; image_ < count; image_++) {
      params.seed = first_seed + image_;
      draw();
    }
    total_ = seconds_since(start);
  }

 private:
  void draw() {
    enter(Phase::Encode);
    sd_image_t* images = generate_image(model_->context, &params);
    throw_if_cancelled();
    if (images == nullptr || images[0].data == nullptr) {
      free_sd_images(images, images ? 1 : 0);
      throw Failure(code::Generation, "the engine returned no picture");
    }
    Pixels pixels = Pixels::copy_of(images[0]);
    free_sd_images(images, 1);
    clock_.leave();
    emit([pixels = std::move(pixels), image = image_, seed = params.seed](Napi::Env env) {
      Napi::Object event = event_of(env, "image");
      event["image"] = image;
      event["seed"] = Napi::BigInt::New(env, seed);
      pixels.put_into(event);
      return event;
    });
  }

  const std::shared_ptr<LoadedModel> model_;
  const Clock::time_point created_ = Clock::now();
  double queued_ = 0;
  double total_ = 0;
};

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

Napi::Object options_of(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject()) params::reject(info[0], "options", "an object");
  return info[0].As<Napi::Object>();
}

}  // namespace

LoadedModel::~LoadedModel() {
  if (context != nullptr) Queue::between_jobs([context = context] { free_sd_ctx(context); });
}

void LoadedModel::free() {
  if (context != nullptr) free_sd_ctx(context);
  context = nullptr;
}

Napi::Value load(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  auto job = std::make_shared<LoadJob>(environment.channel());
  params::read(params::model_table(), options_of(info), job->params, job->params.arena);
  return environment.start(info.Env(), job, info[1]);
}

Napi::Function Model::define(Napi::Env env) {
  return DefineClass(
      env, "NativeModel",
      {InstanceAccessor<&Model::info>("info"), InstanceMethod<&Model::generate>("generate"), InstanceMethod<&Model::dispose>("dispose")});
}

Napi::Object Model::wrap(Napi::Env env, std::shared_ptr<LoadedModel> model) {
  return Environment::of(env).model_class.New({Napi::External<std::shared_ptr<LoadedModel>>::New(env, &model)});
}

Model::Model(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Model>(info) {
  if (!info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "a model comes from load()");
  model_ = std::move(*info[0].As<Napi::External<std::shared_ptr<LoadedModel>>>().Data());
}

Napi::Value Model::info(const Napi::CallbackInfo& info) { return model_ ? to_object(info.Env(), model_->info) : info.Env().Undefined(); }

Napi::Value Model::generate(const Napi::CallbackInfo& info) {
  if (!model_) {
    Napi::Error error = Napi::Error::New(info.Env(), "the model has been disposed");
    error.Set("code", code::Disposed);
    throw error;
  }
  Environment& environment = Environment::of(info.Env());
  auto job = std::make_shared<GenerateJob>(environment.channel(), model_);
  params::read(params::generate_table(), options_of(info), job->params, job->params.arena);
  jobs_.erase(std::remove_if(jobs_.begin(), jobs_.end(), [](const auto& old) { return old.expired(); }), jobs_.end());
  jobs_.push_back(job);
  return environment.start(info.Env(), job, info[1]);
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
