#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "stable-diffusion.h"

// What the engine's C API lacks. Nothing here names an engine class: the definitions live in extension.cc, the unit that
// takes the place of the engine's src/stable-diffusion.cpp.
namespace sdcpp::engine {

struct Part {
  uint64_t bytes = 0;
  uint64_t parameters = 0;
};

// What the loaded tensors say about a model.
struct ModelInfo {
  std::string architecture;
  int64_t depth = 0;
  int64_t hidden_size = 0;
  int64_t dual_attention_blocks = 0;
  int64_t positions = 0;
  std::map<std::string, Part> parts;
  std::string diffusion_device, text_device, vae_device;
};

struct LoadOptions {
  const char* plans = nullptr;  // see plan.h
  size_t prompt_cache = 0;      // prompts whose encoding is kept
  // Called before each group of tensors is read: how many of all have been read.
  std::function<void(size_t done, size_t total)> on_group;
};

struct TokenCount {
  std::string encoder;  // as in ModelInfo::parts
  size_t tokens = 0;    // without begin, end and padding
  size_t chunks = 0;    // that this encoder alone needs
};

struct TokenCounts {
  std::vector<TokenCount> encoders;  // those that are loaded
  size_t chunks = 0;                 // that the prompt takes: every encoder gets as many
};

// What the tokens of a prompt (see join_prompts in prompt.h) are for the loaded encoders. Any thread that knows the context
// to be alive, also while a picture is drawn. Throws Failure for a prompt that cannot be read.
TokenCounts count_tokens(const sd_ctx_t* context, const std::string& prompt);

// Throws a Failure when the prompt cannot be read or takes too many chunks. From any thread, as count_tokens().
void check_prompt(const sd_ctx_t* context, const std::string& prompt);

// Like new_sd_ctx, but when it returns the weights are in memory, the prompts are conditioned by our own conditioner,
// and whatever is wrong with the files has been thrown as a Failure.
sd_ctx_t* load(const sd_ctx_params_t& params, const LoadOptions& options, ModelInfo& info);

// Throws the Failure that names a tensor with NaN or infinite numbers, if one has been read since the last load or failure. Engine thread.
void fail_if_unusable();

// The LoRAs that a context's weights have now.
struct LoraState {
  std::string set;       // their paths, weights, and the files' sizes and times
  bool plain = false;    // weights that are repacked otherwise are in plain order, for a LoRA that needs them so
  bool known = true;     // false while weights are being changed, and when that failed
  bool fragile = false;  // they are merged again in each step, so that a run which fails may leave a weight half changed
};

// Whether a run's LoRAs have to be merged into the weights first, or others taken out. Throws a Failure when a file is not there.
bool must_merge(sd_ctx_t* context, const sd_img_gen_params_t& params, const LoraState& state);

// Checks the LoRAs of a run against the model and applies those that are merged into the weights, so that generate_image finds nothing to
// read. Weights that had others, or are in another order than these need, are read from their files again: `on_group` is as in LoadOptions.
void apply_loras(sd_ctx_t* context, const sd_img_gen_params_t& params, LoraState& state,
                 const std::function<void(size_t done, size_t total)>& on_group);

}  // namespace sdcpp::engine
