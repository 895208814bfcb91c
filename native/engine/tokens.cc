#include "engine/tokens.h"

#include "engine/clip_tokens.h"
#include "engine/t5_tokens.h"

namespace sdcpp::engine {
namespace {

constexpr size_t kLongPiece = 8;  // ComfyUI's max_word_length: a piece with as many tokens may be split

void add(Tokens& tokens, const std::vector<int>& ids, size_t first, size_t count, float weight) {
  const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(first);
  tokens.ids.insert(tokens.ids.end(), begin, begin + static_cast<std::ptrdiff_t>(count));
  tokens.weights.insert(tokens.weights.end(), count, weight);
  tokens.text += count;
}

void add_mark(Tokens& tokens, int id) {
  tokens.ids.push_back(id);
  tokens.weights.push_back(1.0f);
}

Tokens begun(const CLIPTokenizer& tokenizer) {
  Tokens tokens;
  add_mark(tokens, tokenizer.BOS_TOKEN_ID);
  return tokens;
}

Tokens ended(const Tokenizer& tokenizer, Tokens tokens, size_t length) {
  add_mark(tokens, tokenizer.EOS_TOKEN_ID);
  while (tokens.ids.size() < length) add_mark(tokens, tokenizer.PAD_TOKEN_ID);
  return tokens;
}

}  // namespace

std::vector<Tokens> clip_chunks(const CLIPTokenizer& tokenizer, const std::vector<Segment>& segments) {
  constexpr size_t kRoom = kChunk - 1;  // before the end token
  std::vector<Tokens> chunks;
  for (const Segment& segment : segments) {
    Tokens chunk = begun(tokenizer);
    for (const Piece& piece : segment) {
      const std::vector<int> ids = clip_ids(tokenizer, piece.text);
      const bool may_be_split = ids.size() >= kLongPiece;
      for (size_t at = 0; at < ids.size();) {
        const size_t left = ids.size() - at;
        const size_t room = kRoom - chunk.ids.size();
        const size_t count = left <= room ? left : may_be_split ? room : 0;
        add(chunk, ids, at, count, piece.weight);
        at += count;
        if (at == ids.size()) break;
        chunks.push_back(ended(tokenizer, std::move(chunk), kChunk));
        chunk = begun(tokenizer);
      }
    }
    chunks.push_back(ended(tokenizer, std::move(chunk), kChunk));
  }
  return chunks;
}

Tokens t5_text(const T5UniGramTokenizer& tokenizer, const std::vector<Segment>& segments) {
  Tokens tokens;
  for (const Segment& segment : segments) {
    for (const Piece& piece : segment) {
      const std::vector<int> ids = t5_ids(tokenizer, piece.text);
      add(tokens, ids, 0, ids.size(), piece.weight);
    }
  }
  return ended(tokenizer, std::move(tokens), kChunk);
}

Tokens empty_text(const CLIPTokenizer& tokenizer) { return ended(tokenizer, begun(tokenizer), kChunk); }
Tokens empty_text(const T5UniGramTokenizer& tokenizer, size_t length) { return ended(tokenizer, {}, length); }

}  // namespace sdcpp::engine
