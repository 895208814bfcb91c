#pragma once
#include <string>
#include <vector>

#include "tokenizers/clip_tokenizer.h"

namespace sdcpp::engine {

// The ids that Hugging Face's CLIPTokenizer gives (that of openai/clip-vit-large-patch14, transformers 5), without begin and end. Linear in
// time but for a logarithm; any thread.
std::vector<int> clip_ids(const CLIPTokenizer& tokenizer, const std::string& text);

}  // namespace sdcpp::engine
