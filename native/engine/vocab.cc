// Stands in for the engine's src/tokenizers/vocab/vocab.cpp: SD3 needs the vocabularies of CLIP and T5 only, and those of
// other model families would make the addon six times as large.
#include "src/tokenizers/vocab/vocab.h"

#include "errors.h"
#include "src/tokenizers/vocab/clip_merges.hpp"
#include "src/tokenizers/vocab/t5.hpp"

namespace {

template <size_t N>
std::string text(const unsigned char (&bytes)[N]) {
  return {reinterpret_cast<const char*>(bytes), N};
}

std::string left_out() {
  throw sdcpp::Failure(sdcpp::code::UnsupportedModel,
                       "this checkpoint needs the tokenizer of another model family; expected Stable Diffusion 3 or 3.5");
}

}  // namespace

std::string load_clip_merges() { return text(clip_merges_utf8_c_str); }
std::string load_t5_tokenizer_json() { return text(t5_tokenizer_json_str); }

std::string load_qwen2_merges() { return left_out(); }
std::string load_mistral_merges() { return left_out(); }
std::string load_mistral_vocab_json() { return left_out(); }
std::string load_umt5_tokenizer_json() { return left_out(); }
std::string load_gemma_merges() { return left_out(); }
std::string load_gemma_vocab_json() { return left_out(); }
std::string load_gemma2_merges() { return left_out(); }
std::string load_gemma2_vocab_json() { return left_out(); }
std::string load_gpt_oss_merges() { return left_out(); }
std::string load_gpt_oss_vocab_json() { return left_out(); }
