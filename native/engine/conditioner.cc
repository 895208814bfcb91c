#include "engine/conditioner.h"

#include <algorithm>
#include <array>
#include <list>
#include <utility>

#include "engine/clip.h"
#include "engine/prompt.h"
#include "engine/tokens.h"
#include "errors.h"
#include "job/cancel.h"

namespace sdcpp::engine {
namespace {

constexpr int64_t kClipL = 768;  // hidden sizes fixed by SD3
constexpr int64_t kClipG = 1280;
constexpr int64_t kContext = 4096;   // T5's width, to which the CLIPs' states are padded
constexpr int kDefaultClipSkip = 2;  // SD3 reads the CLIPs' last layer but one

// Attention over the text and memory grow with the square of these.
constexpr size_t kMaxChunks = 16;
constexpr size_t kMaxT5 = kMaxChunks * kChunk;
constexpr size_t kTrainedT5 = 256;  // Stable Diffusion 3.5's model cards: T5 with 77 and 256 tokens "at different stages of training"

// Our name of each encoder, in the order of SD3CLIPEmbedder::tokenize.
constexpr size_t kEncoders = 3;
constexpr size_t kT5 = 2;
constexpr const char* kNames[kEncoders] = {"clipL", "clipG", "t5xxl"};

// What each encoder reads, chunk by chunk; T5 one. None for an encoder that is not loaded.
using Read = std::array<std::vector<Tokens>, kEncoders>;

size_t positions_of(const std::vector<Tokens>& chunks) {
  size_t sum = 0;
  for (const Tokens& chunk : chunks) sum += chunk.ids.size();
  return sum;
}

bool weighted(const std::vector<Tokens>& chunks) {
  return std::any_of(chunks.begin(), chunks.end(), [](const Tokens& chunk) {
    return std::any_of(chunk.weights.begin(), chunk.weights.end(), [](float weight) { return weight != 1.0f; });
  });
}

// As ComfyUI: a weight moves a token's state away from what an empty text has in its place, or towards it.
void weigh(sd::Tensor<float>& states, const Tokens& tokens, const sd::Tensor<float>& empty) {
  const size_t width = static_cast<size_t>(states.shape()[0]);
  for (size_t token = 0; token < tokens.weights.size(); token++) {
    const float weight = tokens.weights[token];
    if (weight == 1.0f) continue;
    float* state = states.data() + token * width;
    const float* origin = empty.data() + token * width;
    for (size_t i = 0; i < width; i++) state[i] = (state[i] - origin[i]) * weight + origin[i];
  }
}

sd::Tensor<float> require(sd::Tensor<float> states, const char* encoder) {
  if (states.empty()) throw_if_cancelled();  // while its weights were read
  if (states.empty()) throw Failure(code::Generation, std::string("the text encoder ") + encoder + " failed");
  return states;
}

class Sd3Conditioner final : public TextConditioner {
 public:
  Sd3Conditioner(std::shared_ptr<SD3CLIPEmbedder> encoders, size_t capacity) : encoders_(std::move(encoders)), capacity_(capacity) {
    encoders_->get_param_tensors(tensors_);
  }

  SDCondition get_learned_condition(int n_threads, const ConditionerParams& params) override {
    throw_if_cancelled();
    const Key key{params.text, params.clip_skip > 0 ? params.clip_skip : kDefaultClipSkip};
    const auto hit = std::find_if(cache_.begin(), cache_.end(), [&](const auto& entry) { return entry.first == key; });
    if (hit != cache_.end()) {
      cache_.splice(cache_.begin(), cache_, hit);
      return hit->second;
    }
    SDCondition condition = encode(n_threads, key.first, key.second);
    if (capacity_ > 0) {
      cache_.emplace_front(key, condition);
      if (cache_.size() > capacity_) cache_.pop_back();
    }
    return condition;
  }

  void get_param_tensors(std::map<std::string, ggml_tensor*>& tensors) override { tensors.insert(tensors_.begin(), tensors_.end()); }
  TokenCounts count(const std::string& text) const override {
    TokenCounts counts;
    const Read read = read_by_encoders(text);
    for (size_t encoder = 0; encoder < kEncoders; encoder++) {
      if (!loaded(encoder)) continue;
      TokenCount own{kNames[encoder], 0, read[encoder].size(), positions_of(read[encoder])};
      for (const Tokens& chunk : read[encoder]) own.tokens += chunk.text;
      counts.encoders.push_back(own);
      counts.chunks = std::max(counts.chunks, (own.positions + kChunk - 1) / kChunk);
    }
    return counts;
  }

  std::vector<EncoderTokens> tokens(const std::string& text) const override {
    std::vector<EncoderTokens> result;
    const Read read = read_by_encoders(text);
    for (size_t encoder = 0; encoder < kEncoders; encoder++) {
      if (!loaded(encoder)) continue;
      EncoderTokens own{kNames[encoder], {}, {}};
      for (const Tokens& chunk : read[encoder]) {
        own.ids.insert(own.ids.end(), chunk.ids.begin(), chunk.ids.end());
        own.weights.insert(own.weights.end(), chunk.weights.begin(), chunk.weights.end());
      }
      result.push_back(std::move(own));
    }
    return result;
  }

  void check(const std::string& text) const override { check_length(read_by_encoders(text)); }

  void set_max_graph_vram_bytes(size_t bytes) override { encoders_->set_max_graph_vram_bytes(bytes); }
  void set_stream_layers_enabled(bool enabled) override { encoders_->set_stream_layers_enabled(enabled); }
  void set_flash_attention_enabled(bool enabled) override { encoders_->set_flash_attention_enabled(enabled); }
  void set_weight_adapter(const std::shared_ptr<WeightAdapter>& adapter) override { encoders_->set_weight_adapter(adapter); }
  void runner_done() override { encoders_->runner_done(); }

  void set_scope(const std::string& scope) {
    if (scope != scope_) {
      cache_.clear();
      empties_ = {};
    }
    scope_ = scope;
  }

 private:
  using Key = std::pair<std::string, int>;  // both prompts, joined; clip skip

  // An empty text's states, the last that were asked for.
  struct Empty {
    size_t length = 0;
    int clip_skip = 0;
    sd::Tensor<float> states;
  };

  static void check_length(const Read& read) {
    const auto refuse = [](const std::string& got, size_t most) {
      throw Failure(code::InvalidOption,
                    "the text takes " + got + ", expected at most " + std::to_string(most) + "; model.countTokens() counts them");
    };
    const size_t chunks = std::max(read[0].size(), read[1].size());
    if (chunks > kMaxChunks) refuse(std::to_string(chunks) + " chunks of " + std::to_string(kChunk) + " tokens", kMaxChunks);
    const size_t t5 = positions_of(read[kT5]);
    if (t5 > kMaxT5) refuse(std::to_string(t5) + " tokens of T5 with the end", kMaxT5);
  }

  bool loaded(size_t encoder) const {
    const bool has[kEncoders] = {encoders_->clip_l != nullptr, encoders_->clip_g != nullptr, encoders_->t5 != nullptr};
    return has[encoder];
  }

  Read read_by_encoders(const std::string& text) const {
    const PromptPair prompts = split_prompts(text);
    const std::vector<Segment> clip = parse_prompt(prompts.clip);
    Read read;
    if (loaded(0)) read[0] = clip_chunks(encoders_->clip_l_tokenizer, clip);
    if (loaded(1)) read[1] = clip_chunks(encoders_->clip_g_tokenizer, clip);
    if (loaded(kT5)) read[kT5] = {t5_text(encoders_->t5_tokenizer, parse_prompt(prompts.t5))};
    return read;
  }

  // Hidden states [1, tokens, width] of what an encoder reads at once; `pooled`, of a CLIP's first chunk, is filled if it is wanted.
  sd::Tensor<float> run(size_t encoder, const Tokens& tokens, int n_threads, int clip_skip, sd::Tensor<float>* pooled) {
    const sd::Tensor<int32_t> ids({static_cast<int64_t>(tokens.ids.size())}, std::vector<int32_t>(tokens.ids.begin(), tokens.ids.end()));
    if (encoder == kT5) {
      return require(encoders_->t5->compute(n_threads, ids, sd::Tensor<float>(), false, true, true), kNames[encoder]);
    }
    CLIPTextModelRunner& runner = *(encoder == 0 ? encoders_->clip_l : encoders_->clip_g);
    if (pooled == nullptr) {
      return require(runner.compute(n_threads, ids, 0, nullptr, 0, false, clip_skip, false, true, true), kNames[encoder]);
    }
    const auto eos = std::find(tokens.ids.begin(), tokens.ids.end(), encoders_->clip_l_tokenizer.EOS_TOKEN_ID);
    ClipOutput output = compute_clip(runner, n_threads, ids, static_cast<size_t>(eos - tokens.ids.begin()), clip_skip);
    *pooled = std::move(output.pooled);
    return require(std::move(output.hidden), kNames[encoder]);
  }

  const sd::Tensor<float>& empty(size_t encoder, size_t length, int n_threads, int clip_skip) {
    Empty& known = empties_[encoder];
    if (known.states.empty() || known.length != length || known.clip_skip != clip_skip) {
      const Tokens tokens = encoder == kT5 ? empty_text(encoders_->t5_tokenizer, length)
                            : encoder == 0 ? empty_text(encoders_->clip_l_tokenizer)
                                           : empty_text(encoders_->clip_g_tokenizer);
      known = {length, clip_skip, run(encoder, tokens, n_threads, clip_skip, nullptr)};
    }
    return known.states;
  }

  // Of all chunks in a row; zeros of `chunks` for an encoder that is not loaded. A CLIP's `pooled` comes from the first one.
  sd::Tensor<float> states_of(size_t encoder, const std::vector<Tokens>& read, size_t chunks, int n_threads, int clip_skip, int64_t width,
                              sd::Tensor<float>& pooled) {
    if (!loaded(encoder)) {
      pooled = sd::Tensor<float>::zeros({width});
      return sd::Tensor<float>::zeros({width, static_cast<int64_t>(chunks * kChunk), 1});
    }
    const bool has_weights = weighted(read);
    sd::Tensor<float> all;
    for (const Tokens& tokens : read) {
      const bool first = all.empty() && encoder != kT5;
      sd::Tensor<float> states = run(encoder, tokens, n_threads, clip_skip, first ? &pooled : nullptr);
      if (has_weights) weigh(states, tokens, empty(encoder, tokens.ids.size(), n_threads, clip_skip));
      all = all.empty() ? std::move(states) : sd::ops::concat(all, states, 1);
    }
    return all;
  }

  // The CLIPs' states side by side, filled up to T5's width, then T5's.
  SDCondition encode(int n_threads, const std::string& text, int clip_skip) {
    const Read read = read_by_encoders(text);
    check_length(read);
    const size_t t5_tokens = positions_of(read[kT5]);
    if (t5_tokens > kTrainedT5) {
      LOG_WARN("T5 reads %zu tokens; Stable Diffusion 3.5 was trained with at most %zu", t5_tokens, kTrainedT5);
    }
    const size_t chunks = std::max<size_t>({1, read[0].size(), read[1].size()});
    sd::Tensor<float> pooled_l, pooled_g, none;
    const auto l = states_of(0, read[0], chunks, n_threads, clip_skip, kClipL, pooled_l);
    const auto g = states_of(1, read[1], chunks, n_threads, clip_skip, kClipG, pooled_g);
    const auto t5 = states_of(kT5, read[kT5], 1, n_threads, clip_skip, kContext, none);
    if (capacity_ == 0) empties_ = {};

    auto clips = sd::ops::concat(l, g, 0);
    auto padding = clips.shape();
    padding[0] = kContext - padding[0];
    clips = sd::ops::concat(clips, sd::Tensor<float>::zeros(padding), 0);
    return {sd::ops::concat(clips, t5, 1), sd::ops::concat(pooled_l, pooled_g, 0), {}};
  }

  std::shared_ptr<SD3CLIPEmbedder> encoders_;
  const size_t capacity_;
  std::list<std::pair<Key, SDCondition>> cache_;  // latest first
  std::array<Empty, kEncoders> empties_;
  std::string scope_;
  std::map<std::string, ggml_tensor*> tensors_;  // from before the first prompt: the engine's CLIP then adds null ones for what it lacks
};

}  // namespace

std::shared_ptr<TextConditioner> make_conditioner(std::shared_ptr<SD3CLIPEmbedder> encoders, size_t capacity) {
  return std::make_shared<Sd3Conditioner>(std::move(encoders), capacity);
}

void set_scope(Conditioner& conditioner, const std::string& scope) { static_cast<Sd3Conditioner&>(conditioner).set_scope(scope); }

}  // namespace sdcpp::engine
