#pragma once
#include <napi.h>

#include <memory>

#include "job/job.h"
#include "loaded_model.h"

namespace sdcpp {

// A job that encodes a prompt (and T5's own text), and resolves with what the diffusion model would read: { context, pooled } as
// Float32Arrays. For tests: pictures do it themselves.
std::shared_ptr<Job> make_encode_job(const Napi::CallbackInfo& info, std::shared_ptr<LoadedModel> model);

}  // namespace sdcpp
