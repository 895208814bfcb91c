#include "loaded_model.h"

#include "allocator.h"
#include "job/queue.h"

namespace sdcpp {
namespace {

void free_context(sd_ctx_t* context) {
  free_sd_ctx(context);
  trim_allocator();
}

}  // namespace

LoadedModel::~LoadedModel() {
  if (context != nullptr) Queue::between_jobs([context = context] { free_context(context); });
}

void LoadedModel::free() {
  if (context != nullptr) free_context(context);
  context = nullptr;
}

}  // namespace sdcpp
