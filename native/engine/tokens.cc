#include "engine/tokens.h"

#include <climits>
#include <functional>
#include <queue>

#include "core/util.h"
#include "tokenizers/tokenize_util.h"

namespace sdcpp::engine {
namespace {

// The tokenizers' tables are protected; a derived class may name them.
struct Clip : CLIPTokenizer {
  static const auto& vocabulary(const CLIPTokenizer& t) { return t.*(&Clip::encoder); }
  static const auto& bytes(const CLIPTokenizer& t) { return t.*(&Clip::byte_encoder); }
  static const auto& ranks(const CLIPTokenizer& t) { return t.*(&Clip::bpe_ranks); }
  static const auto& specials(const CLIPTokenizer& t) { return t.*(&Clip::special_tokens); }
  static const auto& word_end(const CLIPTokenizer& t) { return t.*(&Clip::end_of_word_suffix); }
};

struct T5 : T5UniGramTokenizer {
  static const auto& specials(const T5UniGramTokenizer& t) { return t.*(&T5::special_tokens); }
  static EncodeResult pieces(const T5UniGramTokenizer& t, const std::string& text) {
    return (t.*(&T5::EncodeOptimized))((t.*(&T5::pre_tokenizer)).tokenize(text));
  }
};

using Symbol = std::u32string;

// Byte-pair encoding: merges the neighbors of the lowest rank, everywhere and from the left, until no pair has a rank.
class Merger {
 public:
  Merger(const CLIPTokenizer& tokenizer, std::vector<Symbol> symbols) : ranks_(Clip::ranks(tokenizer)), symbols_(std::move(symbols)) {
    const int count = static_cast<int>(symbols_.size());
    for (int i = 0; i < count; i++) {
      before_.push_back(i - 1);
      after_.push_back(i + 1 < count ? i + 1 : kNone);
      rank_.push_back(kUnranked);
    }
    for (int i = 0; i < count; i++) look(i);
    take_found();
  }

  std::vector<Symbol> merge() {
    while (!queue_.empty()) {
      const int rank = queue_.top().first;
      for (; !queue_.empty() && queue_.top().first == rank; queue_.pop()) {
        const int left = queue_.top().second;
        if (rank_[left] == rank) join(left);
      }
      take_found();
    }
    std::vector<Symbol> result;
    for (int i = 0; i != kNone; i = after_[i]) result.push_back(std::move(symbols_[i]));
    return result;
  }

 private:
  static constexpr int kNone = -1;
  static constexpr int kUnranked = INT_MAX;
  using Pair = std::pair<int, int>;  // rank, left symbol

  // Notes the rank of a symbol and its right neighbor.
  void look(int left) {
    rank_[left] = kUnranked;
    if (after_[left] == kNone) return;
    const auto found = ranks_.find({symbols_[left], symbols_[after_[left]]});
    if (found == ranks_.end()) return;
    rank_[left] = found->second;
    found_.emplace_back(found->second, left);
  }

  void take_found() {
    for (const Pair& pair : found_) queue_.push(pair);
    found_.clear();
  }

  void join(int left) {
    const int right = after_[left];
    symbols_[left] += symbols_[right];
    rank_[right] = kUnranked;
    after_[left] = after_[right];
    if (after_[left] != kNone) before_[after_[left]] = left;
    look(left);
    if (before_[left] != kNone) look(before_[left]);
  }

  const std::map<std::pair<Symbol, Symbol>, int>& ranks_;
  std::vector<Symbol> symbols_;
  std::vector<int> before_, after_, rank_;
  std::vector<Pair> found_;  // this round's, which the next may use
  std::priority_queue<Pair, std::vector<Pair>, std::greater<Pair>> queue_;
};

bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Length of 's, 't, 're, 've, 'm, 'll or 'd at this place, or 0.
size_t contraction(const std::string& text, size_t at) {
  for (const std::string ending : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
    if (at + ending.size() > text.size()) continue;
    size_t same = 0;
    while (same < ending.size() && lower(text[at + same]) == ending[same]) same++;
    if (same == ending.size()) return same;
  }
  return 0;
}

// Lower-case words as CLIP sees them: contractions, runs of ASCII letters, single digits, runs of anything else.
std::vector<std::string> words_of(const std::string& text) {
  const auto other = [](char c) { return !is_alpha(c) && !is_digit(c) && !is_space(c); };
  std::vector<std::string> words;
  for (size_t at = 0; at < text.size();) {
    size_t length = contraction(text, at);
    if (length == 0 && is_space(text[at])) {
      at++;
      continue;
    }
    if (length == 0 && is_digit(text[at])) length = 1;
    if (length == 0) {
      const bool letters = is_alpha(text[at]);
      while (at + length < text.size() && (letters ? is_alpha(text[at + length]) : other(text[at + length]))) length++;
    }
    std::string word = text.substr(at, length);
    for (char& c : word) c = lower(c);
    words.push_back(std::move(word));
    at += length;
  }
  return words;
}

void add_word(const CLIPTokenizer& tokenizer, const std::string& word, std::vector<int>& ids) {
  std::vector<Symbol> symbols;
  for (const char c : word) {
    for (const char32_t unit : Clip::bytes(tokenizer).at(static_cast<unsigned char>(c))) symbols.emplace_back(1, unit);
  }
  for (const char c : Clip::word_end(tokenizer)) symbols.back() += static_cast<char32_t>(c);
  for (const Symbol& symbol : Merger(tokenizer, std::move(symbols)).merge()) {
    const auto& vocabulary = Clip::vocabulary(tokenizer);
    const auto found = vocabulary.find(symbol);
    ids.push_back(found == vocabulary.end() ? tokenizer.UNK_TOKEN_ID : found->second);
  }
}

std::vector<int> ids_of(const CLIPTokenizer& tokenizer, const std::string& text) {
  std::vector<int> ids;
  for (const std::string& part : split_with_special_tokens(text, Clip::specials(tokenizer))) {
    if (tokenizer.is_special_token(part)) {
      ids.push_back(part == tokenizer.BOS_TOKEN ? tokenizer.BOS_TOKEN_ID : tokenizer.EOS_TOKEN_ID);
      continue;
    }
    for (const std::string& word : words_of(part)) add_word(tokenizer, word, ids);
  }
  return ids;
}

std::string with_single_spaces(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c != ' ' || result.empty() || result.back() != ' ') result += c;
  }
  return result;
}

std::vector<int> ids_of(const T5UniGramTokenizer& tokenizer, const std::string& text) {
  std::vector<int> ids;
  const std::string normalized = with_single_spaces(text);
  auto parts = split_with_special_tokens(normalized, T5::specials(tokenizer));
  if (parts.empty()) parts.push_back(normalized);
  for (const std::string& part : parts) {
    if (tokenizer.is_special_token(part)) {
      ids.push_back(part == tokenizer.UNK_TOKEN   ? tokenizer.UNK_TOKEN_ID
                    : part == tokenizer.EOS_TOKEN ? tokenizer.EOS_TOKEN_ID
                                                  : tokenizer.PAD_TOKEN_ID);
      continue;
    }
    for (const auto& [piece, id] : T5::pieces(tokenizer, part)) ids.push_back(id);
  }
  return ids;
}

template <class T>
Tokens tokenize_pieces(const T& tokenizer, const Segment& segment) {
  Tokens tokens;
  for (const Piece& piece : segment) {
    const std::vector<int> ids = ids_of(tokenizer, piece.text);
    tokens.ids.insert(tokens.ids.end(), ids.begin(), ids.end());
    tokens.weights.insert(tokens.weights.end(), ids.size(), piece.weight);
  }
  return tokens;
}

}  // namespace

Tokens tokenize(const CLIPTokenizer& tokenizer, const Segment& segment) { return tokenize_pieces(tokenizer, segment); }
Tokens tokenize(const T5UniGramTokenizer& tokenizer, const Segment& segment) { return tokenize_pieces(tokenizer, segment); }

}  // namespace sdcpp::engine
