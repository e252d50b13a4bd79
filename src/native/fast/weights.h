// A weight between the row-major float32 memory that JavaScript owns and the layouts that oneDNN's primitives want.
#pragma once

#include "program.h"

namespace knack::fast {

// A copy of a weight for one primitive. In training it is made anew for each use, in memory that others have at other moments: the primitive finds
// it in the cache, and the network is held once. For inference it is made once and stays.
class WeightCopy {
 public:
  void plan(Program& program, const memory::desc& layout, int moment) {
    layout_ = layout;
    if (program.settings.training) buffer_ = program.newBuffer(layout.get_size(), moment);
  }

  const memory& bind(const Program& program, const memory& weight) {
    weight_ = weight;
    copy_ = buffer_ ? bound(program, layout_, buffer_) : memory(layout_, program.engine);
    reorder_ = dnnl::reorder(weight_, copy_);
    return copy_;
  }

  // Called when weights may have changed.
  void makeToStay(const dnnl::stream& stream) {
    if (!buffer_) reorder_.execute(stream, weight_, copy_);
  }

  // Called right before the primitive runs.
  void makeForUse(const dnnl::stream& stream) {
    if (buffer_) reorder_.execute(stream, weight_, copy_);
  }

 private:
  memory::desc layout_;
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
    store_ = dnnl::reorder(made_, gradient_);
    dnnl::post_ops sum;
    sum.append_sum(1);
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(sum);
    add_ = dnnl::reorder(dnnl::reorder::primitive_desc(made_, gradient_, attributes));
    return made_;
  }

  // @param add whether it is added to what the gradient holds
  void take(const dnnl::stream& stream, bool add) { (add ? add_ : store_).execute(stream, made_, gradient_); }

 private:
  memory::desc layout_;
  Buffer* buffer_ = nullptr;
  memory made_, gradient_;
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

}  // namespace knack::fast
