#include "convolution-passes.h"

#include <omp.h>

#include <algorithm>
#include <cstring>

#include "primitive-times.h"
#include "reader.h"

namespace knack::cpu {

namespace {

constexpr auto kDirect = dnnl::algorithm::convolution_direct;

dnnl::primitive_attr attributesWith(const dnnl::post_ops& after) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (after.len() > 0) attributes.set_post_ops(after);
  return attributes;
}

// @throws Unsupported where the convolution is not of Winograd's kind
std::unique_ptr<Winograd> winogradOf(const Shapes& s) {
  const memory::dims from = dimsOf(s.source), to = dimsOf(s.destination);
  const memory::desc blocks(from, memory::data_type::f32, imagesTag(false));
  const bool is3x3 = s.weight.size() == 4 && s.weight[2] == 3 && s.weight[3] == 3 && s.stride == memory::dims{1, 1};
  const bool isPadded = std::max({s.before[0], s.before[1], s.after[0], s.after[1]}) <= 2;
  if (!is3x3 || !isPadded || s.source != blocks || from[1] % kBlock != 0) throw Unsupported("Winograd's algorithm for such a convolution");
  const WinogradShape shape = {from[0], from[1], to[1], {from[2], from[3]}, {to[2], to[3]}, {s.before[0], s.before[1]}};
  return kBlock == 16 ? winogradOver16(shape) : winogradOver8(shape);
}

memory filled(const memory::desc& layout, const dnnl::engine& engine) {
  memory result(layout, engine);
  std::memset(result.get_data_handle(), 0, layout.get_size());
  return result;
}

// Each share has a gradient of its own, and all are added up: with more threads than that oneDNN divides the work itself.
constexpr int kMostShares = 4;

// The same layout for so many images: the outermost of its dimensions.
memory::desc ofImages(const memory::desc& layout, int64_t images) {
  memory::dims dims = dimsOf(layout);
  dims[0] = images;
  return layout.submemory_desc(dims, memory::dims(dims.size(), 0));
}

double timeWinograd(const Winograd& winograd, const memory::desc& source, const memory::desc& destination, const ConvolutionTask& task,
                    int pass, int repeats) {
  const auto zeros = [](size_t bytes) { return std::vector<float>(bytes / sizeof(float), 0.0f); };
  auto x = zeros(source.get_size()), y = zeros(destination.get_size()), weight = zeros(4 * 9 * task.images[1] * task.outChannels);
  auto transformed = zeros(winograd.transformedBytes());
  auto scratch = zeros(pass == 2 ? winograd.weightScratchBytes() : winograd.scratchBytes());
  return fastestSeconds(
      [&] {
        if (pass == 2) return winograd.backwardWeights(x.data(), y.data(), weight.data(), false, scratch.data());
        winograd.transform(weight.data(), pass == 1, transformed.data());
        if (pass == 0) winograd.forward(x.data(), transformed.data(), y.data(), {nullptr, nullptr, -INFINITY, INFINITY}, scratch.data());
        else winograd.backwardData(y.data(), transformed.data(), x.data(), scratch.data());
      },
      repeats);
}

}  // namespace

Algorithm algorithmOf(int64_t number) { return number == 1 ? Algorithm::Winograd : Algorithm::Direct; }

memory::dims dims(const std::array<int64_t, 2>& pair) { return {pair[0], pair[1]}; }

int64_t product(const memory::dims& dims, size_t from) {
  int64_t result = 1;
  for (size_t i = from; i < dims.size(); ++i) result *= dims[i];
  return result;
}

memory::dims weightDims(int64_t outChannels, int64_t inChannels, const Geometry& g) {
  if (g.groups == 1) return {outChannels, inChannels, g.kernel[0], g.kernel[1]};
  return {g.groups, outChannels / g.groups, inChannels / g.groups, g.kernel[0], g.kernel[1]};
}

memory::desc plainWeight(const memory::dims& weight) {
  return {weight, memory::data_type::f32, weight.size() == 4 ? memory::format_tag::abcd : memory::format_tag::abcde};
}

Passes::Passes(const dnnl::engine& engine, const Algorithms& algorithms, Shapes s, const Wanted& wanted, const Fused& fused) {
  const memory::desc weight(s.weight, typeOf(s.destination), memory::format_tag::any);
  const memory::desc weight32(s.weight, memory::data_type::f32, memory::format_tag::any);
  const auto describeForward = [&] {
    const auto kind = wanted.training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
    const auto with = attributesWith(fused.after);
    return fused.bias
               ? described<Forward>(engine, with, kind, kDirect, s.source, weight, *fused.bias, s.destination, s.stride, s.before, s.after)
               : described<Forward>(engine, with, kind, kDirect, s.source, weight, s.destination, s.stride, s.before, s.after);
  };
  const memory::dims out = dimsOf(s.destination);
  const int64_t work = out[0] * out[2] * out[3] * product(s.weight, 0);
  const std::array<bool, 3> asked = {true, wanted.dataGradient, wanted.weightGradient};
  for (int pass = 0; pass < 3; ++pass) ours[pass] = asked[pass] && algorithms[pass] == Algorithm::Winograd;
  if (ours[0] || ours[1] || ours[2]) winograd = winogradOf(s);
  if (!ours[0]) {
    forward = describeForward();
    refuseReference(forward, "a convolution", work);
    s.source = forward.src_desc();
  }
  source = s.source;
  // What a backward pass of oneDNN's wants to see.
  const auto hint = [&] { return forward ? forward : describeForward(); };
  if (wanted.dataGradient && !ours[1]) {
    data = describedAfter<BackwardData>(hint(), engine, attributesWith({}), kDirect, s.source, weight, s.destination, s.stride, s.before, s.after);
    refuseReference(data, "a convolution's gradient of its input", work);
  }
  if (wanted.weightGradient && !ours[2]) {
    const int threads = omp_get_max_threads();
    const int64_t images = out[0], shares = threads > kMostShares || threads > images ? 1 : threads;
    const MadeFor each(shares == 1 ? threads : 1);
    for (int64_t i = 0; i < shares; ++i) {
      const int64_t first = images * i / shares, some = images * (i + 1) / shares - first;
      const memory::desc source = ofImages(s.source, some), destination = ofImages(s.destination, some);
      const auto forwardOfSome = described<Forward>(engine, attributesWith({}), dnnl::prop_kind::forward_training, kDirect, source, weight,
                                                    destination, s.stride, s.before, s.after);
      const auto description = describedAfter<BackwardWeights>(forwardOfSome, engine, attributesWith({}), kDirect, source, weight32, destination,
                                                               s.stride, s.before, s.after);
      refuseReference(description, "a convolution's gradient of its weights", work);
      weights.push_back({description, first, some});
    }
  }
}

double timeConvolution(const ConvolutionTask& task, int pass, int repeats) {
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const Geometry& g = task.geometry;
  const auto type = task.bfloat16 ? memory::data_type::bf16 : memory::data_type::f32;
  const auto [n, c, h, w] = task.images;
  const bool anySource = task.first && !task.channelsLast;
  const memory::desc source({n, c, h, w}, type, anySource ? memory::format_tag::any : imagesTag(task.channelsLast));
  const memory::desc destination({n, task.outChannels, windows(h, g, 0), windows(w, g, 1)}, type, imagesTag(task.channelsLast));
  try {
    const Passes passes(engine, task.algorithms, {source, destination, weightDims(task.outChannels, c, g), dims(g.stride), dims(g.before), dims(g.after)},
                        {task.training, task.training && !task.first, task.training});
    if (repeats == 0) return 0;
    if (passes.ours[pass]) return timeWinograd(*passes.winograd, passes.source, destination, task, pass, repeats);
    const auto zeros = [&](const memory::desc& layout) { return filled(layout, engine); };
    const auto time = [&](const dnnl::primitive& primitive, Arguments arguments, const memory::desc& scratchpad) {
      arguments.emplace(DNNL_ARG_SCRATCHPAD, zeros(scratchpad));
      return fastestSeconds(primitive, arguments, stream, repeats);
    };
    const auto& forward = passes.forward;
    const auto& data = passes.data;
    if (pass == 0) {
      return time(Forward(forward),
                  {{DNNL_ARG_SRC, zeros(forward.src_desc())},
                   {DNNL_ARG_WEIGHTS, zeros(forward.weights_desc())},
                   {DNNL_ARG_DST, zeros(forward.dst_desc())}},
                  forward.scratchpad_desc());
    }
    if (pass == 1) {
      return time(BackwardData(data),
                  {{DNNL_ARG_DIFF_DST, zeros(data.diff_dst_desc())},
                   {DNNL_ARG_WEIGHTS, zeros(data.weights_desc())},
                   {DNNL_ARG_DIFF_SRC, zeros(data.diff_src_desc())}},
                  data.scratchpad_desc());
    }
    std::vector<memory> held;
    const auto place = [&](const memory::desc& layout) { return held.emplace_back(zeros(layout)).get_data_handle(); };
    std::vector<WeightShares::Place> places;
    for (const WeightShare& share : passes.weights) {
      places.push_back({place(share.description.diff_weights_desc()), place(share.description.scratchpad_desc())});
    }
    WeightShares weights(passes.weights, engine, place(passes.source), place(destination), places);
    return fastestSeconds([&] { weights.execute(); }, repeats);
  } catch (const dnnl::error&) {
    return -1;
  } catch (const Unsupported&) {
    return -1;
  }
}

double shareInChannelsLast(const ConvolutionTask& task) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const Geometry& g = task.geometry;
  const auto type = task.bfloat16 ? memory::data_type::bf16 : memory::data_type::f32;
  const auto [n, c, h, w] = task.images;
  const memory::dims in = {n, c, h, w}, out = {n, task.outChannels, windows(h, g, 0), windows(w, g, 1)};
  const auto any = [](const memory::dims& dims, memory::data_type of) { return memory::desc(dims, of, memory::format_tag::any); };
  const memory::desc source = any(in, type), destination = any(out, type);
  const memory::dims weights = weightDims(task.outChannels, c, g), stride = dims(g.stride), before = dims(g.before), after = dims(g.after);
  const auto kind = task.training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
  // The results' layout says it: that of the network's images is free in any case.
  const auto isLast = [&](const memory::desc& layout) { return layout == memory::desc(out, type, imagesTag(true)) ? 1.0 : 0.0; };
  try {
    const auto forward = described<Forward>(engine, {}, kind, kDirect, source, any(weights, type), destination, stride, before, after);
    double wanted = isLast(forward.dst_desc()), passes = 1;
    if (task.training) {
      const auto weight = describedAfter<BackwardWeights>(forward, engine, {}, kDirect, source, any(weights, memory::data_type::f32),
                                                          destination, stride, before, after);
      wanted += isLast(weight.diff_dst_desc()), ++passes;
    }
    if (task.training && !task.first) {
      const auto data =
          describedAfter<BackwardData>(forward, engine, {}, kDirect, source, any(weights, type), destination, stride, before, after);
      wanted += isLast(data.diff_dst_desc()), ++passes;
    }
    return wanted / passes;
  } catch (const dnnl::error&) {
    return 0;
  }
}

}  // namespace knack::cpu
