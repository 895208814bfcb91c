#include "encode.h"

#include <algorithm>
#include <utility>

#include "engine/prompt.h"
#include "job/environment.h"
#include "params/table.h"

namespace sdcpp {
namespace {

class EncodeJob final : public Job {
 public:
  EncodeJob(std::shared_ptr<Channel> channel, std::shared_ptr<LoadedModel> model, std::string text)
      : Job(std::move(channel)), model_(std::move(model)), text_(std::move(text)) {}

  Napi::Value result(Napi::Env env) override {
    const auto array = [&](const std::vector<float>& numbers) {
      Napi::Float32Array copy = Napi::Float32Array::New(env, numbers.size());
      std::copy(numbers.begin(), numbers.end(), copy.Data());
      return copy;
    };
    Napi::Object object = Napi::Object::New(env);
    object["context"] = array(encoded_.context);
    object["pooled"] = array(encoded_.pooled);
    return object;
  }

 protected:
  void run() override {
    if (model_->context == nullptr) throw Failure(code::Disposed, "the model has been disposed");
    encoded_ = engine::encode(model_->context, text_);
  }

 private:
  const std::shared_ptr<LoadedModel> model_;
  const std::string text_;
  engine::Encoded encoded_;
};

}  // namespace

std::shared_ptr<Job> make_encode_job(const Napi::CallbackInfo& info, std::shared_ptr<LoadedModel> model) {
  params::Arena arena;
  const char* prompt = params::read_string(info[0], "prompt", arena);
  const char* t5 = info[1].IsUndefined() ? nullptr : params::read_string(info[1], "t5Prompt", arena);
  return std::make_shared<EncodeJob>(Environment::of(info.Env()).channel(), std::move(model), engine::join_prompts(prompt, t5));
}

}  // namespace sdcpp
