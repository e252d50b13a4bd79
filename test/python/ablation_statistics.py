"""Prints the reference figures of test/ablation-statistics.test.ts: python3 test/python/ablation_statistics.py (SciPy 1.10.1)."""

import json

import numpy
import scipy.stats

VALUES = [
    [0.9012, 0.8987, 0.9034],
    [0.71, 0.69, 0.74, 0.70, 0.72, 0.73, 0.68],
    [0.0089, 0.0068, 0.0085],
    [0.01, 0.0, -0.01, 0.02, 0.0, 0.02, 0.01],
    [0.01, -0.02, 0.03],
    [0.001, 0.004, -0.002, 0.003],
    [0.01, -0.011, 0.0002],
]


def estimate(values):
    low, high = scipy.stats.t.interval(0.95, len(values) - 1, loc=numpy.mean(values), scale=scipy.stats.sem(values))
    return [numpy.mean(values), low, high]


def power(values, seeds):
    """Of a two-sided t test at 5 % with so many seeds, were the mean and the deviation of the values the true ones."""
    shift = numpy.mean(values) * numpy.sqrt(seeds) / numpy.std(values, ddof=1)
    border = scipy.stats.t.ppf(0.975, seeds - 1)
    return 1 - scipy.stats.nct.cdf(border, seeds - 1, shift) + scipy.stats.nct.cdf(-border, seeds - 1, shift)


def seeds_to_tell(values):
    """[n, power with n seeds]: the smallest n with (t(0.975, n - 1) + t(0.8, n - 1)) s / sqrt(n) <= |mean|."""
    mean, deviation = abs(numpy.mean(values)), numpy.std(values, ddof=1)
    for seeds in range(2, 1001):
        quantiles = scipy.stats.t.ppf(0.975, seeds - 1) + scipy.stats.t.ppf(0.8, seeds - 1)
        if quantiles * deviation / numpy.sqrt(seeds) <= mean:
            return [seeds, power(values, seeds)]
    return None


for values in VALUES:
    print(json.dumps({"values": values, "estimate": estimate(values), "seedsToTell": seeds_to_tell(values)}))
