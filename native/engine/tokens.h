#pragma once
#include <vector>

#include "engine/prompt.h"
#include "tokenizers/clip_tokenizer.h"
#include "tokenizers/t5_unigram_tokenizer.h"

namespace sdcpp::engine {

struct Tokens {
  std::vector<int> ids;
  std::vector<float> weights;
};

// The ids that the tokenizers' own encode() gives, without begin, end and padding. Unlike encode() these log nothing, change
// nothing, use no recursive regular expression and no quadratic merging, so that any thread may call them with any text.
Tokens tokenize(const CLIPTokenizer& tokenizer, const Segment& segment);
Tokens tokenize(const T5UniGramTokenizer& tokenizer, const Segment& segment);

}  // namespace sdcpp::engine
