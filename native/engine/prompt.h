#pragma once
#include <string>
#include <vector>

namespace sdcpp::engine {

// A stretch of text with one weight.
struct Piece {
  std::string text;
  float weight = 1.0f;
};

// What lies between two BREAKs: at least one piece, which may be empty.
using Segment = std::vector<Piece>;

// Reads (word), (word:1.2), [word], \( \) \[ \] \\ and BREAK. Linear in time and without recursion, so that any thread may call it.
// Throws Failure for a weight that is no number, or whose size is above 1000.
std::vector<Segment> parse_prompt(const std::string& text);

// The text for the CLIPs and the one for T5 as one string, the only thing that the engine passes on to the conditioner. The
// separator is a byte that UTF-8 never has. Null or equal means that T5 gets the same text.
std::string join_prompts(const char* clip, const char* t5);

struct PromptPair {
  std::string clip;
  std::string t5;
};
PromptPair split_prompts(const std::string& joined);

}  // namespace sdcpp::engine
