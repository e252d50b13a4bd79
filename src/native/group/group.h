// The processes that train one model: their store, their collectives on Gloo, and the watch over them.
#pragma once

#include <ATen/ATen.h>

#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "watch.h"

namespace knack {

// One a process. It is never freed: where another process hangs, threads of Gloo's wait for that one, and an end would wait for them.
struct Group {
  int rank = 0;
  int size = 1;
  c10::intrusive_ptr<c10d::TCPStore> store;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
  std::unique_ptr<Watch> watch;
};

// Throws std::runtime_error where there is none.
Group& group();

// Throws why the group has ended before its time, where it has.
void throwVerdict();

// Sums that are under way: what `reduce` gives, and `awaitSum` waits for.
struct Sum {
  c10::intrusive_ptr<c10d::Work> work;
  // All tensors in one piece, which Gloo works on.
  at::Tensor flat;
  std::vector<at::Tensor> tensors;
};

// Begins to add up tensors over all processes: of any shapes, of one dtype, on the CPU.
Sum reduce(std::vector<at::Tensor> tensors);
// Waits, and puts the sums into the tensors. Throws std::runtime_error that names the process on which that failed.
void awaitSum(const Sum& sum);

// Adds a tensor up over all processes. What comes back is another one.
at::Tensor summed(const at::Tensor& tensor);

// Batch normalisation of [N, C, H, W] in training by the statistics of all processes' inputs; `values` is how many numbers each channel has in all of
// them. The output, and each channel's mean and variance (of all values, not unbiased).
std::tuple<at::Tensor, at::Tensor, at::Tensor> synchronisedBatchNorm(const at::Tensor& input, const at::Tensor& weight,
                                                                     const at::Tensor& bias, int64_t values, double eps);

// Waits for what Gloo does, as long as the watch says nothing against it.
void await(const c10::intrusive_ptr<c10d::Work>& work);

// The same for what has no collective to wait for: `make` runs in a thread of its own, which may go on for ever.
template <typename T, typename Make>
T awaited(Make make) {
  auto promise = std::make_shared<std::promise<T>>();
  auto future = promise->get_future();
  std::thread([promise, make = std::move(make)] {
    try {
      promise->set_value(make());
    } catch (...) {
      promise->set_exception(std::current_exception());
    }
  }).detach();
  while (future.wait_for(std::chrono::milliseconds(100)) != std::future_status::ready) throwVerdict();
  return future.get();
}

}  // namespace knack
