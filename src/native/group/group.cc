#include "group.h"

#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace knack {

namespace {

using std::chrono::milliseconds;

// How often a wait looks whether the group has ended.
constexpr milliseconds kGlance(100);

// Told by Gloo's thread that a collective is over.
struct Completion {
  std::mutex mutex;
  std::condition_variable changed;
  bool over = false;
};

std::string messageOf(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {
    return "an error without a name";
  }
}

at::Tensor flattened(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> pieces;
  for (const at::Tensor& tensor : tensors) pieces.push_back(tensor.reshape({-1}));
  return at::cat(pieces);
}

}  // namespace

void throwVerdict() {
  const std::string reason = group().watch->verdict();
  if (!reason.empty()) throw std::runtime_error(reason);
}

void await(const c10::intrusive_ptr<c10d::Work>& work) {
  Watch& watch = *group().watch;
  auto completion = std::make_shared<Completion>();
  auto future = work->getFuture();
  watch.enter();
  future->addCallback([completion](auto&) {
    std::lock_guard<std::mutex> lock(completion->mutex);
    completion->over = true;
    completion->changed.notify_all();
  });
  std::unique_lock<std::mutex> lock(completion->mutex);
  while (!completion->over) {
    if (completion->changed.wait_for(lock, kGlance, [&] { return completion->over; })) break;
    lock.unlock();
    throwVerdict();
    lock.lock();
  }
  lock.unlock();
  if (!future->hasError()) return watch.leave();
  // Gloo knows an address; who that is the watch finds out by who is silent.
  watch.setBroken();
  const auto until = std::chrono::steady_clock::now() + watch.timeout();
  while (std::chrono::steady_clock::now() < until) {
    throwVerdict();
    std::this_thread::sleep_for(kGlance);
  }
  throw std::runtime_error("the connection to another process broke: " + messageOf(future->exception_ptr()));
}

Sum reduce(std::vector<at::Tensor> tensors) {
  Sum sum{{}, flattened(tensors), std::move(tensors)};
  std::vector<at::Tensor> flat{sum.flat};
  sum.work = group().gloo->allreduce(flat);
  return sum;
}

void awaitSum(const Sum& sum) {
  await(sum.work);
  int64_t start = 0;
  for (const at::Tensor& tensor : sum.tensors) {
    tensor.copy_(sum.flat.narrow(0, start, tensor.numel()).reshape(tensor.sizes()));
    start += tensor.numel();
  }
}

at::Tensor summed(const at::Tensor& tensor) {
  const Sum sum = reduce({tensor.clone()});
  awaitSum(sum);
  return sum.tensors[0];
}

}  // namespace knack
