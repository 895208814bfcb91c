#include "generate.h"

#include <algorithm>
#include <optional>

#include "engine/announcements.h"
#include "engine/callbacks.h"
#include "engine/esrgan.h"
#include "engine/guidance.h"
#include "engine/prompt.h"
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

  int priority() const override { return params.priority; }
  const void* owner() const override { return model_.get(); }

  void on_log(sd_log_level_t level, const char* text) override {
    Phase phase;
    if (engine::begins_phase(text, phase)) {
      if (phase == Phase::Upscale) pass_ = 2;
      enter(phase);
    }
    PhasedJob::on_log(level, text);
  }

  void on_progress(int step, int steps) override {
    if (clock_.phase() == Phase::Load) return progress(static_cast<int>(loaded_) + step, static_cast<int>(to_load_));
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
    engine::set_guidance_window(params.guidance_window);
    const Clock::time_point start = Clock::now();
    if (uses_esrgan()) engine::check_esrgan(params.hires.model_path, "hires.model");
    if (params.mask_image.data != nullptr) {
      inpaint_.emplace(params.init_image, params.mask_image, params.mask_feather);
      params.mask_image = inpaint_->engine_mask();
    }
    const int64_t first_seed = params.seed;
    const int64_t first_variation = params.variation.seed;
    const int count = params.batch_count;
    params.batch_count = 1;
    apply_loras();
    for (image_ = 0; image_ < count; image_++) {
      // A batch of variations is one of the other seeds.
      if (params.variation.strength > 0)
        params.variation.seed = first_variation + image_;
      else
        params.seed = first_seed + image_;
      draw();
    }
    total_ = seconds_since(start);
  }

 private:
  void apply_loras() {
    bool entered = false;
    engine::apply_loras(model_->context, params.lora_list, model_->loras, [&](size_t done, size_t total) {
      if (!entered) enter(Phase::Load);
      entered = true;
      loaded_ = done;
      to_load_ = total;
    });
    clock_.leave();
  }

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

  // Weights that wait on the disk are read in each picture: when that fails, they are what to name.
  sd_image_t* generated() {
    try {
      sd_image_t* images = generate_image(model_->context, &params);
      if (images == nullptr) engine::fail_if_unusable();
      return images;
    } catch (const std::exception&) {
      engine::fail_if_unusable();
      throw;
    }
  }

  void draw() {
    pass_ = params.hires.enabled ? 1 : 0;
    enter(Phase::Encode);
    params.variation.width = static_cast<size_t>(params.width / 8);  // pixels of a latent's place
    params.variation.hires_width = static_cast<size_t>(params.hires.target_width / 8);
    engine::begin_picture(model_->context, params.variation);
    sd_image_t* images = generated();
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
  size_t loaded_ = 0;  // tensors, while LoRAs are merged
  size_t to_load_ = 0;
};

// The engine passes on one text: joins the CLIPs' and T5's, after a look at both, so that mistakes show before the job waits in line.
const char* join(Napi::Env env, const LoadedModel& model, params::Arena& arena, const char* path, const char* prompt, const char* t5_path,
                 const char* t5) {
  const std::string& joined = arena.strings.emplace_back(engine::join_prompts(prompt, t5));
  try {
    if (t5 != nullptr) {
      engine::check_prompt(model.context, engine::join_prompts(prompt, ""));
      path = t5_path;
    }
    engine::check_prompt(model.context, joined);
  } catch (const Failure& failure) {
    params::fail(env, path, failure.what());
  }
  return joined.c_str();
}

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
  if (params.mask_image.data != nullptr && params.hires.enabled && params.keep_unmasked) {
    params::fail(env, "hires", "expected keepUnmasked: false beside mask, as kept pixels cannot be put back at another size");
  }
  if (params.mask_feather < 0 || params.mask_feather > 65535) params::fail(env, "maskFeather", "expected 0 to 65535");
  if (params.strength < 0 || params.strength > 1) params::fail(env, "strength", "expected 0 to 1");
  if (params.variation.strength < 0 || params.variation.strength > 1) params::fail(env, "variationStrength", "expected 0 to 1");
}

}  // namespace

std::shared_ptr<Job> make_generate_job(const Napi::CallbackInfo& info, std::shared_ptr<LoadedModel> model) {
  const std::shared_ptr<LoadedModel> loaded = model;
  auto job = std::make_shared<GenerateJob>(Environment::of(info.Env()).channel(), std::move(model));
  params::read(params::generate_table(), params::options_of(info), job->params, job->params.arena);
  params::GenerateParams& p = job->params;
  p.prompt = join(info.Env(), *loaded, p.arena, "prompt", p.prompt, "t5Prompt", p.t5_prompt);
  p.negative_prompt = join(info.Env(), *loaded, p.arena, "negativePrompt", p.negative_prompt, "negativeT5Prompt", p.negative_t5_prompt);
  check_images(info.Env(), job->params);
  return job;
}

}  // namespace sdcpp
