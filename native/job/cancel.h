#pragma once
#include <atomic>

namespace sdcpp {

// Names the flag that stops what this thread is doing, for as long as the scope lives.
class CancelScope {
 public:
  explicit CancelScope(const std::atomic<bool>& flag);
  ~CancelScope();
  CancelScope(const CancelScope&) = delete;
  CancelScope& operator=(const CancelScope&) = delete;
};

// The flag of the innermost scope on this thread, or null.
const std::atomic<bool>* cancel_flag();

// Throws Cancelled when the flag of this thread is set. Never call it while the engine holds joinable threads (its
// loader): there only sdcpp_cancel_requested() may be asked.
void throw_if_cancelled();

}  // namespace sdcpp

// For the engine's loader (engine/patches/02-load-cancel.patch).
bool sdcpp_cancel_requested();
