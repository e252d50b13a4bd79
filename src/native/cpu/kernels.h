// The loops over activations that oneDNN has no fused form of. They work on kBlock channels of an image that lie side by side, pixel by pixel;
// `stride` elements lie between the first ones of two pixels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "processor.h"

namespace knack::cpu {

using bfloat16 = uint16_t;

// What an activation stops a gradient at, as libtorch does: values that are `low` or less, or `high` or more (NaN: no value is), and NaN unless `nan`.
struct Window {
  float low;
  float high;
  bool nan;
};

// Mean and sum of squared deviations of each channel over the pixels.
template <typename T>
void channelStatistics(const T* x, size_t pixels, size_t stride, float* mean, float* squares);

// Which channels of a pixel an activation let the gradient through: a bit each.
using Passed = uint16_t;

// max(x, low) and min(x, high), infinite where nothing is cut, and what that lets gradients through.
struct Clamp {
  float low, high;
  Window window;
  // Whether the window is for the values before they are cut: what lies at a border may have come from beyond it.
  bool windowBefore;
};

// What a batch norm makes of its channels: x scale + shift.
struct Line {
  const float* scale;
  const float* shift;
};

// y = min(max(x scale + shift (+ residual), low), high); residual may be null, y may be x or residual. A residual may have a line of its own. With a
// residual, what is let through is noted unless `passed` is null.
template <typename T>
void normalise(const T* x, const T* residual, T* y, Passed* passed, size_t pixels, size_t stride, const Line& line,
               const Line* residualLine, const Clamp& clamp);

// How the gradient that arrives at a normalisation is stopped where the activation was flat.
struct Gate {
  const Passed* passed;  // as noted; null: it is found again from x
  Line line;             // of x, where `passed` is null; without one nothing is stopped
  Window window;
};

// The gradient g (+ g2), gated: its sum, and its sum times (x - mean), for each channel. Written to `gated` unless that is null; g may be `gated`.
template <typename T>
void reduceGradient(const T* g, const T* g2, const T* x, const Gate& gate, T* gated, size_t pixels, size_t stride,
                    const float* mean, float* sum, float* product);

// dx = a g + b (x - mean) + c; g is gated first where `gate` is not null. dx may be g.
template <typename T>
void applyGradient(const T* g, const T* x, const Gate* gate, T* dx, size_t pixels, size_t stride, const float* mean,
                   const float* a, const float* b, const float* c);

// y = min(max(a + b, low), high); b may be null, y may be a.
template <typename T>
void addClamped(const T* a, const T* b, T* y, size_t count, float low, float high);

// result <- g where the window lets a + b through, else 0; b may be null, result may be g.
template <typename T>
void gateGradient(const T* g, const T* a, const T* b, T* result, size_t count, Window window);

// Whether one of the numbers is NaN.
template <typename T>
bool hasNaN(const T* x, size_t count);

// The sum of each channel over the pixels.
template <typename T>
void sumPixels(const T* x, size_t pixels, size_t stride, float* sum);

// Each pixel <- value.
template <typename T>
void spreadPixels(const float* value, T* y, size_t pixels, size_t stride);

// y = x times each channel's factor; y may be x.
template <typename T>
void scaleChannels(const T* x, const T* factor, T* y, size_t pixels, size_t stride);

// The sum of a times b of each channel over the pixels.
template <typename T>
void sumProducts(const T* a, const T* b, T* sum, size_t pixels, size_t stride);

float toFloat(float value);
float toFloat(bfloat16 value);
template <typename T>
T fromFloat(float value);

}  // namespace knack::cpu
