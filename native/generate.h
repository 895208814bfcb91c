#pragma once
#include <memory>

#include "job/job.h"
#include "loaded_model.h"

namespace sdcpp {

// A job that draws the pictures which generate()'s first argument describes, and resolves with its timings.
// Throws (to JavaScript) what the params table refuses.
std::shared_ptr<Job> make_generate_job(const Napi::CallbackInfo& info, std::shared_ptr<LoadedModel> model);

}  // namespace sdcpp
