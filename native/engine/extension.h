#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/lora/selection.h"
#include "engine/numbers.h"
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
  std::string encoder;   // as in ModelInfo::parts
  size_t tokens = 0;     // without begin, end and padding
  size_t chunks = 0;     // that it reads one by one
  size_t positions = 0;  // with begin, end and padding: what it takes of the diffusion model's attention
};

struct TokenCounts {
  std::vector<TokenCount> encoders;  // those that are loaded
  size_t chunks = 0;                 // of 77 positions: what the encoder with the most takes
};

// What an encoder reads, all chunks in a row, with begin, end and padding.
struct EncoderTokens {
  std::string encoder;
  std::vector<int> ids;
  std::vector<float> weights;
};

// What the tokens of a prompt (see join_prompts in prompt.h) are for the loaded encoders. Any thread that knows the context
// to be alive, also while a picture is drawn. Throws Failure for a prompt that cannot be read.
TokenCounts count_tokens(const sd_ctx_t* context, const std::string& prompt);

// The tokens themselves; as count_tokens().
std::vector<EncoderTokens> tokens_of(const sd_ctx_t* context, const std::string& prompt);

// What the diffusion model reads of a prompt.
struct Encoded {
  std::vector<float> context;  // [positions, 4096]: the CLIPs', then T5's
  std::vector<float> pooled;   // 768 of CLIP-L, 1280 of CLIP-G
};

// Engine thread, within a job. Throws a Failure as check_prompt does.
Encoded encode(sd_ctx_t* context, const std::string& prompt);

// Throws a Failure when the prompt cannot be read or is too long. From any thread, as count_tokens().
void check_prompt(const sd_ctx_t* context, const std::string& prompt);

// Like new_sd_ctx, but when it returns the weights are in memory, the prompts are conditioned by our own conditioner,
// and whatever is wrong with the files has been thrown as a Failure.
sd_ctx_t* load(const sd_ctx_params_t& params, const LoadOptions& options, ModelInfo& info);

// Throws the Failure that names a tensor with NaN or infinite numbers, if one has been read since the last load or failure. Engine thread.
void fail_if_unusable();

// Before each generate_image.
void begin_picture(sd_ctx_t* context, const Variation& variation);

// The LoRAs that a context has now.
struct LoraState {
  std::string set;    // their paths, weights, plans, and the files' sizes and times
  bool known = true;  // false while weights are being changed, and when that failed
};

// Checks the LoRAs of a run against the model and applies them, so that generate_image, which gets none, finds nothing to read. When others
// are to be merged into the weights than before, these are read from their files again: `on_group` is as in LoadOptions.
void apply_loras(sd_ctx_t* context, const std::vector<lora::Request>& requests, LoraState& state,
                 const std::function<void(size_t done, size_t total)>& on_group);

}  // namespace sdcpp::engine
