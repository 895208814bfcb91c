#include "generate.h"

#include <algorithm>

#include "engine/announcements.h"
#include "engine/callbacks.h"
#include "engine/esrgan.h"
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

  void on_log(sd_log_level_t level, const char* text) override {
    Phase phase;
    if (engine::begins_phase(text, phase)) {
      if (phase == Phase::Upscale) pass_ = 2;
      enter(phase);
    }
    PhasedJob::on_log(level, text);
  }

  void on_progress(int step, int steps) override {
    if (clock_.phase() == Phase::Upscale) return;  // tiles of several networks, and their loading, one after the other
    if (clock_.phase() == Phase::Sample) await_preview(step + 1);
    progress(step, steps);
  }

  void on_preview(int step, const sd_image_t& picture) override {
    engine::set_preview(params.preview_mode, false);  // one a step
    emit([pixels = Pixels::copy_of(picture), step, image = image_, pass = pass_](Napi::Env env) {
      Napi::Object event = event_of(env, "preview");
      event["image"] = image;
      event["step"] = step;
      if (pass > 0) event["pass"] = pass;
      pixels.put_into(event);
      return event;
    });
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Object timings = Napi::Object::New(env);
    timings["queued"] = queued_;
    timings["encode"] = clock_.total(Phase::Encode);
    timings["sample"] = clock_.total(Phase::Sample);
    timings["upscale"] = clock_.total(Phase::Upscale);
    timings["decode"] = clock_.total(Phase::Decode);
    timings["total"] = total_;
    return timings;
  }

 protected:
  // One picture at a time, which gives the bytes that the engine's own batch gives, but hands each over when it is done.
  void run() override {
    queued_ = seconds_since(created_);
    if (model_->context == nullptr) throw Failure(code::Disposed, "the model has been disposed");
    const PreviewsEnd previews_end;
    engine::set_preview(params.preview_mode, false);
    const Clock::time_point start = Clock::now();
    if (uses_esrgan()) engine::check_esrgan(params.hires.model_path, "hires.model");
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
  struct PreviewsEnd {
    ~PreviewsEnd() { engine::set_preview(PREVIEW_NONE, false); }
  };

  void await_preview(int step) {
    const bool wanted = params.preview_mode != PREVIEW_NONE && step % std::max(1, params.preview_every) == 0;
    engine::set_preview(params.preview_mode, wanted);
  }

  bool uses_esrgan() const {
    return params.hires.enabled && params.hires.upscaler == SD_HIRES_UPSCALER_MODEL && params.hires.model_path != nullptr;
  }

  void draw() {
    pass_ = params.hires.enabled ? 1 : 0;
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
