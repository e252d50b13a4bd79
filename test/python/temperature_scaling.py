"""Writes test/metrics/temperature.json: logits and labels, and the temperature that SciPy's optimizer finds for them.

Tests read that file and need no SciPy. To make it anew, in a virtual environment outside of the repository:

    python3 -m venv venv && venv/bin/pip install scipy
    venv/bin/python test/python/temperature_scaling.py > test/metrics/temperature.json

The optimizer knows the loss alone, no derivative, and goes by ln T.
"""

import json

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

random = np.random.default_rng(21)


def case(images, classes, sharpness):
    labels = random.integers(classes, size=images)
    logits = random.normal(size=(images, classes))
    logits[np.arange(images), labels] += 1.5
    logits = np.round(logits * sharpness, 4).astype(np.float32)

    def ofOne(temperature):
        return log_softmax(logits.astype(np.float64) / temperature, axis=1)

    def loss(temperature):
        return float(-ofOne(temperature)[np.arange(images), labels].mean())

    found = minimize_scalar(lambda log: loss(np.exp(log)), bracket=(-0.5, 0.5), method="brent", tol=1e-10)
    temperature = float(np.exp(found.x))
    return {
        "labels": labels.tolist(),
        "logits": [[round(float(logit), 4) for logit in row] for row in logits],
        "temperature": temperature,
        "losses": [loss(1.0), loss(temperature)],
        "confidences": np.exp(ofOne(temperature).max(axis=1))[:5].tolist(),
    }


print(json.dumps([case(120, 4, 3.0), case(80, 2, 0.2), case(60, 7, 1.0)]))
