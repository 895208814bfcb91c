#pragma once
#include <cstddef>
#include <vector>

#include "engine/prompt.h"
#include "tokenizers/clip_tokenizer.h"
#include "tokenizers/t5_unigram_tokenizer.h"

namespace sdcpp::engine {

// Tokens of a chunk of the CLIPs; the fewest that T5 reads.
constexpr size_t kChunk = 77;

// What an encoder reads at once, with begin, end and padding.
struct Tokens {
  std::vector<int> ids;
  std::vector<float> weights;  // of each; 1 for begin, end and padding
  size_t text = 0;             // how many are the text's own
};

// A CLIP's chunks of 77 tokens, at least one: begin, at most 75 of the text, end, padding. BREAK begins a new one. As in ComfyUI a piece of
// fewer than 8 tokens is not split: where it does not fit, the chunk ends before it. Any thread, any text, linear in time but for a
// logarithm.
std::vector<Tokens> clip_chunks(const CLIPTokenizer& tokenizer, const std::vector<Segment>& segments);

// T5 reads all in one piece, whatever BREAK says: the text, an end token, and padding up to 77 tokens. Any thread, any text, linear in
// time.
Tokens t5_text(const T5UniGramTokenizer& tokenizer, const std::vector<Segment>& segments);

// A chunk, or this many tokens of T5, without a text: where weights are counted from.
Tokens empty_text(const CLIPTokenizer& tokenizer);
Tokens empty_text(const T5UniGramTokenizer& tokenizer, size_t length);

}  // namespace sdcpp::engine
