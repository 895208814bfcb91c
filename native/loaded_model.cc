#include "loaded_model.h"

#include "job/queue.h"

namespace sdcpp {

LoadedModel::~LoadedModel() {
  if (context != nullptr) Queue::between_jobs([context = context] { free_sd_ctx(context); });
}

void LoadedModel::free() {
  if (context != nullptr) free_sd_ctx(context);
  context = nullptr;
}

}  // namespace sdcpp
