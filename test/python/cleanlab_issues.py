"""Writes test/suspects/cleanlab.json: labels with probabilities, and which of them cleanlab's find_label_issues takes for wrong, in its order.

Tests read that file and need no cleanlab. To make it anew, in a virtual environment outside of the repository:

    python3 -m venv venv && venv/bin/pip install cleanlab
    venv/bin/python test/python/cleanlab_issues.py > test/suspects/cleanlab.json
"""

import json
import warnings

import cleanlab
import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

warnings.filterwarnings("ignore")
random = np.random.default_rng(22)


def case(shares, sharpness, noise, empty=None):
    """Classes of these numbers of images; a share `noise` of the labels is another one. `empty` is a class without a label."""
    true = np.repeat(np.arange(len(shares)), shares)
    logits = random.normal(size=(len(true), len(shares)))
    logits[np.arange(len(true)), true] += sharpness
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    probabilities = np.round(probabilities, 6)
    labels = true.copy()
    wrong = random.random(len(true)) < noise
    labels[wrong] = random.integers(len(shares), size=wrong.sum())
    if empty is not None:
        labels[labels == empty] = (empty + 1) % len(shares)
    issues = find_label_issues(labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    quality = get_label_quality_scores(labels, probabilities, method="self_confidence")
    return {
        "labels": labels.tolist(),
        "probabilities": probabilities.tolist(),
        "issues": issues.tolist(),
        "quality": [round(float(value), 6) for value in quality[issues]],
    }


cases = [
    case([40, 40, 40], 2.0, 0.1),
    case([60, 9, 3, 1], 1.0, 0.2),
    case([30, 30], 0.3, 0.3),
    case([12] * 7, 3.0, 0.3),
    case([20, 20, 20, 20], 1.5, 0.15, empty=2),
    case([25, 25, 25], 4.0, 0.0),
]
print(json.dumps({"cleanlab": cleanlab.__version__, "cases": cases}))
