#include "engine/conditioner.h"

#include <algorithm>
#include <list>
#include <utility>

#include "errors.h"
#include "job/cancel.h"

namespace sdcpp::engine {
namespace {

constexpr size_t kChunk = 77;    // tokens a CLIP window holds, and the chunk the engine gives T5
constexpr int64_t kClipL = 768;  // hidden sizes fixed by SD3
constexpr int64_t kClipG = 1280;
constexpr int64_t kContext = 4096;   // T5's width, to which the CLIPs' states are padded
constexpr int kDefaultClipSkip = 2;  // SD3 reads the CLIPs' last layer but one

struct Tokens {
  std::vector<int> ids;
  std::vector<float> weights;

  // One chunk's part, as the runners take it.
  sd::Tensor<int32_t> ids_of(size_t chunk) const {
    const auto first = ids.begin() + static_cast<std::ptrdiff_t>(chunk * kChunk);
    return sd::Tensor<int32_t>({static_cast<int64_t>(kChunk)}, std::vector<int32_t>(first, first + kChunk));
  }
  std::vector<float> weights_of(size_t chunk) const {
    const auto first = weights.begin() + static_cast<std::ptrdiff_t>(chunk * kChunk);
    return {first, first + kChunk};
  }
};

sd::Tensor<float> require(sd::Tensor<float> states, const char* encoder) {
  if (states.empty()) throw_if_cancelled();  // while its weights were read
  if (states.empty()) throw Failure(code::Generation, std::string("the text encoder ") + encoder + " failed");
  return states;
}

class Sd3Conditioner final : public Conditioner {
 public:
  Sd3Conditioner(std::shared_ptr<SD3CLIPEmbedder> encoders, size_t capacity) : encoders_(std::move(encoders)), capacity_(capacity) {}

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

  void get_param_tensors(std::map<std::string, ggml_tensor*>& tensors) override { encoders_->get_param_tensors(tensors); }
  void set_max_graph_vram_bytes(size_t bytes) override { encoders_->set_max_graph_vram_bytes(bytes); }
  void set_stream_layers_enabled(bool enabled) override { encoders_->set_stream_layers_enabled(enabled); }
  void set_flash_attention_enabled(bool enabled) override { encoders_->set_flash_attention_enabled(enabled); }
  void set_weight_adapter(const std::shared_ptr<WeightAdapter>& adapter) override { encoders_->set_weight_adapter(adapter); }
  void runner_done() override { encoders_->runner_done(); }

 private:
  using Key = std::pair<std::string, int>;  // prompt, clip skip

  std::vector<Tokens> tokenize(const std::string& text) const {
    std::vector<Tokens> result;
    try {
      for (auto& [ids, weights] : encoders_->tokenize(text, kChunk, kChunk, true)) result.push_back({std::move(ids), std::move(weights)});
    } catch (const std::logic_error&) {  // the engine reads weights with std::stof
      throw Failure(code::InvalidOption,
                    "a weight in the prompt is not a number; write (word:1.2), or escape the parenthesis: \\(word: x\\)");
    }
    return result;
  }

  // Appends empty-prompt chunks until every encoder has as many as the longest.
  void even_out(std::vector<Tokens>& tokens) const {
    size_t longest = 0;
    for (const Tokens& t : tokens) longest = std::max(longest, t.ids.size());
    const std::vector<Tokens> empty = tokenize("");
    for (size_t i = 0; i < tokens.size(); i++) {
      while (!tokens[i].ids.empty() && tokens[i].ids.size() < longest) {
        tokens[i].ids.insert(tokens[i].ids.end(), empty[i].ids.begin(), empty[i].ids.end());
        tokens[i].weights.insert(tokens[i].weights.end(), empty[i].weights.begin(), empty[i].weights.end());
      }
    }
  }

  // Hidden states [1, 77, width] of one CLIP's chunk; `pooled` is filled for the first chunk only, as SD3 wants it.
  static sd::Tensor<float> clip(const std::shared_ptr<CLIPTextModelRunner>& runner, CLIPTokenizer& tokenizer, const Tokens& tokens,
                                size_t chunk, int64_t width, int n_threads, int clip_skip, const char* name, sd::Tensor<float>& pooled) {
    if (!runner) {
      if (chunk == 0) pooled = sd::Tensor<float>::zeros({width});
      return sd::Tensor<float>::zeros({width, static_cast<int64_t>(kChunk), 1});
    }
    const sd::Tensor<int32_t> ids = tokens.ids_of(chunk);
    auto compute = [&](size_t position, bool pool) {
      return require(runner->compute(n_threads, ids, 0, nullptr, position, pool, clip_skip, false, true, true), name);
    };
    sd::Tensor<float> hidden = apply_token_weights(compute(0, false), tokens.weights_of(chunk));
    if (chunk == 0) {
      const auto end = tokens.ids.begin() + kChunk;
      const auto eos = std::find(tokens.ids.begin(), end, tokenizer.EOS_TOKEN_ID);
      pooled = compute(std::min<size_t>(static_cast<size_t>(eos - tokens.ids.begin()), kChunk - 1), true);
      pooled.reshape_({width});
    }
    return hidden;
  }

  sd::Tensor<float> t5(const Tokens& tokens, size_t chunk, int n_threads) const {
    if (!encoders_->t5) return sd::Tensor<float>::zeros({kContext, static_cast<int64_t>(kChunk), 1});
    auto hidden = require(encoders_->t5->compute(n_threads, tokens.ids_of(chunk), sd::Tensor<float>(), false, true, true), "t5xxl");
    return apply_token_weights(std::move(hidden), tokens.weights_of(chunk));
  }

  SDCondition encode(int n_threads, const std::string& text, int clip_skip) {
    std::vector<Tokens> tokens = tokenize(text);
    even_out(tokens);
    size_t chunks = 0;
    for (const Tokens& t : tokens) chunks = std::max(chunks, t.ids.size() / kChunk);

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
};

}  // namespace

std::shared_ptr<Conditioner> make_conditioner(std::shared_ptr<SD3CLIPEmbedder> encoders, size_t capacity) {
  return std::make_shared<Sd3Conditioner>(std::move(encoders), capacity);
}

}  // namespace sdcpp::engine
