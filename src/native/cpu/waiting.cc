#include "waiting.h"

#include <omp.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace knack::cpu {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kBetweenLooks = std::chrono::milliseconds(100);
// Shares of the time in which a thread wanted to compute. Alone on a machine it is a few thousandths.
constexpr double kMuch = 0.08, kLittle = 0.02;

// GNU's OpenMP has no call for how long threads spin. It has them spin next to never while it holds more threads than there are processors (libgomp's
// wait.h): so while this lives it holds some more, which sleep.
class MoreThreads {
 public:
  MoreThreads() : thread_([this] { hold(); }) {}
  ~MoreThreads() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      done_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

 private:
  void hold() {
    // With those that compute these are too many.
    const int count = omp_get_num_procs() + 1;
    // OpenMP ends the process where it gets no thread.
    if (!canStart(count)) return;
#pragma omp parallel num_threads(count)
    ;
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return done_; });
  }

  static bool canStart(int count) {
    std::vector<std::thread> threads;
    try {
      while (count-- > 0) threads.emplace_back([] {});
    } catch (const std::system_error&) {
    }
    for (std::thread& thread : threads) thread.join();
    return count < 0;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::thread thread_;
};

// A thread that computes networks, and those that OpenMP gave it.
struct Team {
  // Where the kernel says how they were scheduled.
  std::vector<std::string> files;
  Scheduled last;
  Clock::time_point looked;
  std::unique_ptr<MoreThreads> more;
};

Team& team() {
  thread_local Team team;
  return team;
}

void findThreads(Team& team) {
  team.files.resize(omp_get_max_threads());
#pragma omp parallel for schedule(static, 1)
  for (size_t i = 0; i < team.files.size(); ++i) {
    std::error_code none;
    // "PID/task/TID" on Linux; elsewhere there is no such link, and nothing to read.
    team.files[i] = "/proc/" + std::filesystem::read_symlink("/proc/thread-self", none).string() + "/schedstat";
  }
}

}  // namespace

Scheduled scheduled() {
  Team& mine = team();
  if (mine.files.size() != static_cast<size_t>(omp_get_max_threads())) findThreads(mine);
  Scheduled sum;
  for (const std::string& file : mine.files) {
    double running = 0, waiting = 0;
    std::ifstream(file) >> running >> waiting;
    sum.running += running * 1e-9;
    sum.waiting += waiting * 1e-9;
  }
  return sum;
}

void chooseHowToWait() {
  Team& mine = team();
  if (Clock::now() - mine.looked < kBetweenLooks) return;
  const Scheduled now = scheduled();
  const double running = now.running - mine.last.running, waiting = now.waiting - mine.last.waiting;
  const double share = running + waiting > 0 ? waiting / (running + waiting) : 0;
  mine.last = now;
  mine.looked = Clock::now();
  if (share > kMuch && !mine.more) {
    try {
      mine.more = std::make_unique<MoreThreads>();
    } catch (const std::system_error&) {
      // Without a thread to be had they spin.
    }
  } else if (share < kLittle) {
    mine.more.reset();
  }
}

}  // namespace knack::cpu
