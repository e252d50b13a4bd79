"""What the peers of bench/index.ts print of the steps that they do, as JSON."""

import json
import time


def print_steps(step, count):
    """Does one step that is not counted and then so many."""
    seconds = []
    for _ in range(count + 1):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    # Not by getrusage: that counts what the process it was started by had at that moment, too.
    with open("/proc/self/status") as status:
        peak = 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    print(json.dumps({"first": seconds[0], "seconds": seconds[1:], "peakBytes": peak}))
