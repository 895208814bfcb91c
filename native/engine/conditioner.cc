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

constexpr size_t kChunk = 77;    // tokens a CLIP window holds, and the chunk the engine gives T5
constexpr int64_t kClipL = 768;  // hidden sizes fixed by SD3
constexpr int64_t kClipG = 1280;
constexpr int64_t kContext = 4096;   // T5's width, to which the CLIPs' states are padded
constexpr int kDefaultClipSkip = 2;  // SD3 reads the CLIPs' last layer but one

constexpr size_t kMaxChunks = 16;  // attention over the text and memory grow with the square of it

// Our name of each encoder, in the order of SD3CLIPEmbedder::tokenize.
constexpr size_t kEncoders = 3;
constexpr const char* kNames[kEncoders] = {"clipL", "clipG", "t5xxl"};

// One chunk's part, as the runners take it.
sd::Tensor<int32_t> ids_of(const Tokens& tokens, size_t chunk) {
  const auto first = tokens.ids.begin() + static_cast<std::ptrdiff_t>(chunk * kChunk);
  return sd::Tensor<int32_t>({static_cast<int64_t>(kChunk)}, std::vector<int32_t>(first, first + kChunk));
}
std::vector<float> weights_of(const Tokens& tokens, size_t chunk) {
  const auto first = tokens.weights.begin() + static_cast<std::ptrdiff_t>(chunk * kChunk);
  return {first, first + kChunk};
}

void append(Tokens& tokens, const Tokens& more) {
  tokens.ids.insert(tokens.ids.end(), more.ids.begin(), more.ids.end());
  tokens.weights.insert(tokens.weights.end(), more.weights.begin(), more.weights.end());
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
    const auto segments = tokenized(text);
    for (size_t encoder = 0; encoder < kEncoders; encoder++) {
      if (!loaded(encoder)) continue;
      TokenCount own{kNames[encoder], 0, 0};
      for (const Tokens& tokens : segments[encoder]) {
        own.tokens += tokens.ids.size();
        own.chunks += padded(encoder, tokens).ids.size() / kChunk;
      }
      counts.encoders.push_back(own);
    }
    counts.chunks = count_chunks(chunks_of(text));
    return counts;
  }

  void check(const std::string& text) const override { check_chunks(count_chunks(chunks_of(text))); }

  void set_max_graph_vram_bytes(size_t bytes) override { encoders_->set_max_graph_vram_bytes(bytes); }
  void set_stream_layers_enabled(bool enabled) override { encoders_->set_stream_layers_enabled(enabled); }
  void set_flash_attention_enabled(bool enabled) override { encoders_->set_flash_attention_enabled(enabled); }
  void set_weight_adapter(const std::shared_ptr<WeightAdapter>& adapter) override { encoders_->set_weight_adapter(adapter); }
  void runner_done() override { encoders_->runner_done(); }

  void set_scope(const std::string& scope) {
    if (scope != scope_) cache_.clear();
    scope_ = scope;
  }

 private:
  using Key = std::pair<std::string, int>;  // both prompts, joined; clip skip

  static void check_chunks(size_t chunks) {
    if (chunks <= kMaxChunks) return;
    throw Failure(code::InvalidOption, "the text takes " + std::to_string(chunks) + " chunks of " + std::to_string(kChunk) +
                                           " tokens, expected at most " + std::to_string(kMaxChunks) + "; model.countTokens() counts them");
  }

  bool loaded(size_t encoder) const {
    const bool has[kEncoders] = {encoders_->clip_l != nullptr, encoders_->clip_g != nullptr, encoders_->t5 != nullptr};
    return has[encoder];
  }

  Tokens tokenize_for(size_t encoder, const Segment& segment) const {
    if (encoder == 0) return tokenize(encoders_->clip_l_tokenizer, segment);
    if (encoder == 1) return tokenize(encoders_->clip_g_tokenizer, segment);
    return tokenize(encoders_->t5_tokenizer, segment);
  }

  // Whole chunks with begin, end and padding: at least one.
  Tokens padded(size_t encoder, Tokens tokens) const {
    Tokenizer* const tokenizers[kEncoders] = {&encoders_->clip_l_tokenizer, &encoders_->clip_g_tokenizer, &encoders_->t5_tokenizer};
    tokenizers[encoder]->pad_tokens(tokens.ids, &tokens.weights, nullptr, kChunk, kChunk, true);
    return tokens;
  }

  // Each encoder's segments; none for one that is not loaded.
  std::array<std::vector<Tokens>, kEncoders> tokenized(const std::string& text) const {
    const PromptPair prompts = split_prompts(text);
    const std::vector<Segment> clip = parse_prompt(prompts.clip);
    const std::vector<Segment> t5 = parse_prompt(prompts.t5);
    std::array<std::vector<Tokens>, kEncoders> result;
    for (size_t encoder = 0; encoder < kEncoders; encoder++) {
      if (!loaded(encoder)) continue;
      for (const Segment& segment : encoder == 2 ? t5 : clip) result[encoder].push_back(tokenize_for(encoder, segment));
    }
    return result;
  }

  // Each encoder's chunks, equally many: where one needs fewer than another, chunks of the empty prompt follow.
  std::array<Tokens, kEncoders> chunks_of(const std::string& text) const {
    const auto segments = tokenized(text);
    size_t count = 0;
    for (const auto& own : segments) count = std::max(count, own.size());
    std::array<Tokens, kEncoders> result;
    for (size_t segment = 0; segment < count; segment++) {
      std::array<Tokens, kEncoders> parts;
      size_t longest = 0;
      for (size_t encoder = 0; encoder < kEncoders; encoder++) {
        if (segment < segments[encoder].size()) parts[encoder] = padded(encoder, segments[encoder][segment]);
        longest = std::max(longest, parts[encoder].ids.size());
      }
      for (size_t encoder = 0; encoder < kEncoders; encoder++) {
        if (!loaded(encoder)) continue;
        while (parts[encoder].ids.size() < longest) append(parts[encoder], padded(encoder, tokenize_for(encoder, {Piece{}})));
        append(result[encoder], parts[encoder]);
      }
    }
    return result;
  }

  static size_t count_chunks(const std::array<Tokens, kEncoders>& tokens) {
    size_t longest = 0;
    for (const Tokens& own : tokens) longest = std::max(longest, own.ids.size());
    return longest / kChunk;
  }

  // Hidden states [1, 77, width] of one CLIP's chunk; `pooled` is filled for the first chunk only, as SD3 wants it.
  static sd::Tensor<float> clip(const std::shared_ptr<CLIPTextModelRunner>& runner, CLIPTokenizer& tokenizer, const Tokens& tokens,
                                size_t chunk, int64_t width, int n_threads, int clip_skip, const char* name, sd::Tensor<float>& pooled) {
    if (!runner) {
      if (chunk == 0) pooled = sd::Tensor<float>::zeros({width});
      return sd::Tensor<float>::zeros({width, static_cast<int64_t>(kChunk), 1});
    }
    const sd::Tensor<int32_t> ids = ids_of(tokens, chunk);
    sd::Tensor<float> hidden;
    if (chunk == 0) {
      const auto end = tokens.ids.begin() + kChunk;
      const auto eos = std::find(tokens.ids.begin(), end, tokenizer.EOS_TOKEN_ID);
      const size_t position = std::min<size_t>(static_cast<size_t>(eos - tokens.ids.begin()), kChunk - 1);
      ClipOutput output = compute_clip(*runner, n_threads, ids, position, clip_skip);
      hidden = std::move(output.hidden);
      pooled = std::move(output.pooled);
    } else {
      hidden = runner->compute(n_threads, ids, 0, nullptr, 0, false, clip_skip, false, true, true);
    }
    return apply_token_weights(require(std::move(hidden), name), weights_of(tokens, chunk));
  }

  sd::Tensor<float> t5(const Tokens& tokens, size_t chunk, int n_threads) const {
    if (!encoders_->t5) return sd::Tensor<float>::zeros({kContext, static_cast<int64_t>(kChunk), 1});
    auto hidden = require(encoders_->t5->compute(n_threads, ids_of(tokens, chunk), sd::Tensor<float>(), false, true, true), "t5xxl");
    return apply_token_weights(std::move(hidden), weights_of(tokens, chunk));
  }

  SDCondition encode(int n_threads, const std::string& text, int clip_skip) {
    const std::array<Tokens, kEncoders> tokens = chunks_of(text);
    const size_t chunks = count_chunks(tokens);
    check_chunks(chunks);

    sd::Tensor<float> states;
    sd::Tensor<float> pooled;
    for (size_t chunk = 0; chunk < chunks; chunk++) {
      sd::Tensor<float> pooled_l, pooled_g;
      auto l = clip(encoders_->clip_l, encoders_->clip_l_tokenizer, tokens[0], chunk, kClipL, n_threads, clip_skip, "clip_l", pooled_l);
      auto g = clip(encoders_->clip_g, encoders_->clip_g_tokenizer, tokens[1], chunk, kClipG, n_threads, clip_skip, "clip_g", pooled_g);
      auto lg = sd::ops::concat(l, g, 0);
      auto padding = lg.shape();
      padding[0] = kContext - padding[0];
      lg = sd::ops::concat(lg, sd::Tensor<float>::zeros(padding), 0);
      auto both = sd::ops::concat(lg, t5(tokens[2], chunk, n_threads), 1);
      if (chunk == 0) pooled = sd::ops::concat(pooled_l, pooled_g, 0);
      states = states.empty() ? std::move(both) : sd::ops::concat(states, both, 1);
    }
    return {std::move(states), std::move(pooled), {}};
  }

  std::shared_ptr<SD3CLIPEmbedder> encoders_;
  const size_t capacity_;
  std::list<std::pair<Key, SDCondition>> cache_;  // latest first
  std::string scope_;
  std::map<std::string, ggml_tensor*> tensors_;  // from before the first prompt: the engine's CLIP then adds null ones for what it lacks
};

}  // namespace

std::shared_ptr<TextConditioner> make_conditioner(std::shared_ptr<SD3CLIPEmbedder> encoders, size_t capacity) {
  return std::make_shared<Sd3Conditioner>(std::move(encoders), capacity);
}

void set_scope(Conditioner& conditioner, const std::string& scope) { static_cast<Sd3Conditioner&>(conditioner).set_scope(scope); }

}  // namespace sdcpp::engine
