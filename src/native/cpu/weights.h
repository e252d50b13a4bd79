// A weight between the row-major float32 memory that JavaScript owns and the layouts that oneDNN's primitives want.
#pragma once

#include "program.h"
#include "weight-blocks.h"

namespace knack::cpu {

// A copy of a weight for one primitive. In training it is made anew for each use, in memory that others have at other moments: the primitive finds
// it in the cache, and the network is held once. For inference it is made once and stays.
class WeightCopy {
 public:
  // @param own the weight's layout; where the primitive wants the same there is no copy
  void plan(Program& program, const memory::desc& wanted, const memory::desc& own, int moment) {
    wanted_ = wanted;
    needed_ = wanted != own;
    if (needed_ && program.settings.training) buffer_ = program.newBuffer(wanted.get_size(), moment);
  }

  const memory& bind(const Program& program, const memory& weight) {
    weight_ = weight;
    if (!needed_) return weight_;
    copy_ = buffer_ ? bound(program, wanted_, buffer_) : memory(wanted_, program.engine);
    reorder_ = dnnl::reorder(weight_, copy_);
    return copy_;
  }

  // Called when weights may have changed.
  void makeToStay(const dnnl::stream& stream) {
    if (stays()) reorder_.execute(stream, weight_, copy_);
  }

  // Whether it was made to stay: nobody reads the weight itself.
  bool stays() const { return needed_ && !buffer_; }

  // Called right before the primitive runs.
  void makeForUse(const dnnl::stream& stream) {
    if (buffer_) reorder_.execute(stream, weight_, copy_);
  }

 private:
  memory::desc wanted_;
  bool needed_ = false;
  Buffer* buffer_ = nullptr;
  memory weight_, copy_;
  dnnl::reorder reorder_;
};

// A weight's gradient as a primitive makes it, on its way into the weight's own layout.
class WeightGradient {
 public:
  void plan(Program& program, const memory::desc& layout, int moment) {
    layout_ = layout;
    buffer_ = program.newBuffer(layout.get_size(), moment);
  }

  const memory& bind(const Program& program, const memory& gradient) {
    gradient_ = gradient;
    made_ = bound(program, layout_, buffer_);
    const memory::dims dims = dimsOf(layout_);
    const bool is1x1 = dims.size() == 4 && dims[2] * dims[3] == 1;
    blocked_ = is1x1 && dims[0] % kBlock == 0 && dims[1] % kBlock == 0 &&
               layout_ == memory::desc(dims, memory::data_type::f32,
                                     kBlock == 16 ? memory::format_tag::ABcd16b16a : memory::format_tag::ABcd8b8a);
    if (blocked_) return made_;
    store_ = dnnl::reorder(made_, gradient_);
    dnnl::post_ops sum;
    sum.append_sum(1);
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(sum);
    add_ = dnnl::reorder(dnnl::reorder::primitive_desc(made_, gradient_, attributes));
    return made_;
  }

  // @param add whether it is added to what the gradient holds
  void take(const dnnl::stream& stream, bool add) {
    if (!blocked_) return (add ? add_ : store_).execute(stream, made_, gradient_);
    const memory::dims dims = dimsOf(layout_);
    unblock(static_cast<const float*>(made_.get_data_handle()), static_cast<float*>(gradient_.get_data_handle()), dims[0],
            dims[1], add);
  }

 private:
  memory::desc layout_;
  Buffer* buffer_ = nullptr;
  memory made_, gradient_;
  bool blocked_ = false;
  dnnl::reorder store_, add_;
};

// What a primitive needs beside its arguments while it runs, in memory that others have at other moments. Its description has scratchpad_mode::user.
class Scratchpad {
 public:
  void plan(Program& program, const memory::desc& layout, int moment) {
    layout_ = layout;
    if (layout.get_size() > 0) buffer_ = program.newBuffer(layout.get_size(), moment);
  }

  void bind(const Program& program, Arguments& arguments) const {
    if (buffer_) arguments.emplace(DNNL_ARG_SCRATCHPAD, bound(program, layout_, buffer_));
  }

 private:
  memory::desc layout_;
  Buffer* buffer_ = nullptr;
};

}  // namespace knack::cpu
