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
  using Forward = dnnl::batch_normalization_forward;
  using Backward = dnnl::batch_normalization_backward;
  using Flags = dnnl::normalization_flags;
#if DNNL_VERSION_MAJOR >= 3
  const auto flags = Flags::use_scale | Flags::use_shift | Flags::fuse_norm_relu;
  const auto forward = described<Forward>(engine, {}, dnnl::prop_kind::forward_training, layout, layout, 1e-5f, flags);
  const auto backward = describedAfter<Backward>(forward, engine, {}, dnnl::prop_kind::backward, layout, layout, layout, 1e-5f, flags);
  const std::vector<int> parameters = {DNNL_ARG_SCALE, DNNL_ARG_SHIFT, DNNL_ARG_DIFF_SCALE, DNNL_ARG_DIFF_SHIFT};
#else
  const auto flags = Flags::use_scale_shift | Flags::fuse_norm_relu;
  const auto forward = described<Forward>(engine, {}, dnnl::prop_kind::forward_training, layout, 1e-5f, flags);
  const auto backward = describedAfter<Backward>(forward, engine, {}, dnnl::prop_kind::backward, layout, layout, 1e-5f, flags);
  const std::vector<int> parameters = {DNNL_ARG_SCALE_SHIFT, DNNL_ARG_DIFF_SCALE_SHIFT};
#endif
  Arguments arguments;
  for (const int index : parameters) arguments.emplace(index, filled(forward.weights_desc(), engine));
  for (const int index : {DNNL_ARG_SRC, DNNL_ARG_DST, DNNL_ARG_DIFF_SRC, DNNL_ARG_DIFF_DST}) arguments.emplace(index, filled(layout, engine));
  arguments.emplace(DNNL_ARG_MEAN, filled(forward.mean_desc(), engine));
  arguments.emplace(DNNL_ARG_VARIANCE, filled(forward.variance_desc(), engine));
  arguments.emplace(DNNL_ARG_WORKSPACE, filled(forward.workspace_desc(), engine));
  return fastestSeconds(Forward(forward), arguments, stream, repeats) + fastestSeconds(Backward(backward), arguments, stream, repeats);
}

double timeAddition(const std::array<int64_t, 4>& shape, bool bf16, bool channelsLast, int repeats) {
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const auto type = bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  const memory::desc layout({shape[0], shape[1], shape[2], shape[3]}, type, imagesTag(channelsLast));
  const auto sum = described<dnnl::binary>(engine, {}, dnnl::algorithm::binary_add, layout, layout, layout);
  const Arguments arguments = {{DNNL_ARG_SRC_0, filled(layout, engine)},
                               {DNNL_ARG_SRC_1, filled(layout, engine)},
                               {DNNL_ARG_DST, filled(layout, engine)}};
  return fastestSeconds(dnnl::binary(sum), arguments, stream, repeats);
}

}  // namespace knack::cpu
