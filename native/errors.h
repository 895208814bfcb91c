#pragma once
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sdcpp {

// The codes that lib/errors.ts turns into classes.
namespace code {
inline constexpr const char* Cancelled = "ERR_CANCELLED";
inline constexpr const char* InvalidOption = "ERR_INVALID_OPTION";
inline constexpr const char* ModelFile = "ERR_MODEL_FILE";
inline constexpr const char* MissingComponent = "ERR_MISSING_COMPONENT";
inline constexpr const char* UnsupportedModel = "ERR_UNSUPPORTED_MODEL";
inline constexpr const char* InsufficientMemory = "ERR_INSUFFICIENT_MEMORY";
inline constexpr const char* Generation = "ERR_GENERATION";
inline constexpr const char* EngineAssertion = "ERR_ENGINE_ASSERTION";
inline constexpr const char* Disposed = "ERR_DISPOSED";
}  // namespace code

// A failure with a code. Free of N-API, so that the engine's extension can throw it too.
class Failure : public std::runtime_error {
 public:
  Failure(const char* code, const std::string& message) : std::runtime_error(message), code(code) {}
  const char* code;
};

// Thrown on the engine thread when the running job has been cancelled. Not a std::exception: nothing in the engine
// that catches those may take it for a failure of its own.
struct Cancelled {};

// A failed job as JavaScript will see it.
struct ErrorReport {
  const char* code;
  std::string message;
  std::vector<std::string> log;  // the engine's last warnings and errors
};

}  // namespace sdcpp
