"""How well scikit-learn's StratifiedGroupKFold balances some sets of groups: writes test/data/sampling/stratified-groups.json.

It is not run by the tests, because scikit-learn is not among what they need:
    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install scikit-learn && /tmp/venv/bin/python test/python/stratified_groups.py
"""
import json
import pathlib

import numpy as np
import sklearn
from sklearn.model_selection import StratifiedGroupKFold

rng = np.random.default_rng(0)


def groups(sizes, shares, pure):
    """A group is a text of its items' classes."""
    drawn = [rng.choice(len(shares), size=size, p=shares) for size in sizes]
    return ["".join(str(label) for label in (each * 0 + each[0] if pure else each)) for each in drawn]


def spread(labels, folds, count):
    """The standard deviation over folds of a class's share, the mean over the classes."""
    shares = [[np.sum((labels == c) & (folds == f)) / np.sum(labels == c) for f in range(count)] for c in np.unique(labels)]
    return float(np.mean(np.std(shares, axis=1)))


def measured(name, of, count):
    labels = np.array([int(label) for each in of for label in each])
    group = np.array([index for index, each in enumerate(of) for _ in each])
    spreads = []
    for seed in [None, 0, 1, 2, 3, 4]:
        splitter = StratifiedGroupKFold(count) if seed is None else StratifiedGroupKFold(count, shuffle=True, random_state=seed)
        folds = np.zeros(len(labels), int)
        for fold, (_, test) in enumerate(splitter.split(labels, labels, group)):
            folds[test] = fold
        spreads.append(round(spread(labels, folds, count), 6))
    return {"name": name, "folds": count, "groups": of, "spreads": spreads}


sets = [
    measured("objects of one class", groups(rng.integers(3, 9, 60), [0.4, 0.3, 0.2, 0.1], True), 5),
    measured("patients with several", groups(rng.integers(1, 20, 50), [0.7, 0.2, 0.1], False), 5),
    measured("a few large", groups(rng.integers(10, 30, 20), [0.5, 0.3, 0.2], False), 4),
    measured("mostly single", groups(np.where(rng.random(300) < 0.05, rng.integers(2, 6, 300), 1), [0.5, 0.5], True), 10),
]
out = pathlib.Path(__file__).parent.parent / "data/sampling/stratified-groups.json"
out.write_text(json.dumps({"scikit-learn": sklearn.__version__, "sets": sets}, indent=2) + "\n")
