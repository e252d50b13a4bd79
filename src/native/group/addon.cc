// What TypeScript can reach of a group of processes: operators of libtorch's dispatcher, so that tensors come by the door that all others come by.
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/library.h>

#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
#include <napi.h>

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <deque>
#include <sstream>
#include <stdexcept>

#include "group.h"

namespace knack {

namespace {

using std::chrono::milliseconds;

Group* joined = nullptr;
// Sums that were begun and are not yet awaited, in the order in which they were.
std::deque<Sum> begun;

milliseconds millisecondsOf(double seconds) { return milliseconds(static_cast<int64_t>(1000 * seconds)); }

c10::intrusive_ptr<c10d::TCPStore> connected(const std::string& host, int64_t port, bool serves, milliseconds timeout) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(port);
  options.isServer = serves;
  options.waitWorkers = false;
  options.timeout = timeout;
  return c10::make_intrusive<c10d::TCPStore>(host, options);
}

// This machine's address on the way to another one: where that one can reach it.
std::string addressTowards(const std::string& host, int64_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    throw std::runtime_error("no address is known of " + host);
  }
  std::string address;
  for (const addrinfo* each = found; each != nullptr && address.empty(); each = each->ai_next) {
    const int descriptor = socket(each->ai_family, SOCK_DGRAM, 0);
    sockaddr_storage own{};
    socklen_t length = sizeof own;
    char name[NI_MAXHOST];
    // Nothing is sent: the system only says which address it would be sent from.
    if (descriptor >= 0 && connect(descriptor, each->ai_addr, each->ai_addrlen) == 0 &&
        getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &length) == 0 &&
        getnameinfo(reinterpret_cast<sockaddr*>(&own), length, name, sizeof name, nullptr, 0, NI_NUMERICHOST) == 0) {
      address = name;
    }
    if (descriptor >= 0) close(descriptor);
  }
  freeaddrinfo(found);
  if (address.empty()) throw std::runtime_error("there is no way to " + host);
  return address;
}

// The store of a group; rank 0 serves it.
void openStore(std::string host, int64_t port, int64_t rank, int64_t size, double timeout) {
  if (joined != nullptr) throw std::runtime_error("this process is in a group already");
  auto group = std::make_unique<Group>();
  group->rank = static_cast<int>(rank);
  group->size = static_cast<int>(size);
  group->store = connected(host, port, rank == 0, millisecondsOf(timeout));
  joined = group.release();
}

// The value of a key, which is `value` from now on unless it had one before.
std::string claim(std::string key, std::string value) {
  const auto held = group().store->compareSet(key, {}, {value.begin(), value.end()});
  return {held.begin(), held.end()};
}

bool has(std::string key) { return group().store->check({key}); }

std::string read(std::string key) {
  const auto value = group().store->get(key);
  return {value.begin(), value.end()};
}

// `names` are what the processes are called in errors, a line each.
void connectAll(std::string names, double timeout) {
  Group& own = group();
  const std::string host = own.store->getHost();
  const int64_t port = own.store->getPort();
  std::vector<std::string> lines;
  std::istringstream text(names);
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  auto options = c10d::ProcessGroupGloo::Options::create();
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  options->devices.push_back(interface != nullptr && *interface != '\0'
                                 ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
                                 : c10d::ProcessGroupGloo::createDeviceForHostname(addressTowards(host, port)));
  // No collective times out by itself: one may wait for a checkpoint to be written, and the watch knows more.
  options->timeout = std::chrono::hours(24);
  options->threads = 2;
  own.watch = std::make_unique<Watch>(connected(host, port, false, millisecondsOf(timeout)), own.rank, std::move(lines),
                                      millisecondsOf(timeout));
  auto store = c10::make_intrusive<c10d::PrefixStore>("gloo", own.store);
  own.gloo = awaited<c10::intrusive_ptr<c10d::ProcessGroupGloo>>([store, options, rank = own.rank, size = own.size] {
    return c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
  });
}

void beginSum(at::TensorList tensors) { begun.push_back(reduce(tensors.vec())); }

void finishSums() {
  while (!begun.empty()) {
    awaitSum(begun.front());
    begun.pop_front();
  }
}

void broadcast(at::TensorList tensors, int64_t root) {
  for (const at::Tensor& tensor : tensors) {
    std::vector<at::Tensor> whole{tensor.contiguous()};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    await(group().gloo->broadcast(whole, options));
    if (!whole[0].is_same(tensor)) tensor.copy_(whole[0]);
  }
}

// Tensors of one shape from all processes, in the order of their ranks.
std::vector<at::Tensor> gather(const at::Tensor& tensor) {
  std::vector<at::Tensor> own{tensor.contiguous()};
  std::vector<std::vector<at::Tensor>> all(1);
  for (int rank = 0; rank < group().size; ++rank) all[0].push_back(at::empty_like(own[0]));
  await(group().gloo->allgather(all, own));
  return all[0];
}

void setBusy(bool busy) { group().watch->setBusy(busy); }

// Empty while all is well.
std::string verdict() { return joined == nullptr || !joined->watch ? "" : joined->watch->verdict(); }

void fail(std::string reason) {
  if (joined != nullptr && joined->watch) joined->watch->fail(reason);
}

// After a last collective. Rank 0 leaves when all others have left, because with it the store ends.
void leave() {
  Group& own = group();
  own.watch->close();
  try {
    own.store->add("left", 1);
    const auto until = std::chrono::steady_clock::now() + own.watch->timeout();
    while (own.rank == 0 && own.store->add("left", 0) < own.size && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(milliseconds(10));
    }
  } catch (const std::exception&) {
    // Rank 0 waits no longer than that.
  }
}

}  // namespace

Group& group() {
  if (joined == nullptr) throw std::runtime_error("this process is in no group");
  return *joined;
}

TORCH_LIBRARY(knack, library) {
  library.def("open_store(str host, int port, int rank, int size, float timeout) -> ()", openStore);
  library.def("claim(str key, str value) -> str", claim);
  library.def("has(str key) -> bool", has);
  library.def("read(str key) -> str", read);
  library.def("connect(str names, float timeout) -> ()", connectAll);
  library.def("begin_sum(Tensor[] tensors) -> ()", beginSum);
  library.def("finish_sums() -> ()", finishSums);
  library.def("broadcast(Tensor[] tensors, int root) -> ()", broadcast);
  library.def("gather(Tensor tensor) -> Tensor[]", gather);
  library.def("batch_norm(Tensor input, Tensor weight, Tensor bias, int values, float eps) -> (Tensor, Tensor, Tensor)",
              synchronisedBatchNorm);
  library.def("set_busy(bool busy) -> ()", setBusy);
  library.def("verdict() -> str", verdict);
  library.def("fail(str reason) -> ()", fail);
  library.def("leave() -> ()", leave);
}

}  // namespace knack

// Loading it registers the operators; there is nothing else to hand over.
static Napi::Object initialise(Napi::Env, Napi::Object exports) { return exports; }

NODE_API_MODULE(dist, initialise)
