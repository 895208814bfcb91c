#include "engine/modules.h"

#ifdef GGML_BACKEND_DL
#include <algorithm>
#include <filesystem>
#include <mutex>
#include <set>
#include <stdexcept>

#include "ggml-backend-impl.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif
#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#endif

namespace sdcpp::engine {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  const auto text = path.u8string();
  return {text.begin(), text.end()};
}

// ggml's own loader looks in the executable's and the working directory for names that other packages use too.
#ifdef _WIN32
using Library = HMODULE;

Library open(const fs::path& path) {
  // Of what it needs itself, only what is beside it or belongs to the system.
  const DWORD places = LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_SYSTEM32;
  Library library = LoadLibraryExW(path.c_str(), nullptr, places);
  if (library == nullptr) throw std::runtime_error(text_of(path) + " could not be loaded: error " + std::to_string(GetLastError()));
  return library;
}

void* symbol(Library library, const char* name) { return reinterpret_cast<void*>(GetProcAddress(library, name)); }

fs::path addon_folder() {
  Library self = nullptr;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                     reinterpret_cast<LPCWSTR>(&addon_folder), &self);
  std::wstring path(32768, L'\0');
  path.resize(GetModuleFileNameW(self, path.data(), static_cast<DWORD>(path.size())));
  return fs::path(path).parent_path();
}
#else
using Library = void*;

Library open(const fs::path& path) {
  Library library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error(dlerror());
  return library;
}

void* symbol(Library library, const char* name) { return dlsym(library, name); }

fs::path addon_folder() {
  Dl_info self{};
  dladdr(reinterpret_cast<const void*>(&addon_folder), &self);
  return fs::path(self.dli_fname).parent_path();
}
#endif

#ifdef __linux__
// A file that is in memory alone, so that a compressed library needs no place to be written to.
Library open_content(const std::string& path, const std::string& content) {
  const int file = memfd_create("sdcpp-ggml", MFD_CLOEXEC);
  if (file < 0) throw std::runtime_error(path + " could not be expanded: " + std::strerror(errno));
  struct Closed {
    int file;
    ~Closed() { ::close(file); }
  } closed{file};
  for (size_t done = 0; done < content.size();) {
    const ssize_t written = write(file, content.data() + done, content.size() - done);
    if (written < 0 && errno != EINTR) throw std::runtime_error(path + " could not be expanded: " + std::strerror(errno));
    if (written > 0) done += static_cast<size_t>(written);
  }
  return open("/proc/self/fd/" + std::to_string(file));
}
#else
Library open_content(const std::string& path, const std::string&) { throw std::runtime_error(path + " cannot be expanded on this system"); }
#endif

// The libraries stay until the process ends: ggml cannot let go of a backend.
ggml_backend_reg_t add(const fs::path& path, Library library) {
  const auto init = reinterpret_cast<ggml_backend_init_t>(symbol(library, "ggml_backend_init"));
  ggml_backend_reg_t backend = init != nullptr ? init() : nullptr;
  if (backend == nullptr) throw std::runtime_error(text_of(path) + " has no backend that works here");
  if (backend->api_version != GGML_BACKEND_API_VERSION) throw std::runtime_error(text_of(path) + " is of another version of this package");
  ggml_backend_register(backend);
  return backend;
}

constexpr const char* kCpuPrefix = "sdcpp-ggml-cpu-";

// "libsdcpp-ggml-cpu-haswell.so" → "haswell"; empty for other files.
std::string variant_of(const fs::path& path) {
  const std::string stem = text_of(path.stem());
  const size_t at = stem.find(kCpuPrefix);
  if (at == std::string::npos || at > 3) return {};
  return stem.substr(at + std::string(kCpuPrefix).size());
}

struct Variant {
  std::string name;
  fs::path path;
  Library library = nullptr;
  int score = 0;
};

Variant chosen;

// 0 when this processor, or this system, cannot run it.
int score_of(Library library) {
  const auto score = reinterpret_cast<ggml_backend_score_t>(symbol(library, "ggml_backend_score"));
  return score != nullptr ? score() : 1;
}

// Those that are not chosen stay open too: their C++ runtime has exit handlers, which must find their code.
Variant best_variant(const fs::path& folder) {
  Variant best;
  std::string broken;
  for (const auto& entry : fs::directory_iterator(folder)) {
    Variant variant{variant_of(entry.path()), entry.path()};
    if (variant.name.empty()) continue;
    try {
      variant.library = open(variant.path);
    } catch (const std::runtime_error& error) {
      broken = error.what();
      continue;
    }
    variant.score = score_of(variant.library);
    if (variant.score > best.score) best = std::move(variant);
  }
  if (best.score > 0) return best;
  throw std::runtime_error("no CPU variant in " + text_of(folder) + " runs on this processor" + (broken.empty() ? "" : ": " + broken));
}

}  // namespace

void load_cpu_variant() {
  static const bool once = [] {
    chosen = best_variant(addon_folder());
    add(chosen.path, chosen.library);
    return true;
  }();
  (void)once;
}

const std::string& cpu_variant() { return chosen.name; }

void load_module(const std::string& path, const std::string& content) {
  static std::set<std::string> loaded;
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  if (loaded.count(path) != 0) return;
  const fs::path file = fs::u8path(path);
  add(file, content.empty() ? open(file) : open_content(path, content));
  loaded.insert(path);
}

ggml_cplan graph_plan(const ggml_cgraph* graph, int threads) {
  static const auto plan = reinterpret_cast<decltype(&ggml_graph_plan)>(symbol(chosen.library, "ggml_graph_plan"));
  if (plan == nullptr) throw std::runtime_error("ggml_graph_plan is missing in " + text_of(chosen.path));
  return plan(graph, threads, nullptr);
}

}  // namespace sdcpp::engine

#else

#include <stdexcept>

namespace sdcpp::engine {

void load_cpu_variant() {}

const std::string& cpu_variant() {
  static const std::string none;
  return none;
}

void load_module(const std::string& path, const std::string&) { throw std::runtime_error(path + ": this build has its backends within"); }

ggml_cplan graph_plan(const ggml_cgraph* graph, int threads) { return ggml_graph_plan(graph, threads, nullptr); }

}  // namespace sdcpp::engine
#endif
