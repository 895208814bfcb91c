#include "convert.h"

#include "engine/convert.h"
#include "job/environment.h"
#include "job/phased_job.h"
#include "params/convert.h"

namespace sdcpp {
namespace {

class ConvertJob final : public PhasedJob {
 public:
  using PhasedJob::PhasedJob;
  params::ConvertParams params;

  void on_progress(int step, int) override { progress(static_cast<int>(done_) + step, static_cast<int>(total_)); }

  Napi::Value result(Napi::Env env) override {
    Napi::Object object = Napi::Object::New(env);
    object["bytes"] = static_cast<double>(converted_.bytes);
    Napi::Object tensors = Napi::Object::New(env);
    for (const auto& [type, count] : converted_.tensors) tensors[type] = static_cast<double>(count);
    object["tensors"] = tensors;
    return object;
  }

 protected:
  void run() override {
    enter(Phase::Convert);
    const auto text = [](const char* given) { return std::string(given != nullptr ? given : ""); };
    engine::ConvertRequest request;
    request.input = text(params.input);
    request.output = text(params.output);
    request.vae = text(params.vae);
    request.rules = text(params.rules);
    request.plans = params.plans;
    request.type = params.type;
    request.threads = params.threads;
    request.on_group = [this](size_t done, size_t total) {
      done_ = done;
      total_ = total;
    };
    converted_ = engine::convert(request);
  }

  const char* failure_code() const override { return code::ModelFile; }

 private:
  size_t done_ = 0;
  size_t total_ = 0;
  engine::Converted converted_;
};

}  // namespace

Napi::Value convert(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  auto job = std::make_shared<ConvertJob>(environment.channel());
  params::read(params::convert_table(), params::options_of(info), job->params, job->params.arena);
  return environment.start(info.Env(), job, info[1]);
}

}  // namespace sdcpp
