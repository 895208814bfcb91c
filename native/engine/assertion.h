#pragma once
#include <stdexcept>

namespace sdcpp {

// A failed GGML_ASSERT on the engine thread; what() is "file:line: text".
class EngineAssertion : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace sdcpp
