#pragma once
#include <memory>
#include <string>

#include "conditioning/conditioner.hpp"
#include "engine/extension.h"

namespace sdcpp::engine {

class TextConditioner : public Conditioner {
 public:
  // Any thread. Throw Failure for a prompt that cannot be read; check() also for one that is too long.
  virtual TokenCounts count(const std::string& text) const = 0;
  virtual std::vector<EncoderTokens> tokens(const std::string& text) const = 0;
  virtual void check(const std::string& text) const = 0;
};

// SD3's text conditioning, in the place of the engine's SD3CLIPEmbedder (whose runners and tokenizers it adopts):
// the CLIPs read chunks of 77 tokens, T5 all at once, any non-empty set of {clip_l, clip_g, t5xxl} works, and the last
// `capacity` prompts are remembered, so that another seed needs no text encoder.
std::shared_ptr<TextConditioner> make_conditioner(std::shared_ptr<SD3CLIPEmbedder> encoders, size_t capacity);

// Names what changes the encoders of a conditioner from make_conditioner (its LoRAs): another scope forgets the remembered prompts.
void set_scope(Conditioner& conditioner, const std::string& scope);

}  // namespace sdcpp::engine
