#include "generate.h"

#include "engine/announcements.h"
#include "image.h"
#include "job/cancel.h"
#include "job/environment.h"
#include "job/phased_job.h"
#include "params/generate.h"

namespace sdcpp {
namespace {

class GenerateJob final : public PhasedJob {
 public:
  GenerateJob(std::shared_ptr<Channel> channel, std::shared_ptr<LoadedModel> model)
      : PhasedJob(std::move(channel)), model_(std::move(model)) {}
  params::GenerateParams params;

  int priority() const override { return params.priority; }
  const void* owner() const override { return model_.get(); }

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

}  // namespace

std::shared_ptr<Job> make_generate_job(const Napi::CallbackInfo& info, std::shared_ptr<LoadedModel> model) {
  auto job = std::make_shared<GenerateJob>(Environment::of(info.Env()).channel(), std::move(model));
  params::read(params::generate_table(), params::options_of(info), job->params, job->params.arena);
  return job;
}

}  // namespace sdcpp
