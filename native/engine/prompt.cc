#include "engine/prompt.h"

#include <cmath>
#include <cstring>
#include <locale>
#include <sstream>

#include "errors.h"

namespace sdcpp::engine {
namespace {

constexpr char kT5Mark = '\xFF';
constexpr float kRound = 1.1f;
constexpr float kSquare = 1 / 1.1f;
constexpr float kMaxWeight = 1000;

bool is_space(char c) { return c != '\0' && std::strchr(" \t\n\v\f\r", c) != nullptr; }
bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

float read_weight(const std::string& digits) {
  std::istringstream stream(digits);
  stream.imbue(std::locale::classic());  // an application's locale may want a decimal comma
  float weight = 0;
  stream >> weight;
  if (stream.fail() || stream.peek() != std::istringstream::traits_type::eof()) {
    throw Failure(code::InvalidOption,
                  "a weight is not a number: '" + digits + "'; write (word:1.2), or escape the parenthesis: \\(word:x\\)");
  }
  return weight;
}

class Parser {
 public:
  explicit Parser(const std::string& text) : text_(text) {}

  std::vector<Segment> parse() {
    while (at_ < text_.size()) step();
    for (const size_t first : round_) multiply(first, kRound);
    for (const size_t first : square_) multiply(first, kSquare);
    return segments();
  }

 private:
  // `begins`: a BREAK stands before it.
  struct Part {
    Piece piece;
    bool begins = false;
  };

  void step() {
    const char c = text_[at_];
    size_t end = 0;
    if (c == '\\' && at_ + 1 < text_.size() && std::strchr("()[]\\", text_[at_ + 1]) != nullptr) {
      add(text_[at_ + 1]);
      at_ += 2;
    } else if (c == '(' || c == '[') {
      (c == '(' ? round_ : square_).push_back(parts_.size());
      fresh_ = true;
      at_++;
    } else if (c == ':' && !round_.empty() && (end = weight_end()) != 0) {
      close(round_, read_weight(weight_));
      at_ = end;
    } else if (c == ')' && !round_.empty()) {
      close(round_, kRound);
      at_++;
    } else if (c == ']' && !square_.empty()) {
      close(square_, kSquare);
      at_++;
    } else if (at_break()) {
      parts_.push_back({{}, true});
      fresh_ = false;
      for (at_ += 5; at_ < text_.size() && is_space(text_[at_]);) at_++;
    } else {
      add(c);
      at_++;
    }
  }

  void add(char c) {
    if (fresh_ || parts_.empty()) parts_.push_back({});
    parts_.back().piece.text += c;
    fresh_ = false;
  }

  void close(std::vector<size_t>& brackets, float weight) {
    multiply(brackets.back(), weight);
    brackets.pop_back();
    fresh_ = true;
  }

  void multiply(size_t first, float weight) {
    for (size_t i = first; i < parts_.size(); i++) parts_[i].piece.weight *= weight;
  }

  // Where the text goes on after ":1.2)", or 0 when there is no such thing here.
  size_t weight_end() {
    const auto skip = [&](size_t i, const char* set) {
      while (i < text_.size() && std::strchr(set, text_[i]) != nullptr) i++;
      return i;
    };
    const size_t first = skip(at_ + 1, " \t\n\r");
    size_t last = first;
    if (last < text_.size() && (text_[last] == '+' || text_[last] == '-')) last++;
    const size_t digits = last;
    last = skip(last, "0123456789.");
    const size_t end = skip(last, " \t\n\r");
    if (last == digits || end >= text_.size() || text_[end] != ')') return 0;
    weight_ = text_.substr(first, last - first);
    return end + 1;
  }

  bool at_break() const {
    return text_.compare(at_, 5, "BREAK") == 0 && (at_ == 0 || !is_word(text_[at_ - 1])) &&
           (at_ + 5 >= text_.size() || !is_word(text_[at_ + 5]));
  }

  std::vector<Segment> segments() {
    std::vector<Segment> result(1);
    for (Part& part : parts_) {
      if (part.begins) {
        trim_end(result.back());
        result.emplace_back();
      }
      Piece& piece = part.piece;
      if (!(std::abs(piece.weight) <= kMaxWeight)) {
        throw Failure(code::InvalidOption, "a weight is above " + std::to_string(static_cast<int>(kMaxWeight)) +
                                               "; each pair of parentheses multiplies by 1.1, and unclosed ones reach to the end");
      }
      Segment& segment = result.back();
      if (piece.text.empty()) continue;
      if (!segment.empty() && segment.back().weight == piece.weight) {
        segment.back().text += piece.text;
      } else {
        segment.push_back(std::move(piece));
      }
    }
    for (Segment& segment : result) {
      if (segment.empty()) segment.emplace_back();
    }
    return result;
  }

  static void trim_end(Segment& segment) {
    while (!segment.empty()) {
      std::string& text = segment.back().text;
      while (!text.empty() && is_space(text.back())) text.pop_back();
      if (!text.empty()) return;
      segment.pop_back();
    }
  }

  const std::string& text_;
  size_t at_ = 0;
  bool fresh_ = false;  // the next character begins a part
  std::string weight_;
  std::vector<Part> parts_;
  std::vector<size_t> round_, square_;  // open brackets: the part that follows each
};

}  // namespace

std::vector<Segment> parse_prompt(const std::string& text) { return Parser(text).parse(); }

std::string join_prompts(const char* clip, const char* t5) {
  std::string joined = clip == nullptr ? "" : clip;
  if (t5 != nullptr && joined != t5) joined = joined + kT5Mark + t5;
  return joined;
}

PromptPair split_prompts(const std::string& joined) {
  const size_t mark = joined.find(kT5Mark);
  if (mark == std::string::npos) return {joined, joined};
  return {joined.substr(0, mark), joined.substr(mark + 1)};
}

}  // namespace sdcpp::engine
