// A network as a list of operations over activations in one layout, with their backward passes: what a Program is made of.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernels.h"
#include "onednn.h"

namespace knack::cpu {

using Arguments = std::unordered_map<int, memory>;

// A piece of the program's memory. It is in use from one moment of a step to another; pieces that are never in use together share an address.
struct Buffer {
  size_t bytes = 0;
  int first = 0;
  int last = 0;
  char* address = nullptr;
};

// An activation. Images lie in blocks, [N][C / kBlock][H][W][kBlock], or channels-last, [N][H][W][C], with whole blocks of channels either way: those
// beyond C in the last block are zero. Vectors are [N][C].
struct Value {
  int64_t n = 0, c = 0, h = 1, w = 1;
  bool vector = false;
  bool channelsLast = false;
  bool float32 = false;    // the network's results are, in every precision
  bool anyLayout = false;  // the network's images, of just their channels: where others lie in blocks, their reader chooses
  bool integers = false;   // uint8, [N][H][W][C] of just their channels: `int8.h`
  memory::desc layout;
  Buffer* data = nullptr;
  bool needsGradient = false;
  // Each reader's share of the gradient; the whole is their sum.
  std::vector<Buffer*> gradients;
  int lastRead = -1;  // the last operation that reads it, by number

  int64_t blocks() const { return (c + kBlock - 1) / kBlock; }
  // With those that only fill the last block, as oneDNN's fast convolutions want.
  int64_t allChannels() const { return vector || anyLayout || integers ? c : blocks() * kBlock; }
  size_t pixels() const { return static_cast<size_t>(h * w); }
  // Elements from a pixel's block of channels to the next pixel's.
  size_t pixelStride() const { return channelsLast ? blocks() * kBlock : kBlock; }
  // Where an image's block of channels begins.
  size_t blockStart(int64_t image, int64_t block) const {
    return channelsLast ? (image * pixels() * blocks() + block) * kBlock : (image * blocks() + block) * pixels() * kBlock;
  }
};

// A parameter's memory, which JavaScript owns: row-major float32, and where its gradient goes (null where it is frozen).
struct Parameter {
  float* data = nullptr;
  float* gradient = nullptr;
};

// What oneDNN cannot do; JavaScript then takes the plain path.
struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What oneDNN calls a reference is for comparing numbers with, hundreds of times as slow as libtorch. It is taken only where there is next to nothing
// to do, as in a depthwise convolution of 1 x 1 images.
// @param primitive a primitive's description
// @param work multiplications. @throws Unsupported
template <typename Description>
void refuseReference(const Description& primitive, const char* what, int64_t work) {
  constexpr int64_t kMilliseconds = 1 << 22;
  const std::string name = primitive.impl_info_str();
  if (work <= kMilliseconds || name.rfind("ref", 0) != 0) return;
  throw Unsupported(std::string("fast code for ") + what + " of these sizes (oneDNN has " + name + ")");
}

class Program;

class Operation {
 public:
  virtual ~Operation() = default;
  virtual const char* kind() const = 0;
  // Says which memory is used when. Moments count up through the forward pass, then through the backward one.
  virtual void planForward(int moment) = 0;
  virtual void planBackward(int moment) = 0;
  // Called once all memory has its address.
  virtual void bind() = 0;
  virtual void forward() = 0;
  virtual void backward() = 0;
  // Brings changed parameters into the layout that the passes want.
  virtual void loadParameters() {}
  // After that: the memory of those whose layout is another goes back to the system, and their numbers with it.
  virtual void giveBackParameters() {}
  double forwardSeconds = 0, backwardSeconds = 0;
};

struct Settings {
  bool bfloat16 = false;
  bool training = false;
  bool channelsLast = false;
};

// Operations by number, from the first to the one before the last.
struct Range {
  size_t from, to;
};

class Program {
 public:
  explicit Program(Settings settings);
  ~Program();
  Program(const Program&) = delete;

  Value& addImages(int64_t n, int64_t c, int64_t h, int64_t w, bool anyLayout = false);
  Value& addVectors(int64_t n, int64_t c, bool float32 = false);
  Value& addIntegers(int64_t n, int64_t c, int64_t h, int64_t w);
  Value& value(size_t index);
  void add(std::unique_ptr<Operation> operation);
  // Shares memory out among the buffers and binds the operations to it.
  void finish();

  // @param andGiveBack whether weights are then held in the passes' layouts only
  void loadParameters(bool andGiveBack);
  // Notes that one more operation reads these parameters.
  void noteReader(const float* parameters) { ++readers_[parameters]; }
  bool hasOneReader(const float* parameters) const { return readers_.at(parameters) == 1; }
  // Some of the operations, in their order.
  void forward(Range range, bool timed);
  // Some of them from the last to the first.
  // @param accumulate whether gradients are added to what the parameters' gradients hold.
  void backward(Range range, bool accumulate, bool timed);

  // For operations while they plan:
  Buffer* newBuffer(size_t bytes, int moment);
  void read(Value& value, int moment);
  void write(Value& value, int moment);
  // The one buffer that holds the sum of the shares once `gatherGradient` has run at that moment; null where nobody wants one.
  Buffer* wholeGradient(Value& value, int moment);
  // A new share of a value's gradient.
  Buffer* addGradient(Value& value, int moment);
  size_t bytesOf(const Value& value) const;

  // For operations while they run:
  void gatherGradient(Value& value) const;
  bool accumulating() const { return accumulating_; }
  memory::data_type dataType() const { return settings.bfloat16 ? memory::data_type::bf16 : memory::data_type::f32; }

  const std::vector<std::unique_ptr<Operation>>& operations() const { return operations_; }

  const Settings settings;
  dnnl::engine engine;
  dnnl::stream stream;

 private:
  std::vector<std::unique_ptr<Value>> values_;
  std::vector<std::unique_ptr<Operation>> operations_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::unordered_map<const float*, int> readers_;
  char* arena_ = nullptr;
  size_t arenaBytes_ = 0;
  bool accumulating_ = false;
};

// What runs on either element type: body(T*) with T float or bfloat16.
template <typename Body>
void withElementType(const Program& program, Body body) {
  if (program.settings.bfloat16) body(static_cast<bfloat16*>(nullptr));
  else body(static_cast<float*>(nullptr));
}

template <typename T>
T* at(const Buffer* buffer) {
  return reinterpret_cast<T*>(buffer->address);
}

inline memory bound(const Program& program, const memory::desc& layout, const Buffer* buffer) {
  return memory(layout, program.engine, buffer->address);
}

// Windows over images.
struct Geometry {
  std::array<int64_t, 2> kernel, stride;
  std::array<int64_t, 2> before, after;  // padding: [top, left], [bottom, right]
  int64_t groups = 1;
};

// Asks for large pages under the whole ones in a piece of memory that nobody has touched yet.
void wantLargePages(void* memory, size_t bytes);

// Gives the whole pages in it back to the system. Its numbers are gone; it can be written again.
void giveBack(void* memory, size_t bytes);

}  // namespace knack::cpu
