#include "generate.h"

#include <optional>

#include "engine/announcements.h"
#include "image.h"
#include "inpaint.h"
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
    if (params.mask_image.data != nullptr) {
      inpaint_.emplace(params.init_image, params.mask_image, params.mask_feather);
      params.mask_image = inpaint_->engine_mask();
    }
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
    if (inpaint_ && params.keep_unmasked) inpaint_->restore(pixels);
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
  std::optional<Inpaint> inpaint_;
  double queued_ = 0;
  double total_ = 0;
};

// The engine would resize pictures of another size in its own way; ours have been fitted before.
void check_size(Napi::Env env, const char* name, const sd_image_t& image, const params::GenerateParams& params) {
  if (image.data == nullptr) return;
  if (image.width == static_cast<uint32_t>(params.width) && image.height == static_cast<uint32_t>(params.height)) return;
  params::fail(env, name, "expected " + std::to_string(params.width) + "x" + std::to_string(params.height) + " pixels, as the result has");
}

void check_images(Napi::Env env, const params::GenerateParams& params) {
  check_size(env, "initImage", params.init_image, params);
  check_size(env, "mask", params.mask_image, params);
  if (params.mask_image.data != nullptr && params.init_image.data == nullptr) params::fail(env, "mask", "expected initImage too");
  if (params.mask_feather < 0 || params.mask_feather > 65535) params::fail(env, "maskFeather", "expected 0 to 65535");
  if (params.strength < 0 || params.strength > 1) params::fail(env, "strength", "expected 0 to 1");
}

}  // namespace

std::shared_ptr<Job> make_generate_job(const Napi::CallbackInfo& info, std::shared_ptr<LoadedModel> model) {
  auto job = std::make_shared<GenerateJob>(Environment::of(info.Env()).channel(), std::move(model));
  params::read(params::generate_table(), params::options_of(info), job->params, job->params.arena);
  check_images(info.Env(), job->params);
  return job;
}

}  // namespace sdcpp
