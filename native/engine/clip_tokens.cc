#include "engine/clip_tokens.h"

#include <climits>
#include <functional>
#include <queue>
#include <string_view>
#include <utility>

#include "engine/unicode.h"

namespace sdcpp::engine {
namespace {

// The tokenizer's tables are protected; a derived class may name them.
struct Clip : CLIPTokenizer {
  static const auto& vocabulary(const CLIPTokenizer& t) { return t.*(&Clip::encoder); }
  static const auto& bytes(const CLIPTokenizer& t) { return t.*(&Clip::byte_encoder); }
  static const auto& ranks(const CLIPTokenizer& t) { return t.*(&Clip::bpe_ranks); }
  static const auto& word_end(const CLIPTokenizer& t) { return t.*(&Clip::end_of_word_suffix); }
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

// Calls `part` with what lies between two occurrences of `mark`, `found` for each of these.
template <class Text, class Part, class Found>
void split(const Text& text, const Text& mark, const Part& part, const Found& found) {
  for (size_t at = 0;;) {
    const size_t next = text.find(mark, at);
    part(text.substr(at, next == Text::npos ? next : next - at));
    if (next == Text::npos) return;
    found();
    at = next + mark.size();
  }
}

bool is_other(char32_t point) { return !is_space(point) && !is_letter(point) && !is_number(point); }

// Length of the word at this place of a text in lower case: a contraction, a run of letters, one number, or a run of anything else but
// space.
size_t word_length(std::u32string_view rest) {
  for (const std::u32string_view ending : {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"}) {
    if (rest.substr(0, ending.size()) == ending) return ending.size();
  }
  if (is_number(rest[0])) return 1;
  const bool letters = is_letter(rest[0]);
  size_t length = 1;
  while (length < rest.size() && (letters ? is_letter(rest[length]) : is_other(rest[length]))) length++;
  return length;
}

void add_word(const CLIPTokenizer& tokenizer, std::u32string_view word, std::vector<int>& ids) {
  std::string bytes;
  for (const char32_t point : word) append_utf8(bytes, point);
  std::vector<Symbol> symbols;
  for (const char c : bytes) {
    for (const char32_t unit : Clip::bytes(tokenizer).at(static_cast<unsigned char>(c))) symbols.emplace_back(1, unit);
  }
  for (const char c : Clip::word_end(tokenizer)) symbols.back() += static_cast<char32_t>(c);
  for (const Symbol& symbol : Merger(tokenizer, std::move(symbols)).merge()) {
    const auto& vocabulary = Clip::vocabulary(tokenizer);
    const auto found = vocabulary.find(symbol);
    ids.push_back(found == vocabulary.end() ? tokenizer.UNK_TOKEN_ID : found->second);
  }
}

void add_words(const CLIPTokenizer& tokenizer, std::u32string_view rest, std::vector<int>& ids) {
  // What was written in capitals is no end token, but the signs around it stay apart from others.
  constexpr std::u32string_view kEnd = U"<|endoftext|>", kSigns = U"<|";
  const auto add = [&](size_t length) {
    add_word(tokenizer, rest.substr(0, length), ids);
    rest.remove_prefix(length);
  };
  while (!rest.empty()) {
    if (is_space(rest[0])) {
      rest.remove_prefix(1);
    } else if (rest.substr(0, kEnd.size()) == kEnd) {
      for (const size_t length : {kSigns.size(), kEnd.size() - 2 * kSigns.size(), kSigns.size()}) add(length);
    } else {
      add(word_length(rest));
    }
  }
}

}  // namespace

// In the order of the published tokenizer: the end token's name as it is written, the begin token's in any case.
std::vector<int> clip_ids(const CLIPTokenizer& tokenizer, const std::string& text) {
  std::vector<int> ids;
  const auto begin = [&] { ids.push_back(tokenizer.BOS_TOKEN_ID); };
  const auto end = [&] { ids.push_back(tokenizer.EOS_TOKEN_ID); };
  const auto words = [&](const std::u32string& part) { add_words(tokenizer, part, ids); };
  const auto normalized = [&](const std::string& part) {
    split<std::u32string>(lower(compose(from_utf8(part))), U"<|startoftext|>", words, begin);
  };
  split<std::string>(text, tokenizer.EOS_TOKEN, normalized, end);
  return ids;
}

}  // namespace sdcpp::engine
