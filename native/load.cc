#include "load.h"

#include <algorithm>

#include "job/environment.h"
#include "job/phased_job.h"
#include "model.h"
#include "params/model.h"

namespace sdcpp {
namespace {

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
    options.plans = params.plans;
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

}  // namespace

Napi::Value load(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  auto job = std::make_shared<LoadJob>(environment.channel());
  params::read(params::model_table(), params::options_of(info), job->params, job->params.arena);
  return environment.start(info.Env(), job, info[1]);
}

}  // namespace sdcpp
