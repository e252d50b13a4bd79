// What convolutions and linear layers over integers share: sums of products that become, for each output channel, scale x sum + offset.
#pragma once

#include <limits>

#include "int8.h"
#include "weights.h"

namespace knack::cpu {

class Scaling {
 public:
  Scaling() = default;
  // oneDNN 2 adds before it scales, oneDNN 3 after.
  Scaling(std::vector<float> scales, std::vector<float> offsets) : scales_(std::move(scales)), added_(std::move(offsets)) {
    for (size_t channel = 0; channel < scales_.size(); ++channel) {
      if (!kIsOneDnn3) added_[channel] /= scales_[channel];
      if (!std::isfinite(added_[channel])) throw Unsupported("integers of so small a scale");
    }
  }

  // @param weightMask which of the weights' dimensions are output channels
  void describe(dnnl::primitive_attr& attributes, [[maybe_unused]] int weightMask) const {
#if DNNL_VERSION_MAJOR >= 3
    attributes.set_scales_mask(DNNL_ARG_WEIGHTS, weightMask);
#else
    attributes.set_output_scales(1 << 1, scales_);
#endif
  }

  memory::desc bias() const { return row(scales_.size()); }

  // The arguments point into this object.
  void bind(const dnnl::engine& engine, Arguments& arguments) {
    arguments[DNNL_ARG_BIAS] = memory(row(added_.size()), engine, added_.data());
#if DNNL_VERSION_MAJOR >= 3
    arguments[DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS] = memory(row(scales_.size()), engine, scales_.data());
#endif
  }

 private:
  static memory::desc row(size_t count) {
    return memory::desc({static_cast<int64_t>(count)}, memory::data_type::f32, memory::format_tag::a);
  }

  std::vector<float> scales_, added_;
};

// A layer's weights in the layout that its primitive wants, in the program's memory as long as that lives: it has large pages.
class Int8Weights {
 public:
  Int8Weights(std::vector<int8_t> rows, const memory::dims& dims) : rows_(std::move(rows)), dims_(dims) {}

  // In whichever layout the primitive likes best.
  memory::desc any() const { return memory::desc(dims_, memory::data_type::s8, memory::format_tag::any); }

  void plan(Program& program, const memory::desc& wanted) {
    wanted_ = wanted;
    buffer_ = program.newBuffer(wanted.get_size(), 0);
    buffer_->last = std::numeric_limits<int>::max();
  }

  // The row-major ones are not kept.
  memory bind(const Program& program) {
    const auto tag = dims_.size() == 2   ? memory::format_tag::ab
                     : dims_.size() == 4 ? memory::format_tag::abcd
                                         : memory::format_tag::abcde;
    memory rows(memory::desc(dims_, memory::data_type::s8, tag), program.engine, rows_.data());
    memory weights = bound(program, wanted_, buffer_);
    dnnl::reorder(rows, weights).execute(program.stream, rows, weights);
    std::vector<int8_t>().swap(rows_);
    return weights;
  }

 private:
  std::vector<int8_t> rows_;
  memory::dims dims_;
  memory::desc wanted_;
  Buffer* buffer_ = nullptr;
};

}  // namespace knack::cpu
