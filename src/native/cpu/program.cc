#include "program.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>

#include "waiting.h"

namespace knack::cpu {

namespace {

constexpr size_t kAlignment = 4096;

size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// Runs body and adds the time it took where that is asked for.
template <typename Body>
void maybeTimed(bool timed, double& seconds, Body body) {
  if (!timed) return body();
  const auto start = std::chrono::steady_clock::now();
  body();
  seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

void wantLargePages([[maybe_unused]] void* memory, [[maybe_unused]] size_t bytes) {
#ifdef MADV_HUGEPAGE
  const auto start = (reinterpret_cast<uintptr_t>(memory) + kAlignment - 1) / kAlignment * kAlignment;
  const auto end = (reinterpret_cast<uintptr_t>(memory) + bytes) / kAlignment * kAlignment;
  if (end > start) madvise(reinterpret_cast<void*>(start), end - start, MADV_HUGEPAGE);
#endif
}

void giveBack(void* memory, size_t bytes) {
  const auto start = (reinterpret_cast<uintptr_t>(memory) + kAlignment - 1) / kAlignment * kAlignment;
  const auto end = (reinterpret_cast<uintptr_t>(memory) + bytes) / kAlignment * kAlignment;
  if (end > start) madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED);
}

Program::Program(Settings given) : settings(given), engine(dnnl::engine::kind::cpu, 0), stream(engine) {}

Program::~Program() {
  operations_.clear();
  if (arena_ != nullptr) munmap(arena_, arenaBytes_);
}

Value& Program::addImages(int64_t n, int64_t c, int64_t h, int64_t w, bool anyLayout) {
  values_.push_back(std::make_unique<Value>());
  Value& value = *values_.back();
  value.n = n, value.c = c, value.h = h, value.w = w;
  value.anyLayout = anyLayout;
  value.channelsLast = settings.channelsLast;
  value.layout = memory::desc({n, value.allChannels(), h, w}, dataType(), imagesTag(settings.channelsLast));
  return value;
}

Value& Program::addVectors(int64_t n, int64_t c, bool float32) {
  values_.push_back(std::make_unique<Value>());
  Value& value = *values_.back();
  value.n = n, value.c = c, value.vector = true, value.float32 = float32;
  value.layout = memory::desc({n, c}, float32 ? memory::data_type::f32 : dataType(), memory::format_tag::ab);
  return value;
}

Value& Program::addIntegers(int64_t n, int64_t c, int64_t h, int64_t w) {
  values_.push_back(std::make_unique<Value>());
  Value& value = *values_.back();
  value.n = n, value.c = c, value.h = h, value.w = w, value.integers = true;
  value.layout = memory::desc({n, c, h, w}, memory::data_type::u8, memory::format_tag::acdb);
  return value;
}

Value& Program::value(size_t index) {
  if (index >= values_.size()) throw std::invalid_argument("the program has no value " + std::to_string(index));
  return *values_[index];
}

void Program::add(std::unique_ptr<Operation> operation) { operations_.push_back(std::move(operation)); }

size_t Program::bytesOf(const Value& value) const { return value.layout.get_size(); }

Buffer* Program::newBuffer(size_t bytes, int moment) {
  buffers_.push_back(std::make_unique<Buffer>());
  Buffer* buffer = buffers_.back().get();
  buffer->bytes = aligned(bytes);
  buffer->first = buffer->last = moment;
  return buffer;
}

void Program::read(Value& value, int moment) { value.data->last = std::max(value.data->last, moment); }

void Program::write(Value& value, int moment) {
  if (value.data == nullptr) value.data = newBuffer(bytesOf(value), moment);
}

Buffer* Program::addGradient(Value& value, int moment) {
  Buffer* buffer = newBuffer(bytesOf(value), moment);
  value.gradients.push_back(buffer);
  return buffer;
}

Buffer* Program::wholeGradient(Value& value, int moment) {
  for (Buffer* share : value.gradients) share->last = std::max(share->last, moment);
  return value.gradients.empty() ? nullptr : value.gradients.front();
}

void Program::gatherGradient(Value& value) const {
  if (value.gradients.size() < 2) return;
  withElementType(*this, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    T* whole = reinterpret_cast<T*>(value.gradients.front()->address);
    const size_t count = bytesOf(value) / sizeof(T);
    constexpr size_t kPiece = 1 << 14;
    const int64_t pieces = static_cast<int64_t>((count + kPiece - 1) / kPiece);
#pragma omp parallel for schedule(static)
    for (int64_t piece = 0; piece < pieces; ++piece) {
      const size_t start = piece * kPiece, size = std::min(kPiece, count - start);
      for (size_t share = 1; share < value.gradients.size(); ++share) {
        addClamped<T>(whole + start, reinterpret_cast<T*>(value.gradients[share]->address) + start, whole + start, size,
                      -INFINITY, INFINITY);
      }
    }
  });
}

// Each buffer in turn, the largest first, at the lowest address where it meets no buffer that is in use at the same time.
void Program::finish() {
  const int count = static_cast<int>(operations_.size());
  for (int i = 0; i < count; ++i) operations_[i]->planForward(i);
  if (settings.training) {
    for (int i = count - 1; i >= 0; --i) operations_[i]->planBackward(2 * count - 1 - i);
  }
  std::vector<Buffer*> order;
  for (auto& buffer : buffers_) order.push_back(buffer.get());
  std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->bytes > b->bytes; });
  struct Placed {
    size_t start;
    Buffer* buffer;
  };
  std::vector<Placed> placed;
  for (Buffer* buffer : order) {
    std::vector<Placed> rivals;
    for (const Placed& other : placed) {
      if (other.buffer->first <= buffer->last && buffer->first <= other.buffer->last) rivals.push_back(other);
    }
    std::sort(rivals.begin(), rivals.end(), [](auto& a, auto& b) { return a.start < b.start; });
    size_t start = 0;
    for (const Placed& rival : rivals) {
      if (start + buffer->bytes <= rival.start) break;
      start = std::max(start, rival.start + rival.buffer->bytes);
    }
    placed.push_back({start, buffer});
    arenaBytes_ = std::max(arenaBytes_, start + buffer->bytes);
  }
  arenaBytes_ = (arenaBytes_ + (2 << 20)) / (2 << 20) * (2 << 20);
  void* memory = mmap(nullptr, arenaBytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    arenaBytes_ = 0;
    throw std::runtime_error("out of memory: the network's activations take more than there is; use a smaller batch");
  }
  wantLargePages(memory, arenaBytes_);
  arena_ = static_cast<char*>(memory);
  for (const Placed& place : placed) place.buffer->address = arena_ + place.start;
  for (auto& operation : operations_) operation->bind();
}

void Program::loadParameters(bool andGiveBack) {
  for (auto& operation : operations_) {
    operation->loadParameters();
    if (andGiveBack) operation->giveBackParameters();
  }
}

void Program::forward(Range range, bool timed) {
  chooseHowToWait();
  for (size_t i = range.from; i < range.to; ++i) {
    maybeTimed(timed, operations_[i]->forwardSeconds, [&] { operations_[i]->forward(); });
  }
}

void Program::backward(Range range, bool accumulate, bool timed) {
  if (!settings.training) throw std::logic_error("backward: the program was made for inference");
  accumulating_ = accumulate;
  for (size_t i = range.to; i-- > range.from;) {
    maybeTimed(timed, operations_[i]->backwardSeconds, [&] { operations_[i]->backward(); });
  }
}

}  // namespace knack::cpu
