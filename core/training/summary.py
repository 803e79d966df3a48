"""The numbers that a training ends with: how well it reconstructs, and what its cloud is like."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.geometry.embedding_metrics import trustworthiness, two_nn

NEIGHBOURS = 12
MAX_SAMPLES = 5000
"""Trustworthiness compares all pairs of samples; of a larger cloud this many are drawn."""


def make_report(mu: np.ndarray, factors: np.ndarray, validation: dict[str, float], seconds: float) -> dict[str, Any]:
    """Record of kind ``report``, JSON-ready.

    ``mu`` float32 (n, d); ``factors`` float32 (n, F), continuous ones, F = 0 if there are none; ``validation`` as in
    ``core.training.loop.EpochEnd``. A number that cannot be had is None: excess BCE without validation samples,
    trustworthiness without factors, any of a cloud too small.
    """
    record: dict[str, Any] = {
        "kind": "report",
        "excess_bce": validation.get("excess_bce"),
        "twonn": None,
        "twonn_low": None,
        "twonn_high": None,
        "trustworthiness_parameters_to_cloud": None,
        "trustworthiness_cloud_to_parameters": None,
        "seconds": seconds,
    }
    try:
        record["twonn"], record["twonn_low"], record["twonn_high"] = map(float, two_nn(mu))
        if factors.shape[1]:
            places = np.arange(len(mu))
            if len(mu) > MAX_SAMPLES:
                places = np.sort(np.random.default_rng(0).choice(len(mu), MAX_SAMPLES, replace=False))
            x, y = factors[places], mu[places]
            record["trustworthiness_parameters_to_cloud"] = float(trustworthiness(x, y, NEIGHBOURS))
            record["trustworthiness_cloud_to_parameters"] = float(trustworthiness(y, x, NEIGHBOURS))
    except ValueError as error:  # embedding_metrics and local_fit raise it for points that allow no such number
        record["note"] = str(error)
    return record


def describe_report(record: dict[str, Any]) -> str:
    """The report in a few lines for a person."""

    def number(name: str, digits: int) -> str:
        value = record.get(name)
        return "not available" if value is None else f"{value:.{digits}f}"

    interval = ""
    if record.get("twonn_low") is not None:
        interval = f"  (95 %: {record['twonn_low']:.2f} to {record['twonn_high']:.2f})"
    lines = [
        f"excess BCE, validation        {number('excess_bce', 5)}",
        f"intrinsic dimension, TwoNN    {number('twonn', 2)}{interval}",
        f"trustworthiness, {NEIGHBOURS} neighbours",
        f"  parameters to cloud         {number('trustworthiness_parameters_to_cloud', 4)}",
        f"  cloud to parameters         {number('trustworthiness_cloud_to_parameters', 4)}",
        f"training time                 {record['seconds'] / 60:.1f} min",
    ]
    return "\n".join(lines + ([record["note"]] if "note" in record else []))
