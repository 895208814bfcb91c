#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "darts.h"

namespace sdcpp::engine {

// sentencepiece's normalizer with T5's own rules (nmt-NFKC): a trie of what is replaced, and the replacements. White space is collapsed and
// becomes "▁"; a text that has anything else begins with one.
class Charsmap {
 public:
  // `blob`: as in a sentencepiece model's normalizer_spec.precompiled_charsmap, which is little-endian: the trie's size, the trie, the
  // replacements, each with a zero at its end. Throws Failure when it is none.
  explicit Charsmap(const std::string& blob);
  Charsmap(const Charsmap&) = delete;
  Charsmap& operator=(const Charsmap&) = delete;

  std::string normalize(std::string_view text) const;

 private:
  struct Step {
    std::string_view replaced;  // by this, which may be empty
    size_t length;              // of what it replaces, bytes
  };
  Step step(std::string_view rest) const;

  std::vector<uint32_t> units_;
  std::string replacements_;
  Darts::DoubleArray trie_;
};

// T5's, from the vocabulary that is compiled in. Any thread; the first call takes milliseconds.
const Charsmap& nmt_nfkc();

}  // namespace sdcpp::engine
