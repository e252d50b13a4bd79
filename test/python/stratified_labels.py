"""Writes test/data/sampling/stratified-labels.json: label sets, and how evenly iterative-stratification divides them.

    python3 -m venv venv && venv/bin/pip install iterative-stratification
    venv/bin/python test/python/stratified_labels.py > test/data/sampling/stratified-labels.json

"deviations" are, over some seeds, the labels distribution of Sechidis et al. 2011 (section 3.3): the mean over classes and folds of
|d_fold / (n_fold - d_fold) - d / (n - d)|, d being how many of the n images show a class. "random" is the same of folds by chance alone.
"""

import json
import sys
import warnings

import numpy as np
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

warnings.filterwarnings("ignore")
random = np.random.default_rng(5)
SEEDS = 8


def deviation(shown, folds):
    odds = lambda rows: rows.sum(axis=0) / np.maximum(1, len(rows) - rows.sum(axis=0))
    return float(np.mean([np.abs(odds(shown[fold]) - odds(shown)) for fold in folds]))


def case(name, shares, count, folds):
    shown = (random.random((count, len(shares))) < shares).astype(int)
    by = lambda seed: [
        test
        for _, test in MultilabelStratifiedKFold(folds, shuffle=True, random_state=seed).split(shown, shown)
    ]
    chance = lambda: np.array_split(random.permutation(count), folds)
    return {
        "name": name,
        "folds": folds,
        "shown": shown.tolist(),
        "deviations": [deviation(shown, by(seed)) for seed in range(SEEDS)],
        "random": [deviation(shown, chance()) for _ in range(SEEDS)],
    }


cases = [
    case("few labels an image", [0.2, 0.1, 0.05, 0.02], 300, 5),
    case("many rare classes", [0.03] * 12 + [0.6], 300, 5),
    case("two halves", [0.5, 0.3, 0.1], 90, 2),
]
json.dump({"cases": cases}, sys.stdout, separators=(",", ":"))
print()
