#pragma once
#include <memory>
#include <vector>

#include "engine/sources.h"

namespace sdcpp::engine {

// Checkpoints that the engine is to see as lib/checkpoint/plan.ts says: while it lives, paths that a plan is for open as that plan. What
// was opened stays readable afterwards. Made and ended on the engine thread.
class Plans {
 public:
  // `json`: plans by path, as `planModel` writes them; null or "" for none. Throws a Failure for one that cannot be done: bytes outside of
  // a file, pieces that do not make up the tensor, types that nothing converts.
  explicit Plans(const char* json);

 private:
  std::vector<std::unique_ptr<ListedFile>> listed_;
};

}  // namespace sdcpp::engine
