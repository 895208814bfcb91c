#include "devices.h"

#include <string>
#include <vector>

#include "ggml-backend.h"
#include "job/environment.h"

namespace sdcpp {
namespace {

struct Device {
  std::string name, description, backend;
  const char* type;
  size_t memory_free, memory_total;
};

const char* type_name(enum ggml_backend_dev_type type) {
  switch (type) {
    case GGML_BACKEND_DEVICE_TYPE_CPU: return "cpu";
    case GGML_BACKEND_DEVICE_TYPE_GPU: return "gpu";
    case GGML_BACKEND_DEVICE_TYPE_IGPU: return "igpu";
    default: return "accel";
  }
}

class DevicesJob final : public Job {
 public:
  using Job::Job;

  Napi::Value result(Napi::Env env) override {
    Napi::Array list = Napi::Array::New(env, devices_.size());
    for (uint32_t i = 0; i < devices_.size(); i++) {
      const Device& device = devices_[i];
      Napi::Object row = Napi::Object::New(env);
      row["name"] = device.name;
      row["description"] = device.description;
      row["type"] = device.type;
      row["backend"] = device.backend;
      row["memoryFree"] = static_cast<double>(device.memory_free);
      row["memoryTotal"] = static_cast<double>(device.memory_total);
      list[i] = row;
    }
    return list;
  }

 protected:
  void run() override {
    for (size_t i = 0; i < ggml_backend_dev_count(); i++) {
      ggml_backend_dev_t dev = ggml_backend_dev_get(i);
      Device device{ggml_backend_dev_name(dev),
                    ggml_backend_dev_description(dev),
                    ggml_backend_reg_name(ggml_backend_dev_backend_reg(dev)),
                    type_name(ggml_backend_dev_type(dev)),
                    0,
                    0};
      ggml_backend_dev_memory(dev, &device.memory_free, &device.memory_total);
      devices_.push_back(std::move(device));
    }
  }

 private:
  std::vector<Device> devices_;
};

}  // namespace

Napi::Value devices(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  return environment.start(info.Env(), std::make_shared<DevicesJob>(environment.channel()), Napi::Value());
}

}  // namespace sdcpp
