#pragma once
#include <memory>
#include <string>

#include "conditioning/conditioner.hpp"

namespace sdcpp::engine {

// SD3's text conditioning, in the place of the engine's SD3CLIPEmbedder (whose runners and tokenizers it adopts):
// every encoder gets as many 77-token chunks as the longest prompt needs, any non-empty set of {clip_l, clip_g, t5xxl}
// works, and the last `capacity` prompts are remembered, so that another seed needs no text encoder.
std::shared_ptr<Conditioner> make_conditioner(std::shared_ptr<SD3CLIPEmbedder> encoders, size_t capacity);

// Names what changes the encoders of a conditioner from make_conditioner (its LoRAs): another scope forgets the remembered prompts.
void set_scope(Conditioner& conditioner, const std::string& scope);

}  // namespace sdcpp::engine
