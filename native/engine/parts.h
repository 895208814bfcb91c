#pragma once
#include <string>
#include <vector>

#include "model_loader.h"
#include "stable-diffusion.h"

namespace sdcpp::engine {

// A part of a model that can come from a file of its own.
struct PartFile {
  const char* name;         // in ModelInfo, and of its option but for "diffusion"
  const char* path;         // null or empty when not given
  const char* file_prefix;  // what the engine puts before the names of the file's tensors
  const char* prefix;       // what they begin with when the engine has converted the names
};

std::vector<PartFile> part_files(const sd_ctx_params_t& params);

// Whether an option that names a file was given.
bool given(const char* path);

// Throw a Failure that says which file could not be read, what else the files are, or which part is missing. `unread` are the names of
// the parts whose files the engine could not read, as far as it tells.
void check_files(const ModelLoader& loader, const sd_ctx_params_t& params, const std::vector<std::string>& unread);
void check_parts(ModelLoader& loader, const sd_ctx_params_t& params);

// Throws the Failure for a `backend` that the engine does not know.
[[noreturn]] void fail_backend();

}  // namespace sdcpp::engine
