#include "pin.h"

#ifdef _WIN32
#include <windows.h>

void sdcpp::stay_loaded() {
  HMODULE self = nullptr;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, reinterpret_cast<LPCWSTR>(&sdcpp::stay_loaded),
                     &self);
}
#else
#include <dlfcn.h>

void sdcpp::stay_loaded() {
  Dl_info self{};
  if (dladdr(reinterpret_cast<void*>(&sdcpp::stay_loaded), &self) != 0) dlopen(self.dli_fname, RTLD_LAZY | RTLD_NODELETE);
}
#endif
