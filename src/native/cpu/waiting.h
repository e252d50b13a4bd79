// How the threads of a network wait for each other: spinning, which is the quickest where they have the processors for themselves, or asleep, where
// other programs want those too and a thread that spins only keeps them from the one that it waits for.
#pragma once

namespace knack::cpu {

// Seconds that threads were on a processor, and that they were ready to run while others were there.
struct Scheduled {
  double running = 0, waiting = 0;
};

// Of this thread and those it computes with, in all their time; zeros where the kernel does not say.
Scheduled scheduled();

// To be called by a thread that computes, between passes: looks now and then how long it and those it computes with had to wait for a processor, and
// has them wait for each other asleep while that is much. It takes a few microseconds, ten times a second.
void chooseHowToWait();

}  // namespace knack::cpu
