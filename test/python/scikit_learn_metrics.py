"""Writes test/metrics/scikit-learn.json: logits and labels, and what scikit-learn makes of them.

Tests read that file and need no scikit-learn. To make it anew, in a virtual environment outside of the repository:

    python3 -m venv venv && venv/bin/pip install scikit-learn
    venv/bin/python test/python/scikit_learn_metrics.py > test/metrics/scikit-learn.json

Logits are float32, probabilities their softmax in float64. An image that counts n times stands there n times for scikit-learn.
"""

import json
import sys
import warnings

import numpy as np
import sklearn
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
    top_k_accuracy_score,
)

warnings.filterwarnings("ignore")
random = np.random.default_rng(20)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def ece(labels, predicted, confidence):
    """The bins are calibration_curve's; it leaves out empty ones, and how many images each has."""
    right = (labels == predicted).astype(int)
    edges = np.linspace(0, 1, 16)
    counts = np.bincount(np.searchsorted(edges[1:-1], confidence), minlength=15)
    accuracy, mean_confidence = calibration_curve(right, confidence, n_bins=15)
    return float(np.sum(counts[counts > 0] * np.abs(accuracy - mean_confidence)) / len(labels))


def separation(labels, probabilities, label):
    own = labels == label
    if own.all() or not own.any():
        return None, None
    scores = probabilities[:, label]
    return float(roc_auc_score(own, scores)), float(average_precision_score(own, scores))


def values(labels, logits):
    classes = logits.shape[1]
    probabilities, numbers = softmax(logits), list(range(classes))
    predicted = logits.argmax(axis=1)
    separations = [separation(labels, probabilities, label) for label in numbers]
    found = {
        "top-1": accuracy_score(labels, predicted),
        "loss": log_loss(labels, probabilities, labels=numbers),
        "balanced-accuracy": balanced_accuracy_score(labels, predicted),
        "macro-f1": f1_score(labels, predicted, average="macro", zero_division=0),
        "weighted-f1": f1_score(labels, predicted, average="weighted", zero_division=0),
        "ece": ece(labels, predicted, probabilities.max(axis=1)),
    }
    if classes > 5:
        found["top-5"] = top_k_accuracy_score(labels, probabilities, k=5, labels=numbers)
    if len(set(labels)) > 1:
        found["auroc"] = np.mean([auroc for auroc, _ in separations if auroc is not None])
        found["average-precision"] = np.mean([precision for _, precision in separations if precision is not None])
        for name, weights in (("kappa", None), ("linear-kappa", "linear"), ("quadratic-kappa", "quadratic")):
            found[name] = cohen_kappa_score(labels, predicted, labels=numbers, weights=weights)
    if len(set(labels)) == classes:  # scikit-learn's own mean is there only where every class is
        own = probabilities[:, 1] if classes == 2 else probabilities
        assert abs(found["auroc"] - roc_auc_score(labels, own, multi_class="ovr", labels=numbers)) < 1e-12
    precision, recall, f1, _ = precision_recall_fscore_support(labels, predicted, labels=numbers, zero_division=0)
    return {
        "metrics": {name: float(value) for name, value in found.items()},
        "classes": [
            {"precision": p, "recall": r, "f1": f, "auroc": auroc, "averagePrecision": ap}
            for p, r, f, (auroc, ap) in zip(precision.tolist(), recall.tolist(), f1.tolist(), separations)
        ],
    }


def case(name, labels, classes, never=(), most=1):
    """`never`: classes that nothing is taken for. Every fifth image has the logits of the one before, whatever its label."""
    labels = np.asarray(labels)
    logits = random.normal(0, 1.5, (len(labels), classes)) + 1.5 * np.eye(classes)[labels]
    logits[:, list(never)] -= 20
    logits[4::5] = logits[3::5][: len(logits[4::5])]
    logits = np.round(logits, 3)
    weights = random.integers(0, most + 1, len(labels)) if most > 1 else np.ones(len(labels), int)
    seen = np.repeat(logits.astype(np.float32).astype(np.float64), weights, axis=0)
    return {
        "name": name,
        "labels": labels.tolist(),
        "weights": weights.tolist(),
        "logits": logits.tolist(),
        **values(np.repeat(labels, weights), seen),
    }


unequal = np.sort(random.choice(8, 60, p=[0.4, 0.25, 0.13, 0.08, 0.06, 0.04, 0.03, 0.01]))
cases = [
    case("six classes", np.arange(60) % 6, 6),
    case("two classes, three to one", (np.arange(40) % 4 == 0).astype(int), 2),
    case("eight unequal classes", unequal, 8),
    case("classes without images, without answers, and without both", 2 * (np.arange(40) % 3), 7, never=(3, 4)),
    case("one class", np.full(20, 2), 4),
    case("images that count several times, or not", np.arange(50) % 5, 5, most=3),
]
json.dump({"scikit-learn": sklearn.__version__, "cases": cases}, sys.stdout, separators=(",", ":"))
print()
