#pragma once
#include <string>
#include <vector>

#include "tokenizers/t5_unigram_tokenizer.h"

namespace sdcpp::engine {

// The ids that sentencepiece gives with T5's model, without the end token; none for an empty text. The names of special tokens (</s>,
// <pad>, <unk>, <extra_id_0> to 99) are these tokens, as in Hugging Face's tokenizers. Linear in time; any thread.
std::vector<int> t5_ids(const T5UniGramTokenizer& tokenizer, const std::string& text);

}  // namespace sdcpp::engine
