#include "engine/lora/delta.h"

#include <algorithm>
#include <cmath>

#include "errors.h"

namespace sdcpp::engine::lora {
namespace {

constexpr int64_t kRows = 8;    // at once, for which each number of b is read once
constexpr int64_t kTile = 512;  // columns: what is added to stays in the nearest cache

int64_t count_of(const std::vector<float>& numbers) { return static_cast<int64_t>(numbers.size()); }

void expect(const Change& change, bool holds) {
  if (!holds) throw Failure(code::ModelFile, "loras: the tensors around '" + change.name() + "' do not fit to each other");
}

// The product a · b of a change's tensors. With a Tucker core t [rank, rank, kernel], a is [rank, rows]: Σ t[i, j, k] a[i, row] b[j,
// column].
Product read_product(NumberFile& file, const Change& change, const std::string& a, const std::string& b, const std::string& t, int64_t rows,
                     int64_t columns) {
  Product product;
  product.rows = rows;
  product.a = file.read(change, a);
  product.b = file.read(change, b);
  product.rank = count_of(product.a) / rows;
  product.columns = columns;
  expect(change, product.rank > 0 && product.rank * rows == count_of(product.a) && count_of(product.b) % product.rank == 0);
  if (change.find(t) != nullptr) {
    const int64_t rank = product.rank;
    const std::vector<float> core = file.read(change, t);
    const int64_t inputs = count_of(product.b) / rank;
    const int64_t kernel = count_of(core) / (rank * rank);
    expect(change, kernel > 0 && kernel * rank * rank == count_of(core) && inputs * kernel == columns);
    std::vector<float> b_with_core(static_cast<size_t>(rank * columns), 0.0f);
    for (int64_t i = 0; i < rank; i++) {
      for (int64_t j = 0; j < rank; j++) {
        for (int64_t input = 0; input < inputs; input++) {
          const float factor = product.b[static_cast<size_t>(j * inputs + input)];
          for (int64_t k = 0; k < kernel; k++) {
            b_with_core[static_cast<size_t>(i * columns + input * kernel + k)] +=
                core[static_cast<size_t>((i * rank + j) * kernel + k)] * factor;
          }
        }
      }
    }
    product.b = std::move(b_with_core);
    if (t != "mid") {  // lora_mid stands between up and down as they are
      std::vector<float> turned(product.a.size());
      for (int64_t i = 0; i < rank; i++) {
        for (int64_t row = 0; row < rows; row++) {
          turned[static_cast<size_t>(row * rank + i)] = product.a[static_cast<size_t>(i * rows + row)];
        }
      }
      product.a = std::move(turned);
    }
  }
  expect(change, count_of(product.b) == product.rank * columns);
  return product;
}

Product read_hada(NumberFile& file, const Change& change, const std::string& number) {
  return read_product(file, change, "w" + number + "_a", "w" + number + "_b", "t" + number, change.rows, change.columns);
}

class PairDelta final : public Delta {
 public:
  PairDelta(Product pair, float scale) : pair_(std::move(pair)) {
    for (float& number : pair_.a) number *= scale;
  }
  void fill(int64_t first, int64_t count, float* into) const override { pair_.fill(first, count, into); }

 private:
  Product pair_;
};

class HadamardDelta final : public Delta {
 public:
  HadamardDelta(Product one, Product other, float scale) : one_(std::move(one)), other_(std::move(other)), scale_(scale) {}
  void fill(int64_t first, int64_t count, float* into) const override {
    std::vector<float> factor(static_cast<size_t>(count * other_.columns));
    one_.fill(first, count, into);
    other_.fill(first, count, factor.data());
    for (size_t i = 0; i < factor.size(); i++) into[i] *= factor[i] * scale_;
  }

 private:
  Product one_, other_;
  float scale_;
};

class KroneckerDelta final : public Delta {
 public:
  KroneckerDelta(Factors factors, float scale) : f_(std::move(factors)) {
    for (float& number : f_.w1) number *= scale;
  }
  void fill(int64_t first, int64_t count, float* into) const override {
    for (int64_t row = first; row < first + count; row++) {
      const float* one = f_.w1.data() + row / f_.rows2 * f_.columns1;
      const float* other = f_.w2.data() + row % f_.rows2 * f_.columns2;
      for (int64_t i = 0; i < f_.columns1; i++) {
        for (int64_t j = 0; j < f_.columns2; j++) *into++ = one[i] * other[j];
      }
    }
  }

 private:
  Factors f_;
};

// W · a1 · a2 + b1 · b2
class GloraDelta final : public Delta {
 public:
  GloraDelta(const float* weight, std::vector<float> a1, Product a, Product b, float scale)
      : weight_(weight), a1_(std::move(a1)), a_(std::move(a)), b_(std::move(b)), scale_(scale) {}
  void fill(int64_t first, int64_t count, float* into) const override {
    Product row = a_;
    std::vector<float> own(static_cast<size_t>(b_.columns));
    for (int64_t i = 0; i < count; i++, into += b_.columns) {
      const float* weight = weight_ + (first + i) * b_.columns;
      row.a.assign(static_cast<size_t>(a_.rank), 0.0f);
      for (int64_t column = 0; column < b_.columns; column++) {
        for (int64_t k = 0; k < a_.rank; k++)
          row.a[static_cast<size_t>(k)] += weight[column] * a1_[static_cast<size_t>(column * a_.rank + k)];
      }
      row.fill(0, 1, into);
      b_.fill(first + i, 1, own.data());
      for (int64_t column = 0; column < b_.columns; column++) into[column] = (into[column] + own[static_cast<size_t>(column)]) * scale_;
    }
  }

 private:
  const float* weight_;
  std::vector<float> a1_;
  Product a_, b_;
  float scale_;
};

class FullDelta final : public Delta {
 public:
  FullDelta(std::vector<float> numbers, int64_t columns, float scale) : numbers_(std::move(numbers)), columns_(columns), scale_(scale) {}
  void fill(int64_t first, int64_t count, float* into) const override {
    for (int64_t i = 0; i < count * columns_; i++) into[i] = numbers_[static_cast<size_t>(first * columns_ + i)] * scale_;
  }

 private:
  std::vector<float> numbers_;
  int64_t columns_;
  float scale_;
};

// DoRA: W' = m · (W + Δ) / ‖W + Δ‖, normed by rows (an output each) or columns (an input each); PEFT's tuners/lora/dora.py, LyCORIS'
// apply_weight_decompose. A strength s gives W + s · (W' − W), as ComfyUI's weight_decompose.
void add_normed(const Delta& delta, const Change& change, const std::vector<float>& magnitude, float strength, const float* weight,
                float* into) {
  const int64_t columns = change.columns;
  std::vector<float> changed(static_cast<size_t>(change.rows * columns));
  delta.fill(0, change.rows, changed.data());
  for (size_t i = 0; i < changed.size(); i++) changed[i] += weight[i];
  // The norm's index of a number: its row, or its column's input, which a convolution has many columns of.
  const int64_t kernel = change.magnitude_of_rows ? 1 : columns / count_of(magnitude);
  expect(change, change.magnitude_of_rows ? count_of(magnitude) == change.rows : kernel * count_of(magnitude) == columns);
  const auto index = [&](int64_t row, int64_t column) { return static_cast<size_t>(change.magnitude_of_rows ? row : column / kernel); };
  std::vector<double> squares(magnitude.size(), 0.0);
  for (int64_t row = 0; row < change.rows; row++) {
    for (int64_t column = 0; column < columns; column++) {
      const double number = changed[static_cast<size_t>(row * columns + column)];
      squares[index(row, column)] += number * number;
    }
  }
  std::vector<float> factors(magnitude.size());
  for (size_t i = 0; i < factors.size(); i++) factors[i] = squares[i] > 0 ? static_cast<float>(magnitude[i] / std::sqrt(squares[i])) : 0.0f;
  for (int64_t row = 0; row < change.rows; row++) {
    for (int64_t column = 0; column < columns; column++) {
      const size_t at = static_cast<size_t>(row * columns + column);
      into[at] += strength * (factors[index(row, column)] * changed[at] - weight[at]);
    }
  }
}

}  // namespace

void Product::fill(int64_t first, int64_t count, float* into) const {
  std::fill(into, into + count * columns, 0.0f);
  for (int64_t start = 0; start < columns; start += kTile) {
    const int64_t width = std::min(kTile, columns - start);
    for (int64_t i = 0; i < rank; i++) {
      const float* from = b.data() + i * columns + start;
      for (int64_t row = 0; row < count; row++) {
        const float factor = a[static_cast<size_t>((first + row) * rank + i)];
        float* to = into + row * columns + start;
        for (int64_t column = 0; column < width; column++) to[column] += factor * from[column];
      }
    }
  }
}

Product read_pair(NumberFile& file, const Change& change) {
  if (change.form == Form::Lora) return read_product(file, change, "up", "down", "mid", change.rows, change.columns);
  // (a1 · b1) ∘ (a2 · b2) is a product whose rank is the product of both: each row of a1 times each of a2.
  const Product one = read_hada(file, change, "1");
  const Product other = read_hada(file, change, "2");
  Product pair{change.rows, change.columns, one.rank * other.rank, {}, {}};
  pair.a.reserve(static_cast<size_t>(pair.rows * pair.rank));
  for (int64_t row = 0; row < pair.rows; row++) {
    for (int64_t i = 0; i < one.rank; i++) {
      for (int64_t j = 0; j < other.rank; j++) {
        pair.a.push_back(one.a[static_cast<size_t>(row * one.rank + i)] * other.a[static_cast<size_t>(row * other.rank + j)]);
      }
    }
  }
  pair.b.reserve(static_cast<size_t>(pair.rank * pair.columns));
  for (int64_t i = 0; i < one.rank; i++) {
    for (int64_t j = 0; j < other.rank; j++) {
      for (int64_t column = 0; column < pair.columns; column++) {
        pair.b.push_back(one.b[static_cast<size_t>(i * pair.columns + column)] * other.b[static_cast<size_t>(j * pair.columns + column)]);
      }
    }
  }
  return pair;
}

Factors read_factors(NumberFile& file, const Change& change) {
  Factors f;
  const auto whole = [&](const std::string& name, int64_t rows, int64_t columns) {
    if (change.find(name) != nullptr) return file.read(change, name);
    const Product product = read_product(file, change, name + "_a", name + "_b", name == "w2" ? "t2" : "none", rows, columns);
    std::vector<float> numbers(static_cast<size_t>(rows * columns));
    product.fill(0, rows, numbers.data());
    return numbers;
  };
  f.rows1 = change.first_rows;
  f.columns1 = change.first_columns;
  f.rows2 = change.rows / f.rows1;
  f.columns2 = change.columns / f.columns1;
  expect(change, f.rows1 * f.rows2 == change.rows && f.columns1 * f.columns2 == change.columns);
  f.w1 = whole("w1", f.rows1, f.columns1);
  f.w2 = whole("w2", f.rows2, f.columns2);
  expect(change, count_of(f.w1) == f.rows1 * f.columns1 && count_of(f.w2) == f.rows2 * f.columns2);
  return f;
}

float scale_of(NumberFile& file, const Change& change) {
  const auto number = [&](const char* role) {
    const std::vector<float> numbers = file.read(change, role);
    expect(change, numbers.size() == 1);
    return numbers[0];
  };
  float scale = 1.0f;
  if (change.rank > 0) {
    const std::optional<float> alpha = change.find("alpha") != nullptr ? number("alpha") : change.alpha;
    const float rank = static_cast<float>(change.rank);
    if (alpha) scale = *alpha / (change.root_of_rank ? std::sqrt(rank) : rank);
  }
  if (change.find("scale") != nullptr) scale = number("scale");  // stable-diffusion.cpp's, in the place of alpha by rank
  if (change.find("scalar") != nullptr) scale *= number("scalar");
  return scale;
}

std::unique_ptr<Delta> make_delta(NumberFile& file, const Change& change, const float* weight) {
  const float scale = scale_of(file, change);
  switch (change.form) {
    case Form::Lora: return std::make_unique<PairDelta>(read_pair(file, change), scale);
    case Form::Loha: return std::make_unique<HadamardDelta>(read_hada(file, change, "1"), read_hada(file, change, "2"), scale);
    case Form::Lokr: return std::make_unique<KroneckerDelta>(read_factors(file, change), scale);
    case Form::Glora: {
      Product a{1, change.columns, change.rank, {}, file.read(change, "a2")};
      std::vector<float> a1 = file.read(change, "a1");
      Product b = read_product(file, change, "b1", "b2", "none", change.rows, change.columns);
      expect(change, count_of(a1) == change.columns * change.rank && a.b.size() == a1.size());
      return std::make_unique<GloraDelta>(weight, std::move(a1), std::move(a), std::move(b), scale);
    }
    case Form::Full: break;
  }
  std::vector<float> numbers = file.read(change, "diff");
  expect(change, count_of(numbers) == change.rows * change.columns);
  return std::make_unique<FullDelta>(std::move(numbers), change.columns, scale);
}

void add_change(NumberFile& file, const Change& change, float strength, const float* weight, float* into) {
  const std::unique_ptr<Delta> delta = make_delta(file, change, weight);
  if (change.find("magnitude") != nullptr) {
    add_normed(*delta, change, file.read(change, "magnitude"), strength, weight, into);
    return;
  }
  std::vector<float> block(static_cast<size_t>(kRows * change.columns));
  for (int64_t row = 0; row < change.rows; row += kRows) {
    const int64_t count = std::min(kRows, change.rows - row);
    delta->fill(row, count, block.data());
    float* to = into + row * change.columns;
    for (int64_t i = 0; i < count * change.columns; i++) to[i] += strength * block[static_cast<size_t>(i)];
  }
}

bool needs_weight(const Change& change) { return change.form == Form::Glora || change.find("magnitude") != nullptr; }

}  // namespace sdcpp::engine::lora
