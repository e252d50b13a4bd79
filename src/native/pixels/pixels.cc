// The inner loops over pictures' bytes, for threads that load pictures: an addon of its own, because they need no libtorch.
#include <napi.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace {

// Where the CPU has AVX2 a loop takes eight sums at once: the compiler makes both forms, and the right one is chosen at start-up.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define KNACK_WIDEST __attribute__((target_clones("avx2", "default")))
#else
#define KNACK_WIDEST
#endif

constexpr int kPrecisionBits = 22;
constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);

uint8_t toByte(int32_t sum) {
  const int32_t level = sum >> kPrecisionBits;
  return static_cast<uint8_t>(level < 0 ? 0 : level > 255 ? 255 : level);
}

Napi::Uint8Array bytesOf(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw Napi::TypeError::New(value.Env(), "expected a Uint8Array");
  }
  return value.As<Napi::Uint8Array>();
}

Napi::Int32Array integersOf(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    throw Napi::TypeError::New(value.Env(), "expected an Int32Array");
  }
  return value.As<Napi::Int32Array>();
}

int64_t numberOf(const Napi::Value& value) {
  if (!value.IsNumber()) throw Napi::TypeError::New(value.Env(), "expected a number");
  return value.As<Napi::Number>().Int64Value();
}

/** For each pixel that is made: the first source pixel, how many, and their weights in a row of `most`. */
struct Taps {
  const int32_t* firsts;
  const int32_t* counts;
  const int32_t* weights;
  int64_t size;
  int64_t most;

  Taps(const Napi::CallbackInfo& info, size_t argument, int64_t whole) {
    const auto f = integersOf(info[argument]), c = integersOf(info[argument + 1]), w = integersOf(info[argument + 2]);
    firsts = f.Data(), counts = c.Data(), weights = w.Data();
    size = static_cast<int64_t>(f.ElementLength());
    most = size > 0 ? static_cast<int64_t>(w.ElementLength()) / size : 0;
    bool inside = size > 0 && static_cast<int64_t>(c.ElementLength()) == size;
    for (int64_t i = 0; inside && i < size; i++) {
      inside = firsts[i] >= 0 && counts[i] >= 1 && counts[i] <= most && int64_t{firsts[i]} + counts[i] <= whole;
    }
    if (!inside) throw Napi::RangeError::New(info.Env(), "a tap lies outside the picture");
  }
};

template <int kChannels>
void resizeLine(const uint8_t* line, const Taps& taps, uint8_t* to) {
  for (int64_t x = 0; x < taps.size; x++, to += kChannels) {
    const uint8_t* from = line + int64_t{taps.firsts[x]} * kChannels;
    const int32_t* weight = taps.weights + x * taps.most;
    int32_t sums[kChannels];
    for (int c = 0; c < kChannels; c++) sums[c] = kHalf;
    for (int32_t tap = 0; tap < taps.counts[x]; tap++, from += kChannels) {
      for (int c = 0; c < kChannels; c++) sums[c] += from[c] * weight[tap];
    }
    for (int c = 0; c < kChannels; c++) to[c] = toByte(sums[c]);
  }
}

using LineResizer = void (*)(const uint8_t*, const Taps&, uint8_t*);

/** By the number of channels, from 1. */
constexpr LineResizer kLineResizers[] = {resizeLine<1>, resizeLine<2>, resizeLine<3>, resizeLine<4>, resizeLine<5>};
constexpr int64_t kMostChannels = 5;

KNACK_WIDEST void addLine(const uint8_t* from, int32_t weight, int32_t* sums, int64_t size) {
  for (int64_t i = 0; i < size; i++) sums[i] += from[i] * weight;
}

KNACK_WIDEST void finishLine(const int32_t* sums, uint8_t* to, int64_t size) {
  for (int64_t i = 0; i < size; i++) to[i] = toByte(sums[i]);
}

/** resample(pixels, width, height, acrossFirsts, acrossCounts, acrossWeights, downFirsts, downCounts, downWeights, channels = 3) */
Napi::Value resample(const Napi::CallbackInfo& info) {
  const auto pixels = bytesOf(info[0]);
  const int64_t width = numberOf(info[1]), height = numberOf(info[2]);
  const int64_t channels = info[9].IsUndefined() ? 3 : numberOf(info[9]);
  if (width < 1 || height < 1 || width > (1 << 24) || height > (1 << 24) || channels < 1 || channels > kMostChannels ||
      static_cast<int64_t>(pixels.ElementLength()) != width * height * channels) {
    throw Napi::RangeError::New(info.Env(), "the picture has another size");
  }
  const Taps across(info, 3, width), down(info, 6, height);
  int64_t firstLine = height, endLine = 0;
  for (int64_t y = 0; y < down.size; y++) {
    firstLine = std::min(firstLine, int64_t{down.firsts[y]});
    endLine = std::max(endLine, int64_t{down.firsts[y]} + down.counts[y]);
  }
  const int64_t stride = across.size * channels;
  const LineResizer resize = kLineResizers[channels - 1];
  std::vector<uint8_t> wide((endLine - firstLine) * stride);
  for (int64_t line = firstLine; line < endLine; line++) {
    resize(pixels.Data() + line * width * channels, across, wide.data() + (line - firstLine) * stride);
  }
  auto result = Napi::Uint8Array::New(info.Env(), down.size * stride);
  std::vector<int32_t> sums(stride);
  for (int64_t y = 0; y < down.size; y++) {
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int32_t tap = 0; tap < down.counts[y]; tap++) {
      const uint8_t* from = wide.data() + (down.firsts[y] + tap - firstLine) * stride;
      addLine(from, down.weights[y * down.most + tap], sums.data(), stride);
    }
    finishLine(sums.data(), result.Data() + y * stride, stride);
  }
  return result;
}

constexpr int kBits = 10;
constexpr int kTableBits = 3;
constexpr int kToTable = 2 * kBits - kTableBits;

/** What is done to colours, in 2^-10 of a level. */
struct ColourChange {
  int32_t wholeSixths, partOfSixth, colour, greyRed, greyGreen, greyBlue, start, last;
};

/** Eight pixels' values of one channel. */
using Levels = int32_t __attribute__((vector_size(32)));
constexpr size_t kLanes = 8;
/** Pixels that are worked on together. */
constexpr size_t kGroups = 8, kPixels = kGroups * kLanes;

/** Some pixels, channel by channel: levels before, entries of the tables after. */
struct Channels {
  Levels red[kGroups], green[kGroups], blue[kGroups];
};

/** Turns the hue and changes the saturation, without branches. */
KNACK_WIDEST void turnHues(Channels& pixels, const ColourChange& change) {
  for (size_t i = 0; i < kGroups; i++) {
    const Levels red = pixels.red[i], green = pixels.green[i], blue = pixels.blue[i], zero = {};
    const Levels warm = red > green ? red : green, cold = red > green ? green : red;
    const Levels high = warm > blue ? warm : blue, low = cold < blue ? cold : blue;
    const Levels middle = red + green + blue - high - low;
    // The sixth of the hue circle that the colour is in, and how far into it, from 0 to the chroma. Turning keeps high and low.
    const Levels nearRed = green >= blue ? zero : zero + 5, nearGreen = red >= blue ? zero + 1 : zero + 2;
    const Levels nearBlue = green >= red ? zero + 3 : zero + 4;
    const Levels nearOther = high == green ? nearGreen : nearBlue;
    Levels sixth = high == red ? nearRed : nearOther;
    const Levels distance = (sixth & 1) == 1 ? high - middle : middle - low;
    Levels into = (distance << kBits) + (high - low) * change.partOfSixth;
    const Levels chroma = (high - low) << kBits;
    sixth += change.wholeSixths + (into >= chroma ? zero + 1 : zero);
    into = into >= chroma ? into - chroma : into;
    sixth = sixth >= 6 ? sixth - 6 : sixth;
    const Levels top = high << kBits, bottom = low << kBits;
    const Levels between = (sixth & 1) == 1 ? top - into : bottom + into;
    // Which channel is highest, between and lowest, by sixth.
    const Levels redLess = (sixth == 1) | (sixth == 4) ? between : bottom;
    const Levels greenLess = (sixth == 0) | (sixth == 3) ? between : bottom;
    const Levels blueLess = (sixth == 2) | (sixth == 5) ? between : bottom;
    const Levels newRed = (sixth == 0) | (sixth == 5) ? top : redLess;
    const Levels newGreen = (sixth == 1) | (sixth == 2) ? top : greenLess;
    const Levels newBlue = (sixth == 3) | (sixth == 4) ? top : blueLess;
    const Levels grey =
        newRed * change.greyRed + newGreen * change.greyGreen + newBlue * change.greyBlue + (1 << (kToTable - 1));
    const Levels last = zero + change.last;
    Levels* const results[] = {&pixels.red[i], &pixels.green[i], &pixels.blue[i]};
    const Levels levels[] = {newRed, newGreen, newBlue};
    for (int channel = 0; channel < 3; channel++) {
      Levels entry = ((levels[channel] * change.colour + grey) >> kToTable) + change.start;
      entry = entry < 0 ? zero : entry;
      *results[channel] = entry > last ? last : entry;
    }
  }
}

/** changeColours(pixels, [wholeSixths, partOfSixth, colour, greyRed, greyGreen, greyBlue, start], reds, greens, blues), in place */
Napi::Value changeColours(const Napi::CallbackInfo& info) {
  auto bytes = bytesOf(info[0]);
  const auto numbers = integersOf(info[1]);
  const auto reds = bytesOf(info[2]), greens = bytesOf(info[3]), blues = bytesOf(info[4]);
  const size_t entries = reds.ElementLength();
  if (numbers.ElementLength() != 7 || entries == 0 || greens.ElementLength() != entries || blues.ElementLength() != entries) {
    throw Napi::RangeError::New(info.Env(), "the tables have other sizes");
  }
  const ColourChange change = {numbers[0], numbers[1], numbers[2], numbers[3],
                               numbers[4], numbers[5], numbers[6], static_cast<int32_t>(entries) - 1};
  const size_t count = bytes.ElementLength() / 3;
  Channels pixels = {};
  auto* const red = reinterpret_cast<int32_t*>(pixels.red);
  auto* const green = reinterpret_cast<int32_t*>(pixels.green);
  auto* const blue = reinterpret_cast<int32_t*>(pixels.blue);
  for (size_t first = 0; first < count; first += kPixels) {
    uint8_t* const pixel = bytes.Data() + 3 * first;
    const size_t size = std::min<size_t>(kPixels, count - first);
    for (size_t i = 0; i < size; i++) {
      red[i] = pixel[3 * i], green[i] = pixel[3 * i + 1], blue[i] = pixel[3 * i + 2];
    }
    turnHues(pixels, change);
    for (size_t i = 0; i < size; i++) {
      pixel[3 * i] = reds.Data()[red[i]];
      pixel[3 * i + 1] = greens.Data()[green[i]];
      pixel[3 * i + 2] = blues.Data()[blue[i]];
    }
  }
  return info.Env().Undefined();
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("resample", Napi::Function::New(env, resample));
  exports.Set("changeColours", Napi::Function::New(env, changeColours));
  return exports;
}

}  // namespace

NODE_API_MODULE(pixels, initialise)
