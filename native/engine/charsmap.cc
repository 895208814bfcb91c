#include "engine/charsmap.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/unicode.h"
#include "errors.h"
#include "src/tokenizers/vocab/vocab.h"

namespace sdcpp::engine {
namespace {

constexpr size_t kMatches = 32;                            // as sentencepiece; no key of T5's has as many prefixes that are keys
constexpr std::string_view kSpace = "\xE2\x96\x81";        // U+2581; bytes, whatever character set a compiler takes
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string from_base64(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<int, 256> values;
  values.fill(-1);
  for (size_t i = 0; i < kDigits.size(); i++) values[static_cast<unsigned char>(kDigits[i])] = static_cast<int>(i);
  std::string result;
  result.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int value = values[static_cast<unsigned char>(c)];
    if (value < 0) break;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    result += static_cast<char>(bits >> count & 0xFF);
  }
  return result;
}

}  // namespace

Charsmap::Charsmap(const std::string& blob) {
  uint32_t size = 0;
  if (blob.size() >= sizeof(size)) std::memcpy(&size, blob.data(), sizeof(size));
  if (size == 0 || size % sizeof(uint32_t) != 0 || size >= blob.size() - sizeof(size) || blob.back() != '\0') {
    throw Failure(code::Generation, "T5's table of characters cannot be read");
  }
  units_.resize(size / sizeof(uint32_t));
  std::memcpy(units_.data(), blob.data() + sizeof(size), size);
  replacements_ = blob.substr(sizeof(size) + size);
  trie_.set_array(units_.data(), units_.size());
}

// The longest key that the rest begins with, else one character as it is; a byte that is not UTF-8 becomes U+FFFD.
Charsmap::Step Charsmap::step(std::string_view rest) const {
  Darts::DoubleArray::result_pair_type found[kMatches];
  const size_t count = std::min(trie_.commonPrefixSearch(rest.data(), found, kMatches, rest.size()), kMatches);
  if (count > 0) {
    const auto& longest = found[count - 1];
    return {replacements_.data() + longest.value, longest.length};
  }
  const size_t length = utf8_length(rest);
  if (length == 0) return {kReplacement, 1};
  return {rest.substr(0, length), length};
}

std::string Charsmap::normalize(std::string_view text) const {
  std::string result;
  bool after_space = true;
  while (!text.empty()) {
    const Step next = step(text);
    text.remove_prefix(next.length);
    std::string_view piece = next.replaced;
    while (after_space && !piece.empty() && piece.front() == ' ') piece.remove_prefix(1);
    if (piece.empty()) continue;
    if (result.empty()) result = kSpace;
    for (const char c : piece) {
      if (c == ' ') {
        result += kSpace;
      } else {
        result += c;
      }
    }
    after_space = piece.back() == ' ';
  }
  while (ends_with(result, kSpace)) result.resize(result.size() - kSpace.size());
  return result;
}

const Charsmap& nmt_nfkc() {
  static const Charsmap charsmap([] {
    const std::string json = load_t5_tokenizer_json();
    const std::string key = "\"precompiled_charsmap\"";
    const size_t name = json.find(key);
    const size_t first = name == std::string::npos ? name : json.find('"', name + key.size());
    if (first == std::string::npos) throw Failure(code::Generation, "T5's vocabulary has no table of characters");
    return from_base64(std::string_view(json).substr(first + 1));
  }());
  return charsmap;
}

}  // namespace sdcpp::engine
