#include "engine/unicode.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/unicode_tables.h"

namespace sdcpp::engine {
namespace {

constexpr char32_t kReplacement = 0xFFFD;
constexpr char32_t kFirstComposed = 0x300;  // below it nothing combines

// The row of a table of ranges that holds the code point, or null.
template <class Row, size_t N>
const Row* find(const Row (&rows)[N], char32_t point) {
  const Row* row = std::upper_bound(std::begin(rows), std::end(rows), point, [](char32_t p, const Row& r) { return p < r.first; });
  return row != std::begin(rows) && point <= (row - 1)->last ? row - 1 : nullptr;
}

uint8_t combining_class(char32_t point) {
  if (point < kFirstComposed) return 0;
  const auto* row = find(tables::kClasses, point);
  return row == nullptr ? 0 : row->value;
}

// Hangul syllables are made of three jamo by arithmetic (The Unicode Standard, 3.12).
constexpr char32_t kSyllables = 0xAC00, kLeads = 0x1100, kVowels = 0x1161, kTails = 0x11A7;
constexpr char32_t kLeadCount = 19, kVowelCount = 21, kTailCount = 28, kSyllableCount = kLeadCount * kVowelCount * kTailCount;

void decompose(char32_t point, std::u32string& result) {
  if (point - kSyllables < kSyllableCount) {
    const char32_t syllable = point - kSyllables;
    result += kLeads + syllable / (kVowelCount * kTailCount);
    result += kVowels + syllable / kTailCount % kVowelCount;
    if (syllable % kTailCount != 0) result += kTails + syllable % kTailCount;
    return;
  }
  const auto* end = std::end(tables::kDecompositions);
  const auto* row = std::lower_bound(std::begin(tables::kDecompositions), end, point,
                                     [](const tables::Decomposition& r, char32_t p) { return r.composed < p; });
  if (row == end || row->composed != point) {
    result += point;
    return;
  }
  decompose(row->first, result);  // a few steps deep
  if (row->second != 0) result += row->second;
}

// Zero when the two do not compose.
char32_t composed(char32_t first, char32_t second) {
  if (first - kLeads < kLeadCount && second - kVowels < kVowelCount) {
    return kSyllables + ((first - kLeads) * kVowelCount + (second - kVowels)) * kTailCount;
  }
  if (first - kSyllables < kSyllableCount && (first - kSyllables) % kTailCount == 0 && second > kTails && second - kTails < kTailCount) {
    return first + (second - kTails);
  }
  using Parts = std::pair<char32_t, char32_t>;
  const auto parts = [](uint16_t row) -> Parts { return {tables::kDecompositions[row].first, tables::kDecompositions[row].second}; };
  const Parts wanted{first, second};
  const auto* end = std::end(tables::kCompositions);
  const auto* row =
      std::lower_bound(std::begin(tables::kCompositions), end, wanted, [&](uint16_t r, const Parts& p) { return parts(r) < p; });
  return row != end && parts(*row) == wanted ? static_cast<char32_t>(tables::kDecompositions[*row].composed) : 0;
}

// Bytes of the character that the text begins with, and its code point; 0 bytes when they are no UTF-8.
std::pair<size_t, char32_t> read_utf8(std::string_view text) {
  const auto byte = [&](size_t i) -> unsigned char { return i < text.size() ? text[i] : 0; };
  constexpr std::pair<size_t, char32_t> kNone{0, kReplacement};
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {text.empty() ? 0 : 1, lead};
  if (lead < 0xC0 || lead > 0xF7) return kNone;
  const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t point = lead & (0x7F >> length);
  for (size_t i = 1; i < length; i++) {
    if ((byte(i) & 0xC0) != 0x80) return kNone;
    point = point << 6 | (byte(i) & 0x3F);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < kLeast[length] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) return kNone;
  return {length, point};
}

}  // namespace

size_t utf8_length(std::string_view text) { return read_utf8(text).first; }

std::u32string from_utf8(std::string_view text) {
  std::u32string result;
  while (!text.empty()) {
    const auto [length, point] = read_utf8(text);
    result += point;
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return result;
}

void append_utf8(std::string& text, char32_t point) {
  const auto add = [&](char32_t byte) { text += static_cast<char>(byte); };
  const auto more = [&](int shift) { add(0x80 | (point >> shift & 0x3F)); };
  if (point < 0x80) return add(point);
  if (point < 0x800) {
    add(0xC0 | point >> 6);
    return more(0);
  }
  if (point < 0x10000) {
    add(0xE0 | point >> 12);
  } else {
    add(0xF0 | point >> 18);
    more(12);
  }
  more(6);
  more(0);
}

bool is_letter(char32_t point) { return find(tables::kLetters, point) != nullptr; }
bool is_number(char32_t point) { return find(tables::kNumbers, point) != nullptr; }
bool is_space(char32_t point) { return find(tables::kSpaces, point) != nullptr; }

std::u32string compose(const std::u32string& text) {
  if (std::all_of(text.begin(), text.end(), [](char32_t p) { return p < kFirstComposed; })) return text;
  std::u32string marks;
  for (const char32_t point : text) decompose(point, marks);

  // Marks on one character in the order of their classes.
  for (auto at = marks.begin(); at != marks.end();) {
    const auto end = std::find_if(at, marks.end(), [](char32_t p) { return combining_class(p) == 0; });
    std::stable_sort(at, end, [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    at = std::find_if(end, marks.end(), [](char32_t p) { return combining_class(p) != 0; });
  }

  // A mark joins the last starter when nothing of its class or a higher one is left between them.
  std::u32string result;
  size_t starter = std::u32string::npos;
  uint8_t last = 0;
  for (const char32_t point : marks) {
    const uint8_t value = combining_class(point);
    const bool reaches = starter != std::u32string::npos && (starter + 1 == result.size() || last < value);
    if (const char32_t both = reaches ? composed(result[starter], point) : 0) {
      result[starter] = both;
      continue;
    }
    if (value == 0) starter = result.size();
    last = value;
    result += point;
  }
  return result;
}

std::u32string lower(const std::u32string& text) {
  std::u32string result;
  for (const char32_t point : text) {
    if (point == 0x130) {
      result += U"i\u0307";
      continue;
    }
    const auto* run = find(tables::kLower, point);
    const bool is_capital = run != nullptr && (point - run->first) % run->step == 0;
    result += is_capital ? static_cast<char32_t>(static_cast<int32_t>(point) + run->difference) : point;
  }
  return result;
}

}  // namespace sdcpp::engine
