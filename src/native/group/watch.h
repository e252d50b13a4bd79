// Who of a group of processes is alive, and who is waited for.
#pragma once

#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace knack {

// A thread of each process tells the store once a second how far its process is; that of rank 0 reads what all say, and writes down who is to blame where
// one is silent for half of the timeout, or was waited for by others for the whole of it and the longest step. Everybody reads that.
// Who has lost the store blames rank 0.
class Watch {
 public:
  // `store` is the watch's own connection: its calls block.
  Watch(c10::intrusive_ptr<c10d::TCPStore> store, int rank, std::vector<std::string> names,
        std::chrono::milliseconds timeout);

  // Around a collective, by the thread that trains.
  void enter();
  void leave();
  // While it is set, others wait for this process however long that takes, as long as it gives a sign of life.
  void setBusy(bool busy);
  // A connection broke: whoever is silent is to be named soon.
  void setBroken();
  // The group ends as it should: nobody is to blame any more.
  void close();
  // Why the group has ended before its time; empty while it has not.
  std::string verdict();
  // Gives the reason, unless there is one; and waits until others can have read it.
  void fail(const std::string& reason);

  std::chrono::milliseconds timeout() const;

 private:
  // What the watch's thread has a hold on too: it may be stuck in the store when everything else ends.
  struct Shared;
  static void run(std::shared_ptr<Shared> shared);

  std::shared_ptr<Shared> shared_;
};

}  // namespace knack
