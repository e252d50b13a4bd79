"""Writes test/metrics/several-labels.json: logits of images that may show several classes, and what scikit-learn makes of them.

Tests read that file and need no scikit-learn. To make it anew, in a virtual environment outside of the repository:

    python3 -m venv venv && venv/bin/pip install scikit-learn
    venv/bin/python test/python/scikit_learn_label_sets.py > test/metrics/several-labels.json

Logits are float32, probabilities their sigmoid in float64. "best" is each class's highest F1 over all thresholds. An image that counts n times stands
there n times for scikit-learn.
"""

import json
import sys
import warnings

import numpy as np
import sklearn
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    log_loss,
    precision_recall_curve,
    precision_recall_fscore_support,
    roc_auc_score,
)

warnings.filterwarnings("ignore")
random = np.random.default_rng(21)


def best_f1(own, scores):
    if not own.any():
        return None
    precision, recall, _ = precision_recall_curve(own, scores)
    return float(np.max(2 * precision * recall / np.maximum(precision + recall, 1e-300)))


def values(shown, logits, thresholds):
    probabilities = 1 / (1 + np.exp(-logits))
    taken = (probabilities >= thresholds).astype(int)
    classes = range(shown.shape[1])
    some = [label for label in classes if shown[:, label].any() or taken[:, label].any()]
    known = [label for label in classes if 0 < shown[:, label].sum() < len(shown)]
    precision, recall, f1, _ = precision_recall_fscore_support(shown, taken, average=None, zero_division=0)
    found = {
        "loss": sum(log_loss(shown[:, label], probabilities[:, label], labels=[0, 1]) for label in classes),
        "macro-f1": f1_score(shown, taken, average="macro", labels=some, zero_division=0),
        "micro-f1": f1_score(shown, taken, average="micro", zero_division=0),
        "exact-match": accuracy_score(shown, taken),
    }
    if known:
        found["average-precision"] = average_precision_score(shown[:, known], probabilities[:, known], average="macro")
        found["auroc"] = roc_auc_score(shown[:, known], probabilities[:, known], average="macro")
    one = lambda measure, label: float(measure(shown[:, label], probabilities[:, label])) if label in known else None
    return {
        "metrics": {name: float(value) for name, value in found.items()},
        "classes": [
            {
                "precision": precision[label],
                "recall": recall[label],
                "f1": f1[label],
                "averagePrecision": one(average_precision_score, label),
                "auroc": one(roc_auc_score, label),
                "best": best_f1(shown[:, label], probabilities[:, label]),
            }
            for label in classes
        ],
    }


def case(name, shares, count, most=1):
    """`shares`: how often each class is shown. Every fifth image has the logits of the one before, whatever its labels."""
    shown = (random.random((count, len(shares))) < shares).astype(int)
    logits = random.normal(0, 1.5, shown.shape) + 2 * shown - 1
    logits[4::5] = logits[3::5][: len(logits[4::5])]
    logits = np.round(logits, 3)
    thresholds = np.round(random.uniform(0.2, 0.8, len(shares)), 3)
    weights = random.integers(0, most + 1, count) if most > 1 else np.ones(count, int)
    seen = np.repeat(logits.astype(np.float32).astype(np.float64), weights, axis=0)
    return {
        "name": name,
        "shown": shown.tolist(),
        "logits": logits.tolist(),
        "thresholds": thresholds.tolist(),
        "weights": weights.tolist(),
        **values(np.repeat(shown, weights, axis=0), seen, thresholds),
    }


cases = [
    case("five classes", [0.3] * 5, 60),
    case("unequal classes, one of all and one of no image", [1, 0.5, 0.2, 0.08, 0.04, 0], 80),
    case("two classes", [0.4, 0.6], 30),
    case("most images show nothing", [0.05] * 4, 60),
    case("images that count several times, or not", [0.4, 0.2, 0.1], 50, most=3),
    case("no image shows anything", [0, 0], 20),
]
json.dump({"scikit-learn": sklearn.__version__, "cases": cases}, sys.stdout, separators=(",", ":"))
print()
