#include "watch.h"

#include <algorithm>
#include <cstdint>
#include <sstream>
#include <thread>

namespace knack {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Where the reason for the group's end stands in the store.
constexpr const char* kEnded = "ended";
// After a connection broke, so many beats that are missing tell who it was.
constexpr int kMissingBeats = 3;
// So many beats after the reason for its end was written, everybody has read it.
constexpr int kLastBeats = 2;

std::string beatKey(int rank) { return "beat/" + std::to_string(rank); }

std::vector<uint8_t> bytesOf(const std::string& text) { return {text.begin(), text.end()}; }

milliseconds since(Clock::time_point then) { return std::chrono::duration_cast<milliseconds>(Clock::now() - then); }

std::string inSeconds(milliseconds time) {
  std::ostringstream text;
  text << std::max<int64_t>(1, (time.count() + 500) / 1000) << " s";
  return text.str();
}

// What a process says of itself.
struct Beat {
  uint64_t number = 0;
  // Collectives that it has begun, and for how long it has waited in the last one; 0 where it computes.
  uint64_t entered = 0;
  int64_t waitingMs = 0;
  // The longest time that it computed from one collective to the next.
  int64_t longestMs = 0;
  bool busy = false;
  bool broken = false;
};

std::string written(const Beat& beat) {
  std::ostringstream text;
  text << beat.number << ' ' << beat.entered << ' ' << beat.waitingMs << ' ' << beat.longestMs << ' ' << beat.busy << ' ' << beat.broken;
  return text.str();
}

Beat read(const std::string& text) {
  Beat beat;
  std::istringstream(text) >> beat.number >> beat.entered >> beat.waitingMs >> beat.longestMs >> beat.busy >> beat.broken;
  return beat;
}

// A process as rank 0 sees it.
struct Seen {
  Beat beat;
  Clock::time_point changed = Clock::now();
  // When it last was at what takes as long as it takes.
  Clock::time_point busy = Clock::now();
};

}  // namespace

struct Watch::Shared {
  c10::intrusive_ptr<c10d::TCPStore> store;
  int rank;
  std::vector<std::string> names;
  milliseconds timeout;
  milliseconds interval;

  std::atomic<uint64_t> entered{0};
  // In the clock's ticks; 0 where nothing is waited for.
  std::atomic<Clock::rep> waitingSince{0};
  // In the clock's ticks, when it last came out of a collective; 0 before the first and while it is busy.
  std::atomic<Clock::rep> computingSince{0};
  std::atomic<int64_t> longestMs{0};
  std::atomic<bool> busy{false};
  std::atomic<bool> broken{false};
  std::atomic<bool> closed{false};
  // When the store last answered.
  std::atomic<Clock::rep> contact{Clock::now().time_since_epoch().count()};

  std::mutex mutex;
  std::string reason;

  void end(const std::string& why) {
    if (closed) return;
    std::lock_guard<std::mutex> lock(mutex);
    if (reason.empty()) reason = why;
  }

  milliseconds sinceContact() const { return since(Clock::time_point(Clock::duration(contact.load()))); }

  milliseconds waiting() const {
    const Clock::rep from = waitingSince.load();
    return from == 0 ? milliseconds(0) : since(Clock::time_point(Clock::duration(from)));
  }

  bool hasEnded() {
    std::lock_guard<std::mutex> lock(mutex);
    return !reason.empty();
  }

  Beat beat(uint64_t number) const { return {number, entered, waiting().count(), longestMs, busy, broken}; }

  std::string whoIsToBlame(std::vector<Seen>& all);
};

// By rank 0: reads what all say. Empty where all is well.
std::string Watch::Shared::whoIsToBlame(std::vector<Seen>& all) {
  bool isBroken = broken;
  for (size_t other = 0; other < all.size(); ++other) {
    if (!store->check({beatKey(other)})) continue;
    const std::vector<uint8_t> value = store->get(beatKey(other));
    const Beat beat = read({value.begin(), value.end()});
    if (beat.number != all[other].beat.number) all[other].changed = Clock::now();
    if (beat.busy) all[other].busy = Clock::now();
    all[other].beat = beat;
    isBroken = isBroken || beat.broken;
  }
  const milliseconds most = isBroken ? std::min(timeout / 2, kMissingBeats * interval) : timeout / 2;
  uint64_t awaited = 0;
  // Where steps take minutes, one process may be that much later than another.
  milliseconds patience = timeout;
  for (const auto& [beat, changed, busy] : all) patience = std::max(patience, timeout + milliseconds(beat.longestMs));
  for (size_t other = 0; other < all.size(); ++other) {
    const auto& [beat, changed, _] = all[other];
    if (since(changed) > most) {
      return names[other] + " has given no sign of life for " + inSeconds(since(changed)) +
             ": it was killed, has stopped or is cut off";
    }
    if (milliseconds(beat.waitingMs) > patience) awaited = std::max(awaited, beat.entered);
  }
  for (size_t other = 0; other < all.size(); ++other) {
    const auto& [beat, _, busy] = all[other];
    if (beat.entered < awaited && since(busy) > patience) {
      return names[other] + " hangs: the others have waited for it for " + inSeconds(patience);
    }
  }
  return "";
}

Watch::Watch(c10::intrusive_ptr<c10d::TCPStore> store, int rank, std::vector<std::string> names, milliseconds timeout)
    : shared_(std::make_shared<Shared>()) {
  shared_->store = std::move(store);
  shared_->rank = rank;
  shared_->names = std::move(names);
  shared_->timeout = timeout;
  shared_->interval = std::min(milliseconds(1000), timeout / 10);
  std::thread(run, shared_).detach();
}

void Watch::run(std::shared_ptr<Shared> shared) {
  std::vector<Seen> all(shared->names.size());
  for (uint64_t number = 1; !shared->closed && !shared->hasEnded(); ++number) {
    try {
      shared->store->set(beatKey(shared->rank), bytesOf(written(shared->beat(number))));
      if (shared->rank == 0) {
        const std::string reason = shared->whoIsToBlame(all);
        if (!reason.empty()) shared->store->compareSet(kEnded, {}, bytesOf(reason));
      }
      if (shared->store->check({kEnded})) {
        const std::vector<uint8_t> reason = shared->store->get(kEnded);
        // With rank 0 the store ends: the others are to read it before.
        if (shared->rank == 0) std::this_thread::sleep_for(kLastBeats * shared->interval);
        shared->end({reason.begin(), reason.end()});
      }
      shared->contact = Clock::now().time_since_epoch().count();
    } catch (const std::exception&) {
      shared->end(shared->names[0] + ", which keeps the others together, is gone");
      return;
    }
    std::this_thread::sleep_for(shared->interval);
  }
}

milliseconds Watch::timeout() const { return shared_->timeout; }

void Watch::enter() {
  const Clock::rep from = shared_->computingSince.exchange(0);
  if (from != 0 && !shared_->busy) {
    const int64_t took = since(Clock::time_point(Clock::duration(from))).count();
    shared_->longestMs = std::max(shared_->longestMs.load(), took);
  }
  shared_->waitingSince = Clock::now().time_since_epoch().count();
  shared_->entered += 1;
}

void Watch::leave() {
  shared_->waitingSince = 0;
  shared_->computingSince = Clock::now().time_since_epoch().count();
}

void Watch::setBusy(bool busy) {
  shared_->busy = busy;
  if (busy) shared_->computingSince = 0;
}

void Watch::setBroken() { shared_->broken = true; }

void Watch::close() { shared_->closed = true; }

std::string Watch::verdict() {
  // The watch's own thread may be stuck in the store.
  const milliseconds silent = shared_->sinceContact();
  if (shared_->rank != 0 && silent > timeout() / 2) {
    shared_->end(shared_->names[0] + ", which keeps the others together, has given no sign of life for " +
                 inSeconds(silent) + ": it was killed, has stopped or is cut off");
  }
  std::lock_guard<std::mutex> lock(shared_->mutex);
  return shared_->reason;
}

void Watch::fail(const std::string& reason) {
  if (!verdict().empty() || shared_->closed) return;
  try {
    shared_->store->compareSet(kEnded, {}, bytesOf(reason));
  } catch (const std::exception&) {
    return; // nobody is there to read it
  }
  if (shared_->rank == 0) std::this_thread::sleep_for(kLastBeats * shared_->interval);
}

}  // namespace knack
