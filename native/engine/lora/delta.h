#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/lora/numbers.h"
#include "engine/lora/plan.h"

namespace sdcpp::engine::lora {

// a · b, row by row: a is rows x rank, b is rank x columns.
struct Product {
  int64_t rows = 0, columns = 0, rank = 0;
  std::vector<float> a, b;

  // Rows from `first` on, into `count` x columns.
  void fill(int64_t first, int64_t count, float* into) const;
};

// What a change adds to its rows of a weight, times alpha and the like, without the strength that the user gives it.
class Delta {
 public:
  virtual ~Delta() = default;
  virtual void fill(int64_t first, int64_t count, float* into) const = 0;
};

// How many products a change comes down to, with their ranks: LoRA one, LoHa two, LoKr's second factor one if it is not whole.
Product read_pair(NumberFile& file, const Change& change);

// LoKr's factors, whole: rows1 x columns1 and rows2 x columns2.
struct Factors {
  int64_t rows1 = 0, columns1 = 0, rows2 = 0, columns2 = 0;
  std::vector<float> w1, w2;
};
Factors read_factors(NumberFile& file, const Change& change);

// Alpha by rank, and what else scales all of a change.
float scale_of(NumberFile& file, const Change& change);

// `weight` is the rows that are changed, as the model's file has them; it must outlive the result.
std::unique_ptr<Delta> make_delta(NumberFile& file, const Change& change, const float* weight);

// Adds a change to rows of a weight (rows x columns): `strength` times the difference that it makes to `weight`, which are the same rows as
// the model's file has them. With a magnitude (DoRA) the changed weight is normed: see delta.cc.
void add_change(NumberFile& file, const Change& change, float strength, const float* weight, float* into);

// Whether add_change needs the weight itself.
bool needs_weight(const Change& change);

}  // namespace sdcpp::engine::lora
