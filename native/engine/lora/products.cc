#include "engine/lora/products.h"

#include <algorithm>
#include <map>
#include <utility>

#include "engine/lora/delta.h"
#include "engine/lora/soundness.h"
#include "engine/repack.h"
#include "errors.h"
#include "job/cancel.h"

namespace sdcpp::engine::lora {
namespace {

// Of the modules around the blocks, those that are read by products alone too.
bool is_read_by_products(const std::string& weight) {
  static const char* const around[] = {"context_embedder.weight",
                                       "t_embedder.mlp.0.weight",
                                       "t_embedder.mlp.2.weight",
                                       "y_embedder.mlp.0.weight",
                                       "y_embedder.mlp.2.weight",
                                       "final_layer.linear.weight",
                                       "final_layer.adaLN_modulation.1.weight"};
  if (only_in_products(weight)) return true;
  return std::any_of(std::begin(around), std::end(around),
                     [&](const char* name) { return weight == std::string("model.diffusion_model.") + name; });
}

int64_t rank_of(const Change& change) {
  if (change.form == Form::Lora) return change.rank;
  return change.find("w1_a")->elements / change.rows * (change.find("w2_a")->elements / change.rows);
}

// A change in memory: a pair (a [rank, rows] · b [columns, rank], in ggml's order), or LoKr's two factors.
struct Piece {
  const Placed* placed;
  ggml_tensor* a = nullptr;
  ggml_tensor* b = nullptr;
};

struct FreeContext {
  void operator()(ggml_context* context) const { ggml_free(context); }
};
struct FreeBuffer {
  void operator()(ggml_backend_buffer* buffer) const { ggml_backend_buffer_free(buffer); }
};

void scale(std::vector<float>& numbers, float factor) {
  for (float& number : numbers) number *= factor;
}

void put(ggml_tensor* tensor, const std::vector<float>& numbers) {
  GGML_ASSERT(ggml_nbytes(tensor) == numbers.size() * sizeof(float));
  ggml_backend_tensor_set(tensor, numbers.data(), 0, ggml_nbytes(tensor));
}

class Products final : public WeightAdapter {
 public:
  Products(ggml_backend_t backend, ByTensor changes) : changes_(std::move(changes)) {
    size_t count = 0;
    for (const auto& [target, placed] : changes_) count += placed.size();
    context_.reset(ggml_init({ggml_tensor_overhead() * 2 * count, nullptr, true}));
    for (const auto& [target, placed] : changes_) {
      for (const Placed& one : placed) pieces_[target].push_back(make(one));
    }
    buffer_.reset(ggml_backend_alloc_ctx_tensors(context_.get(), backend));
    if (!buffer_) throw Failure(code::InsufficientMemory, "loras: not enough memory on " + std::string(ggml_backend_name(backend)));
    for (const auto& [target, pieces] : pieces_) {
      for (const Piece& piece : pieces) fill(piece);
    }
  }

  ggml_tensor* patch_weight(ggml_context*, ggml_backend_t, ggml_tensor* weight, const std::string&) override { return weight; }

  ggml_tensor* forward_with_lora(ggml_context* ctx, ggml_backend_t, ggml_tensor* x, ggml_tensor* w, ggml_tensor* b,
                                 const std::string& prefix, ForwardParams params) override {
    if (params.op_type == ForwardParams::op_type_t::OP_CONV2D) {
      const auto& p = params.conv2d;
      return ggml_ext_conv_2d(ctx, x, w, b, p.s0, p.s1, p.p0, p.p1, p.d0, p.d1, p.direct, p.circular_x, p.circular_y, p.scale);
    }
    ggml_tensor* out = ggml_ext_linear(ctx, x, w, b, params.linear.force_prec_f32, params.linear.scale);
    const auto found = pieces_.find(prefix + "weight");
    if (found == pieces_.end()) return out;
    for (const Piece& piece : found->second) {
      ggml_tensor* more = piece.placed->change.form == Form::Lokr ? kronecker(ctx, piece, x) : pair(ctx, piece, x);
      if (more->ne[0] == out->ne[0]) {
        out = ggml_add_inplace(ctx, out, more);
      } else {
        out =
            ggml_acc_inplace(ctx, out, more, out->nb[1], out->nb[2], out->nb[3], static_cast<size_t>(piece.placed->first_row) * out->nb[0]);
      }
    }
    return out;
  }

  size_t get_extra_graph_size() override { return changes_.size() * 3 * 16; }

 private:
  Piece make(const Placed& placed) {
    const Change& change = placed.change;
    const auto matrix = [&](int64_t columns, int64_t rows) { return ggml_new_tensor_2d(context_.get(), GGML_TYPE_F32, columns, rows); };
    if (change.form == Form::Lokr) {
      return {&placed, matrix(change.first_columns, change.first_rows),
              matrix(change.columns / change.first_columns, change.rows / change.first_rows)};
    }
    return {&placed, matrix(rank_of(change), change.rows), matrix(change.columns, rank_of(change))};
  }

  static void fill(const Piece& piece) {
    throw_if_cancelled();
    const Change& change = piece.placed->change;
    NumberFile file(piece.placed->path);
    const float factor = piece.placed->strength * scale_of(file, change);
    if (change.form == Form::Lokr) {
      Factors factors = read_factors(file, change);
      scale(factors.w1, factor);
      expect_sound(is_sound(factors), piece.placed->path, change);
      put(piece.a, factors.w1);
      put(piece.b, factors.w2);
      return;
    }
    Product product = read_pair(file, change);
    scale(product.a, factor);
    expect_sound(is_sound(product), piece.placed->path, change);
    if (change.halves)
      std::swap_ranges(product.a.begin(), product.a.begin() + product.a.size() / 2, product.a.begin() + product.a.size() / 2);
    put(piece.a, product.a);
    put(piece.b, product.b);
  }

  static ggml_tensor* pair(ggml_context* ctx, const Piece& piece, ggml_tensor* x) {
    return ggml_ext_linear(ctx, ggml_ext_linear(ctx, x, piece.b, nullptr), piece.a, nullptr);
  }

  // x is columns1 x columns2 numbers a token: w2 takes the inner ones, w1 the outer ones.
  static ggml_tensor* kronecker(ggml_context* ctx, const Piece& piece, ggml_tensor* x) {
    const int64_t tokens = x->ne[1] * x->ne[2] * x->ne[3];
    const int64_t n1 = x->ne[1], n2 = x->ne[2], n3 = x->ne[3];
    if (!ggml_is_contiguous(x)) x = ggml_cont(ctx, x);
    x = ggml_mul_mat(ctx, piece.b, ggml_reshape_2d(ctx, x, piece.b->ne[0], piece.a->ne[0] * tokens));
    x = ggml_reshape_3d(ctx, x, piece.b->ne[1], piece.a->ne[0], tokens);
    x = ggml_cont(ctx, ggml_permute(ctx, x, 1, 0, 2, 3));
    x = ggml_mul_mat(ctx, piece.a, ggml_reshape_2d(ctx, x, piece.a->ne[0], piece.b->ne[1] * tokens));
    x = ggml_reshape_3d(ctx, x, piece.a->ne[1], piece.b->ne[1], tokens);
    x = ggml_cont(ctx, ggml_permute(ctx, x, 1, 0, 2, 3));
    return ggml_reshape_4d(ctx, x, piece.a->ne[1] * piece.b->ne[1], n1, n2, n3);
  }

  const ByTensor changes_;
  std::map<std::string, std::vector<Piece>> pieces_;
  std::unique_ptr<ggml_context, FreeContext> context_;
  std::unique_ptr<ggml_backend_buffer, FreeBuffer> buffer_;
};

}  // namespace

bool is_product(const Change& change) {
  if (change.find("magnitude") != nullptr || !is_read_by_products(change.target)) return false;
  const int64_t numbers = change.rows * change.columns;
  switch (change.form) {
    case Form::Lora: return rank_of(change) * (change.rows + change.columns) <= numbers;
    case Form::Loha: return change.find("t1") == nullptr && rank_of(change) * (change.rows + change.columns) <= numbers;
    case Form::Lokr: return !change.halves && 4 * (numbers / (change.first_rows * change.first_columns)) <= numbers;
    default: return false;
  }
}

std::shared_ptr<WeightAdapter> make_products(ggml_backend_t backend, const ByTensor& changes) {
  if (changes.empty()) return nullptr;
  return std::make_shared<Products>(backend, changes);
}

}  // namespace sdcpp::engine::lora
