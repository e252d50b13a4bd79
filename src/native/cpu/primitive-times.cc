#include "primitive-times.h"

#include <cstring>

namespace knack::cpu {

namespace {

memory filled(const memory::desc& layout, const dnnl::engine& engine) {
  memory result(layout, engine);
  std::memset(result.get_data_handle(), 0, layout.get_size());
  return result;
}

}  // namespace

double fastestSeconds(const dnnl::primitive& primitive, const Arguments& arguments, dnnl::stream& stream, int repeats) {
  return fastestSeconds(
      [&] {
        primitive.execute(stream, arguments);
        stream.wait();
      },
      repeats);
}

double timeBatchNorm(const std::array<int64_t, 4>& shape, bool bf16, bool channelsLast, int repeats) {
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const auto type = bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  const memory::desc layout({shape[0], shape[1], shape[2], shape[3]}, type, imagesTag(channelsLast));
  const auto flags = dnnl::normalization_flags::use_scale_shift | dnnl::normalization_flags::fuse_norm_relu;
  const dnnl::batch_normalization_forward::primitive_desc forward(
      {dnnl::prop_kind::forward_training, layout, 1e-5f, flags}, engine);
  const dnnl::batch_normalization_backward::primitive_desc backward(
      {dnnl::prop_kind::backward, layout, layout, 1e-5f, flags}, engine, forward);
  Arguments arguments;
  for (const auto& [index, description] : std::vector<std::pair<int, memory::desc>>{
           {DNNL_ARG_SRC, layout},
           {DNNL_ARG_DST, layout},
           {DNNL_ARG_MEAN, forward.mean_desc()},
           {DNNL_ARG_VARIANCE, forward.variance_desc()},
           {DNNL_ARG_SCALE_SHIFT, forward.weights_desc()},
           {DNNL_ARG_WORKSPACE, forward.workspace_desc()},
           {DNNL_ARG_DIFF_DST, layout},
           {DNNL_ARG_DIFF_SRC, layout},
           {DNNL_ARG_DIFF_SCALE_SHIFT, forward.weights_desc()}}) {
    arguments.emplace(index, filled(description, engine));
  }
  return fastestSeconds(dnnl::batch_normalization_forward(forward), arguments, stream, repeats) +
         fastestSeconds(dnnl::batch_normalization_backward(backward), arguments, stream, repeats);
}

double timeAddition(const std::array<int64_t, 4>& shape, bool bf16, bool channelsLast, int repeats) {
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const auto type = bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  const memory::desc layout({shape[0], shape[1], shape[2], shape[3]}, type, imagesTag(channelsLast));
  const dnnl::binary::primitive_desc sum({dnnl::algorithm::binary_add, layout, layout, layout}, engine);
  const Arguments arguments = {{DNNL_ARG_SRC_0, filled(layout, engine)},
                               {DNNL_ARG_SRC_1, filled(layout, engine)},
                               {DNNL_ARG_DST, filled(layout, engine)}};
  return fastestSeconds(dnnl::binary(sum), arguments, stream, repeats);
}

}  // namespace knack::cpu
