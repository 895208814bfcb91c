#pragma once
#include <string>
#include <string_view>

// Unicode as CLIP's tokenizer knows it: the tables are those of Hugging Face's tokenizers (scripts/unicode-tables.py). Any thread.
namespace sdcpp::engine {

// Bytes of the character that the text begins with; 0 when they are no UTF-8.
size_t utf8_length(std::string_view text);

// A byte that is not UTF-8 becomes U+FFFD.
std::u32string from_utf8(std::string_view text);
void append_utf8(std::string& text, char32_t point);

bool is_letter(char32_t point);  // \p{L}
bool is_number(char32_t point);  // \p{N}
bool is_space(char32_t point);   // \s: the property White_Space

// Normalization form C (Unicode Standard Annex 15).
std::u32string compose(const std::u32string& text);

// Each character by itself: a sigma at the end of a word becomes as any other, and U+0130 an "i" with a dot above.
std::u32string lower(const std::u32string& text);

}  // namespace sdcpp::engine
