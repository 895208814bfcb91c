#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "stable-diffusion.h"

namespace sdcpp::engine {

struct ConvertRequest {
  std::string input, vae, output;
  sd_type_t type = SD_TYPE_COUNT;
  const char* plans = nullptr;  // see plan.h
  std::string rules;            // "regex=type,…"; the first that matches a tensor's name decides
  int threads = 0;              // 0 = physical cores
  // Called before each group of tensors is read: how many of all have been written.
  std::function<void(size_t done, size_t total)> on_group;
};

struct Converted {
  uint64_t bytes = 0;
  std::map<std::string, size_t> tensors;  // how many of each type
};

// Writes the tensors of `input` (and of `vae` in the place of its own VAE) to a GGUF file. Unlike the engine's convert() it holds one
// group of tensors in memory instead of the whole file, keeps the metadata, and does not quantize what pictures depend on.
// What is wrong with the files is thrown as a Failure; the output is then left unfinished.
Converted convert(const ConvertRequest& request);

}  // namespace sdcpp::engine
