// How a convolution's passes are computed: each by oneDNN's direct algorithm, or by our own of Winograd's.
#pragma once

#include "program.h"
#include "weight-shares.h"
#include "winograd.h"

namespace knack::cpu {

// As TypeScript numbers them.
enum class Algorithm { Direct = 0, Winograd = 1 };
Algorithm algorithmOf(int64_t number);

// Forward, backward data, backward weights.
using Algorithms = std::array<Algorithm, 3>;

using Forward = dnnl::convolution_forward;
using BackwardData = dnnl::convolution_backward_data;

memory::dims dims(const std::array<int64_t, 2>& pair);
// dims[from] x dims[from + 1] x …
int64_t product(const memory::dims& dims, size_t from);
// [out][in / groups][height][width], or with the groups before them.
memory::dims weightDims(int64_t outChannels, int64_t inChannels, const Geometry& g);
memory::desc plainWeight(const memory::dims& weight);

// What is convolved; the weights' layouts are the passes' choice.
struct Shapes {
  memory::desc source, destination;
  memory::dims weight, stride, before, after;
};

// What a convolution does beside convolving, only without training: the bias, and what follows it.
struct Fused {
  const memory::desc* bias = nullptr;
  dnnl::post_ops after;
};

// Which passes are wanted.
struct Wanted {
  bool training, dataGradient, weightGradient;
};

// A convolution's passes as they will be computed. One that is not wanted is empty, and so is one by our own Winograd.
struct Passes {
  Forward::primitive_desc forward;
  BackwardData::primitive_desc data;
  std::vector<WeightShare> weights;
  // Of the images; the forward pass chooses it where it is free.
  memory::desc source;
  // What computes the passes that are ours.
  std::unique_ptr<Winograd> winograd;
  std::array<bool, 3> ours = {false, false, false};

  Passes() = default;
  // @throws Unsupported where a pass cannot be had by its algorithm, or only as oneDNN's reference, which takes seconds; dnnl::error
  Passes(const dnnl::engine& engine, const Algorithms& algorithms, Shapes shapes, const Wanted& wanted, const Fused& fused = {});
};

struct ConvolutionTask {
  std::array<int64_t, 4> images;
  int64_t outChannels;
  Geometry geometry;
  bool bfloat16;
  bool training;
  bool first;  // reads the network's images: beside blocks in any layout, and without a gradient for them
  bool channelsLast;
  Algorithms algorithms;
};

// Seconds of one of a convolution's passes (0 forward, 1 backward data, 2 weights), the fastest of the repeats; a negative number where not all that
// are wanted can be computed, each by its algorithm. With 0 repeats that is all that is looked at.
double timeConvolution(const ConvolutionTask& task, int pass, int repeats);

// The share of a convolution's passes for which oneDNN's fastest implementation wants images channels-last, where it is free to choose.
double shareInChannelsLast(const ConvolutionTask& task);

}  // namespace knack::cpu
