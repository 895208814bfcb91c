#include "backends.h"

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "engine/modules.h"
#include "errors.h"
#include "ggml-alloc.h"
#include "ggml-cpp.h"
#include "job/environment.h"

namespace sdcpp {
namespace {

class LoadBackendJob final : public Job {
 public:
  LoadBackendJob(const std::shared_ptr<Channel>& channel, std::string path, std::string content)
      : Job(channel), path_(std::move(path)), content_(std::move(content)) {}
  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

 protected:
  void run() override { engine::load_module(path_, content_); }

 private:
  const std::string path_;
  const std::string content_;
};

constexpr int kSide = 64;

// Row by row; with an F16 operand, as that is how models are multiplied. Small integers are exact in F16, also their sums.
float left(int row, int column) { return static_cast<float>((row * 5 + column * 3) % 7 - 3); }
float right(int row, int column) { return static_cast<float>((row * 2 + column) % 5 - 2); }

float product(int row, int column) {
  float sum = 0;
  for (int i = 0; i < kSide; i++) sum += left(row, i) * right(column, i);
  return sum;
}

class TryDeviceJob final : public Job {
 public:
  TryDeviceJob(const std::shared_ptr<Channel>& channel, std::string name) : Job(channel), name_(std::move(name)) {}
  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

 protected:
  void run() override {
    ggml_backend_dev_t device = ggml_backend_dev_by_name(name_.c_str());
    if (device == nullptr) fail("is not there");
    const ggml_backend_ptr backend(ggml_backend_dev_init(device, nullptr));
    if (!backend) fail("could not be initialized");
    const ggml_context_ptr context(ggml_init({ggml_tensor_overhead() * 8 + ggml_graph_overhead(), nullptr, true}));
    ggml_tensor* a = ggml_new_tensor_2d(context.get(), GGML_TYPE_F16, kSide, kSide);
    ggml_tensor* b = ggml_new_tensor_2d(context.get(), GGML_TYPE_F32, kSide, kSide);
    ggml_tensor* c = ggml_mul_mat(context.get(), a, b);
    ggml_cgraph* graph = ggml_new_graph(context.get());
    ggml_build_forward_expand(graph, c);
    const ggml_backend_buffer_ptr buffer(ggml_backend_alloc_ctx_tensors(context.get(), backend.get()));
    if (!buffer) fail("has no memory");
    std::vector<ggml_fp16_t> rows(kSide * kSide);
    std::vector<float> columns(kSide * kSide), result(kSide * kSide);
    for (int i = 0; i < kSide * kSide; i++) {
      rows[i] = ggml_fp32_to_fp16(left(i / kSide, i % kSide));
      columns[i] = right(i / kSide, i % kSide);
    }
    ggml_backend_tensor_set(a, rows.data(), 0, ggml_nbytes(a));
    ggml_backend_tensor_set(b, columns.data(), 0, ggml_nbytes(b));
    if (ggml_backend_graph_compute(backend.get(), graph) != GGML_STATUS_SUCCESS) fail("failed to compute");
    ggml_backend_tensor_get(c, result.data(), 0, ggml_nbytes(c));
    for (int i = 0; i < kSide * kSide; i++) {
      if (!(std::fabs(result[i] - product(i % kSide, i / kSide)) < 0.5f)) fail("computes wrongly");
    }
  }

 private:
  [[noreturn]] void fail(const char* what) const { throw Failure(code::Generation, name_ + " " + what); }
  const std::string name_;
};

std::string name_of(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) throw Napi::TypeError::New(info.Env(), "expected a string");
  return info[0].As<Napi::String>();
}

}  // namespace

Napi::Value load_backend(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  std::string content;
  if (info[1].IsTypedArray()) {
    const auto bytes = info[1].As<Napi::Uint8Array>();
    content.assign(reinterpret_cast<const char*>(bytes.Data()), bytes.ByteLength());
  }
  return environment.start(info.Env(), std::make_shared<LoadBackendJob>(environment.channel(), name_of(info), std::move(content)),
                           Napi::Value());
}

Napi::Value try_device(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  return environment.start(info.Env(), std::make_shared<TryDeviceJob>(environment.channel(), name_of(info)), Napi::Value());
}

}  // namespace sdcpp
