#include "job/cancel.h"

#include "errors.h"

namespace sdcpp {
namespace {
thread_local const std::atomic<bool>* current = nullptr;
}

CancelScope::CancelScope(const std::atomic<bool>& flag) { current = &flag; }
CancelScope::~CancelScope() { current = nullptr; }

const std::atomic<bool>* cancel_flag() { return current; }

void throw_if_cancelled() {
  if (sdcpp_cancel_requested()) throw Cancelled{};
}

}  // namespace sdcpp

bool sdcpp_cancel_requested() { return sdcpp::current != nullptr && sdcpp::current->load(std::memory_order_relaxed); }
