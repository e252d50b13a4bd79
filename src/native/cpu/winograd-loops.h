// Winograd's algorithm over vectors of kLanes channels: winograd-16.cc and winograd-8.cc include it, each for its processors.
#define KNACK_UNROLLED _Pragma("GCC unroll 16")

namespace knack::cpu {

namespace {

constexpr int64_t kLanes = KNACK_LANES;
// Rows of a product whose sums fill the registers: 16 with AVX2, 32 with AVX-512.
constexpr int kRows = kLanes == 16 ? 12 : 6;
constexpr int64_t kPanel = 2 * kLanes;  // outputs that a product makes side by side
constexpr int64_t kPlaces = 36;         // of a transformed tile
constexpr int64_t kTile = 4;            // a result's tile; it reads two pixels more
constexpr int64_t kWeightTiles = 256;   // tiles that the weights' gradient takes at once

using Floats = float __attribute__((vector_size(4 * KNACK_LANES)));

inline Floats load(const float* from) {
  Floats value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
inline void store(float* to, const Floats& value) { std::memcpy(to, &value, sizeof value); }

// Sixteen floats more than the rows take: places whose distances are powers of two would fight for the same lines of a cache.
constexpr int64_t apart(int64_t floats) { return floats + 16; }

// The matrices of F(4x4, 3x3) for the points 0, a, -a, b, -b and infinity: products of polynomials at these points are those of the convolution. With
// 5/8 and 3/2, which oneDNN 2 takes, results have half the error that 1 and 2 give them.
constexpr float a = 0.625f, b = 1.5f;
constexpr float a2 = a * a, b2 = b * b, a3 = a2 * a, b3 = b2 * b;
// What the weights are divided by at 0, at a and -a, and at b and -b.
constexpr float byZero = 1 / (a2 * b2), byA = 1 / (2 * a2 * (a2 - b2)), byB = 1 / (2 * b2 * (b2 - a2));

// Lines of a tile: from[i * Step], as the matrices make them.

// Values at a, -a, b and -b, by the even and the odd part at a and at b.
template <int Step>
inline void putPoints(const Floats& even, const Floats& odd, const Floats& even2, const Floats& odd2, Floats* to) {
  to[Step] = even + odd;
  to[2 * Step] = even - odd;
  to[3 * Step] = even2 + odd2;
  to[4 * Step] = even2 - odd2;
}

// B'
template <int Step>
inline void transformImage(const Floats* d, Floats* to) {
  const Floats even = d[4 * Step] - b2 * d[2 * Step], odd = a * (d[3 * Step] - b2 * d[Step]);
  const Floats even2 = d[4 * Step] - a2 * d[2 * Step], odd2 = b * (d[3 * Step] - a2 * d[Step]);
  to[0] = a2 * b2 * d[0] - (a2 + b2) * d[2 * Step] + d[4 * Step];
  putPoints<Step>(even, odd, even2, odd2, to);
  to[5 * Step] = a2 * b2 * d[Step] - (a2 + b2) * d[3 * Step] + d[5 * Step];
}

// A', six values to four
template <int Step>
inline void transformResult(const Floats* m, Floats* to) {
  const Floats sum = m[Step] + m[2 * Step], difference = m[Step] - m[2 * Step];
  const Floats sum2 = m[3 * Step] + m[4 * Step], difference2 = m[3 * Step] - m[4 * Step];
  to[0] = m[0] + sum + sum2;
  to[Step] = a * difference + b * difference2;
  to[2 * Step] = a2 * sum + b2 * sum2;
  to[3 * Step] = a3 * difference + b3 * difference2 + m[5 * Step];
}

// A, four values to six
template <int Step>
inline void spreadGradient(const Floats* y, Floats* to) {
  const Floats even = y[0] + a2 * y[2 * Step], odd = a * y[Step] + a3 * y[3 * Step];
  const Floats even2 = y[0] + b2 * y[2 * Step], odd2 = b * y[Step] + b3 * y[3 * Step];
  const Floats first = y[0], last = y[3 * Step];
  to[0] = first;
  putPoints<Step>(even, odd, even2, odd2, to);
  to[5 * Step] = last;
}

// G, three values to six
template <int Step>
inline void spreadWeight(const Floats* g, Floats* to) {
  const Floats even = byA * (g[0] + a2 * g[2 * Step]), odd = byA * a * g[Step];
  const Floats even2 = byB * (g[0] + b2 * g[2 * Step]), odd2 = byB * b * g[Step];
  const Floats first = g[0], last = g[2 * Step];
  to[0] = byZero * first;
  putPoints<Step>(even, odd, even2, odd2, to);
  to[5 * Step] = last;
}

// G', six values to three
template <int Step>
inline void gatherWeight(const Floats* m, Floats* to) {
  const Floats sum = byA * (m[Step] + m[2 * Step]), sum2 = byB * (m[3 * Step] + m[4 * Step]);
  const Floats middle = byA * a * (m[Step] - m[2 * Step]) + byB * b * (m[3 * Step] - m[4 * Step]);
  to[0] = byZero * m[0] + sum + sum2;
  to[2 * Step] = a2 * sum + b2 * sum2 + m[5 * Step];
  to[Step] = middle;
}

// C [Rows][Columns of kLanes] = or += A B, sums over k.
struct Product {
  const float* a;
  int64_t aRow, aStep;
  const float* b;
  int64_t bStep;
  float* c;
  int64_t cRow;
  int64_t k;
  bool add;
};

template <int Rows, int Columns>
inline void multiply(const Product& p) {
  Floats sums[Rows][Columns];
  KNACK_UNROLLED
  for (int r = 0; r < Rows; ++r) {
    KNACK_UNROLLED
    for (int c = 0; c < Columns; ++c) sums[r][c] = p.add ? load(p.c + r * p.cRow + c * kLanes) : Floats{};
  }
  const float* a = p.a;
  const float* b = p.b;
  for (int64_t k = 0; k < p.k; ++k, a += p.aStep, b += p.bStep) {
    Floats row[Columns];
    KNACK_UNROLLED
    for (int c = 0; c < Columns; ++c) row[c] = load(b + c * kLanes);
    KNACK_UNROLLED
    for (int r = 0; r < Rows; ++r) {
      const float factor = a[r * p.aRow];
      KNACK_UNROLLED
      for (int c = 0; c < Columns; ++c) sums[r][c] += factor * row[c];
    }
  }
  KNACK_UNROLLED
  for (int r = 0; r < Rows; ++r) {
    KNACK_UNROLLED
    for (int c = 0; c < Columns; ++c) store(p.c + r * p.cRow + c * kLanes, sums[r][c]);
  }
}

// All rows.
template <int Columns>
void multiplyRows(Product p, int64_t rows) {
  const auto next = [&](int count) {
    p.a += count * p.aRow;
    p.c += count * p.cRow;
    rows -= count;
  };
  for (; rows >= kRows; next(kRows)) multiply<kRows, Columns>(p);
  for (; rows >= 2; next(2)) multiply<2, Columns>(p);
  for (; rows >= 1; next(1)) multiply<1, Columns>(p);
}

// Tiles are numbered image by image, row by row.
struct Tiles {
  int64_t rows, columns, count;

  Tiles(int64_t images, int64_t height, int64_t width)
      : rows((height + kTile - 1) / kTile), columns((width + kTile - 1) / kTile), count(images * rows * columns) {}

  struct Place {
    int64_t image, y, x;
  };
  Place operator[](int64_t tile) const {
    return {tile / (rows * columns), tile / columns % rows * kTile, tile % columns * kTile};
  }
};

// `size` x `size` pixels from (y, x) of one block of channels, zeros outside.
template <int Size>
inline void readPixels(const float* block, int64_t height, int64_t width, int64_t y, int64_t x, Floats* to) {
  if (y >= 0 && x >= 0 && y + Size <= height && x + Size <= width) {
    const float* corner = block + (y * width + x) * kLanes;
    for (int r = 0; r < Size; ++r) {
      KNACK_UNROLLED
      for (int c = 0; c < Size; ++c) to[r * Size + c] = load(corner + (r * width + c) * kLanes);
    }
    return;
  }
  for (int r = 0; r < Size; ++r) {
    for (int c = 0; c < Size; ++c) {
      const bool inside = y + r >= 0 && y + r < height && x + c >= 0 && x + c < width;
      to[r * Size + c] = inside ? load(block + ((y + r) * width + x + c) * kLanes) : Floats{};
    }
  }
}

// A tile of `Size` x `Size` pixels, by a matrix from both sides, into [place][tile][channel].
template <int Size, void (*Columns)(const Floats*, Floats*), void (*Rows)(const Floats*, Floats*)>
inline void spreadTile(const float* block, int64_t height, int64_t width, int64_t y, int64_t x, float* to, int64_t distance) {
  Floats tile[Size * Size], half[6 * Size];
  readPixels<Size>(block, height, width, y, x, tile);
  KNACK_UNROLLED
  for (int c = 0; c < Size; ++c) Columns(tile + c, half + c);
  KNACK_UNROLLED
  for (int r = 0; r < 6; ++r) {
    Floats line[6];
    Rows(half + Size * r, line);
    KNACK_UNROLLED
    for (int c = 0; c < 6; ++c) store(to + (6 * r + c) * distance, line[c]);
  }
}
constexpr auto spreadImage = spreadTile<6, transformImage<6>, transformImage<1>>;
constexpr auto spreadResult = spreadTile<4, spreadGradient<4>, spreadGradient<1>>;

// Where place and panel of the transformed weights begin: [place][panel][input][outputs of the panel].
inline int64_t panelOf(int64_t place, int64_t output, int64_t inputs, int64_t outputs) {
  return place * apart(inputs * outputs) + output / kPanel * kPanel * inputs + output % kPanel;
}
inline int64_t panelWidth(int64_t output, int64_t outputs) { return std::min(kPanel, outputs - output / kPanel * kPanel); }

// @param weight of output o and input i at o * outputStep + i * inputStep
// @param turned whether the window is turned by half a circle, as the gradient of the input wants it
void transformWeights(const float* weight, int64_t inputs, int64_t outputs, int64_t inputStep, int64_t outputStep, bool turned,
                      float* to) {
#pragma omp parallel for schedule(static) collapse(2)
  for (int64_t output = 0; output < outputs; output += kLanes) {
    for (int64_t input = 0; input < inputs; ++input) {
      Floats window[9], half[18];
      for (int tap = 0; tap < 9; ++tap) {
        const float* place = weight + output * outputStep + input * inputStep + (turned ? 8 - tap : tap);
        KNACK_UNROLLED
        for (int lane = 0; lane < kLanes; ++lane) window[tap][lane] = place[lane * outputStep];
      }
      KNACK_UNROLLED
      for (int c = 0; c < 3; ++c) spreadWeight<3>(window + c, half + c);
      const int64_t row = input * panelWidth(output, outputs);
      KNACK_UNROLLED
      for (int r = 0; r < 6; ++r) {
        Floats line[6];
        spreadWeight<1>(half + 3 * r, line);
        KNACK_UNROLLED
        for (int c = 0; c < 6; ++c) store(to + panelOf(6 * r + c, output, inputs, outputs) + row, line[c]);
      }
    }
  }
}

// So many tiles at once that both sides' transformed ones fit a second-level cache, but enough that each weight is used often.
int64_t tilesAtOnce(int64_t channels) {
  constexpr int64_t kFloats = 1 << 18;
  return std::clamp<int64_t>(kFloats / (kPlaces * channels) / kRows * kRows, 48, 192);
}

class Loops final : public Winograd {
 public:
  explicit Loops(const WinogradShape& s)
      : images_(s.images), in_{s.inputs, s.size[0], s.size[1]}, out_{s.outputs, s.outSize[0], s.outSize[1]}, before_(s.before) {}

  size_t transformedBytes() const override;
  size_t scratchBytes() const override;
  size_t weightScratchBytes() const override;
  void transform(const float* weight, bool turned, float* to) const override;
  void forward(const float* x, const float* transformed, float* y, const Finish& finish, float* scratch) const override;
  void backwardData(const float* dy, const float* transformed, float* dx, float* scratch) const override;
  void backwardWeights(const float* x, const float* dy, float* gradient, bool add, float* scratch) const override;

 private:
  // The images of one side of the convolution.
  struct Side {
    int64_t channels, height, width;
  };

  void convolve(const float* x, const Side& from, const float* transformed, float* y, const Side& to,
                std::array<int64_t, 2> before, const Finish& finish, float* scratch) const;

  int64_t images_;
  Side in_, out_;
  std::array<int64_t, 2> before_;
};

size_t Loops::transformedBytes() const { return sizeof(float) * kPlaces * apart(in_.channels * out_.channels); }

size_t Loops::scratchBytes() const {
  const int64_t tiles = tilesAtOnce(in_.channels + out_.channels);
  return sizeof(float) * omp_get_max_threads() * kPlaces * (apart(tiles * in_.channels) + apart(tiles * out_.channels));
}

size_t Loops::weightScratchBytes() const {
  const int64_t sides = apart(kWeightTiles * in_.channels) + apart(kWeightTiles * out_.channels);
  return sizeof(float) * kPlaces * (apart(in_.channels * out_.channels) + sides);
}

void Loops::transform(const float* weight, bool turned, float* to) const {
  const int64_t inputs = in_.channels, outputs = out_.channels;
  if (turned) transformWeights(weight, outputs, inputs, 9 * inputs, 9, true, to);
  else transformWeights(weight, inputs, outputs, 9, 9 * inputs, false, to);
}

void Loops::forward(const float* x, const float* transformed, float* y, const Finish& finish, float* scratch) const {
  convolve(x, in_, transformed, y, out_, before_, finish, scratch);
}

void Loops::backwardData(const float* dy, const float* transformed, float* dx, float* scratch) const {
  convolve(dy, out_, transformed, dx, in_, {2 - before_[0], 2 - before_[1]}, {nullptr, nullptr, -INFINITY, INFINITY}, scratch);
}

void Loops::convolve(const float* x, const Side& from, const float* transformed, float* y, const Side& to,
                        std::array<int64_t, 2> before, const Finish& finish, float* scratch) const {
  const Tiles tiles(images_, to.height, to.width);
  const int64_t most = tilesAtOnce(from.channels + to.channels);
  const int64_t sourceApart = apart(most * from.channels), resultApart = apart(most * to.channels);
  const bool clamped = finish.low != -INFINITY || finish.high != INFINITY;
#pragma omp parallel for schedule(static)
  for (int64_t first = 0; first < tiles.count; first += most) {
    const int64_t count = std::min(most, tiles.count - first);
    float* source = scratch + omp_get_thread_num() * kPlaces * (sourceApart + resultApart);
    float* result = source + kPlaces * sourceApart;
    for (int64_t tile = 0; tile < count; ++tile) {
      const auto [image, top, left] = tiles[first + tile];
      for (int64_t c = 0; c < from.channels; c += kLanes) {
        const float* block = x + (image * from.channels + c) * from.height * from.width;
        spreadImage(block, from.height, from.width, top - before[0], left - before[1], source + tile * from.channels + c, sourceApart);
      }
    }
    for (int64_t place = 0; place < kPlaces; ++place) {
      for (int64_t c = 0; c < to.channels; c += kPanel) {
        const int64_t width = panelWidth(c, to.channels);
        const Product product = {source + place * sourceApart, from.channels, 1,
                                 transformed + panelOf(place, c, from.channels, to.channels), width,
                                 result + place * resultApart + c, to.channels, from.channels, false};
        if (width == kPanel) multiplyRows<2>(product, count);
        else multiplyRows<1>(product, count);
      }
    }
    for (int64_t tile = 0; tile < count; ++tile) {
      const auto [image, top, left] = tiles[first + tile];
      for (int64_t c = 0; c < to.channels; c += kLanes) {
        const float* made = result + tile * to.channels + c;
        Floats whole[kPlaces], half[24];
        for (int i = 0; i < kPlaces; ++i) whole[i] = load(made + i * resultApart);
        KNACK_UNROLLED
        for (int i = 0; i < 6; ++i) transformResult<6>(whole + i, half + i);
        const Floats bias = finish.bias ? load(finish.bias + c) : Floats{};
        const int64_t start = ((image * to.channels + c) * to.height + top * kLanes) * to.width + left * kLanes;
        for (int64_t r = 0; r < std::min(kTile, to.height - top); ++r) {
          Floats line[4];
          transformResult<1>(half + 6 * r, line);
          for (int64_t i = 0; i < std::min(kTile, to.width - left); ++i) {
            const int64_t pixel = start + (r * to.width + i) * kLanes;
            Floats value = line[i] + bias;
            if (finish.residual) value += load(finish.residual + pixel);
            if (clamped) {
              value = value < finish.low ? Floats{} + finish.low : value;
              value = value > finish.high ? Floats{} + finish.high : value;
            }
            store(y + pixel, value);
          }
        }
      }
    }
  }
}

void Loops::backwardWeights(const float* x, const float* dy, float* gradient, bool add, float* scratch) const {
  const Tiles tiles(images_, out_.height, out_.width);
  const int64_t inputs = in_.channels, outputs = out_.channels;
  const int64_t sumApart = apart(inputs * outputs), sourceApart = apart(kWeightTiles * inputs), resultApart = apart(kWeightTiles * outputs);
  float* sums = scratch;
  float* source = sums + kPlaces * sumApart;
  float* result = source + kPlaces * sourceApart;
#pragma omp parallel
  {
    for (int64_t first = 0; first < tiles.count; first += kWeightTiles) {
      const int64_t count = std::min(kWeightTiles, tiles.count - first);
#pragma omp for schedule(static)
      for (int64_t tile = 0; tile < count; ++tile) {
        const auto [image, top, left] = tiles[first + tile];
        for (int64_t c = 0; c < inputs; c += kLanes) {
          const float* block = x + (image * inputs + c) * in_.height * in_.width;
          spreadImage(block, in_.height, in_.width, top - before_[0], left - before_[1], source + tile * inputs + c, sourceApart);
        }
        for (int64_t c = 0; c < outputs; c += kLanes) {
          const float* block = dy + (image * outputs + c) * out_.height * out_.width;
          spreadResult(block, out_.height, out_.width, top, left, result + tile * outputs + c, resultApart);
        }
      }
#pragma omp for schedule(static) collapse(2)
      for (int64_t place = 0; place < kPlaces; ++place) {
        for (int64_t c = 0; c < outputs; c += kPanel) {
          const Product product = {source + place * sourceApart, 1, inputs, result + place * resultApart + c, outputs,
                                   sums + place * sumApart + c, outputs, count, first > 0};
          if (outputs - c >= kPanel) multiplyRows<2>(product, inputs);
          else multiplyRows<1>(product, inputs);
        }
      }
    }
#pragma omp for schedule(static) collapse(2)
    for (int64_t c = 0; c < outputs; c += kLanes) {
      for (int64_t input = 0; input < inputs; ++input) {
        Floats whole[kPlaces], half[18], window[9];
        for (int i = 0; i < kPlaces; ++i) whole[i] = load(sums + i * sumApart + input * outputs + c);
        KNACK_UNROLLED
        for (int i = 0; i < 6; ++i) gatherWeight<6>(whole + i, half + i);
        KNACK_UNROLLED
        for (int r = 0; r < 3; ++r) gatherWeight<1>(half + 6 * r, window + 3 * r);
        for (int tap = 0; tap < 9; ++tap) {
          for (int64_t lane = 0; lane < kLanes; ++lane) {
            float* place = gradient + ((c + lane) * inputs + input) * 9 + tap;
            *place = window[tap][lane] + (add ? *place : 0);
          }
        }
      }
    }
  }
}

}  // namespace

}  // namespace knack::cpu
