#include "engine/t5_tokens.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "engine/charsmap.h"
#include "engine/unicode.h"

namespace sdcpp::engine {
namespace {

// T5's vocabulary: three special tokens, then pieces, then <extra_id_99> down to 0.
constexpr int kUnknown = 2;
constexpr int kFirstPiece = 3;
constexpr int kFirstExtra = 32000;
constexpr int kLastExtra = 32099;
constexpr float kUnknownPenalty = 10;  // sentencepiece's kUnkPenalty: how much worse an unknown character is than any piece

// The tokenizer's tables are protected; a derived class may name them.
struct T5 : T5UniGramTokenizer {
  static const Darts::DoubleArray& trie(const T5UniGramTokenizer& t) { return *(t.*(&T5::trie_)); }
  static float score(const T5UniGramTokenizer& t, int id) { return (t.*(&T5::piece_score_pairs))[static_cast<size_t>(id)].second; }
  static float lowest(const T5UniGramTokenizer& t) { return t.*(&T5::min_score_); }
};

// The last step of the best way to a place in the text.
struct Arrival {
  float score = 0;
  int from = -1;
  int id = -1;
};

// The split of a normalized text with the highest sum of scores; sums are floats, as sentencepiece's, since ties depend on it.
void add_pieces(const T5UniGramTokenizer& tokenizer, const std::string& text, std::vector<int>& ids) {
  const Darts::DoubleArray& trie = T5::trie(tokenizer);
  const float unknown = T5::lowest(tokenizer) - kUnknownPenalty;
  std::vector<Arrival> arrivals(text.size() + 1);
  const auto arrive = [&](size_t from, size_t to, int id, float score) {
    Arrival& best = arrivals[to];
    const float sum = score + arrivals[from].score;
    if (best.from == -1 || sum > best.score) best = {sum, static_cast<int>(from), id};
  };
  for (size_t from = 0; from < text.size();) {
    const size_t length = std::max<size_t>(utf8_length(std::string_view(text).substr(from)), 1);
    bool known = false;
    size_t node = 0;
    for (size_t to = from; to < text.size();) {
      const int id = trie.traverse(text.data(), node, to, to + 1);  // which advances both
      if (id == -2) break;
      if (id < kFirstPiece || id >= kFirstExtra) continue;
      arrive(from, to, id, T5::score(tokenizer, id));
      known = known || to - from == length;
    }
    if (!known) arrive(from, from + length, kUnknown, unknown);
    from += length;
  }

  const auto begin = static_cast<std::ptrdiff_t>(ids.size());
  for (int at = static_cast<int>(text.size()); at > 0; at = arrivals[static_cast<size_t>(at)].from) {
    const int id = arrivals[static_cast<size_t>(at)].id;
    const bool repeats = id == kUnknown && ids.size() > static_cast<size_t>(begin) && ids.back() == kUnknown;
    if (!repeats) ids.push_back(id);  // unknown characters in a row are one token
  }
  std::reverse(ids.begin() + begin, ids.end());
}

// The special token that the text begins with: its id and its length, which is 0 when there is none.
std::pair<int, size_t> special(std::string_view text) {
  for (const auto& [name, id] : {std::pair<std::string_view, int>{"<pad>", 0}, {"</s>", 1}, {"<unk>", kUnknown}}) {
    if (text.substr(0, name.size()) == name) return {id, name.size()};
  }
  constexpr std::string_view kExtra = "<extra_id_";
  if (text.substr(0, kExtra.size()) != kExtra) return {0, 0};
  const auto digit = [&](size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
  size_t end = kExtra.size();
  while (end < kExtra.size() + 2 && digit(end)) end++;
  const bool leads_zero = end == kExtra.size() + 2 && text[kExtra.size()] == '0';
  if (end == kExtra.size() || leads_zero || end >= text.size() || text[end] != '>') return {0, 0};
  return {kLastExtra - std::atoi(std::string(text.substr(kExtra.size(), end - kExtra.size())).c_str()), end + 1};
}

}  // namespace

std::vector<int> t5_ids(const T5UniGramTokenizer& tokenizer, const std::string& text) {
  std::vector<int> ids;
  const std::string_view whole = text;
  size_t begin = 0;
  for (size_t at = 0; at <= whole.size(); at++) {
    const auto [id, length] = at < whole.size() && whole[at] == '<' ? special(whole.substr(at)) : std::pair<int, size_t>{0, 0};
    if (length == 0 && at < whole.size()) continue;
    add_pieces(tokenizer, nmt_nfkc().normalize(whole.substr(begin, at - begin)), ids);
    if (length > 0) ids.push_back(id);
    begin = at + length;
    if (length > 0) at = begin - 1;
  }
  return ids;
}

}  // namespace sdcpp::engine
