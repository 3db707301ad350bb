"""The examples in the docstrings are run."""

import doctest
import importlib
import inspect

import pytest

import evaluation
from evaluation import metrics

HOMES = sorted(
    {
        inspect.getmodule(getattr(evaluation, name)).__name__
        for name in (
            *("compare", "nearest", "over_runs", "per_class", "per_sample", "plan", "prd_curve"),
            "same_distribution",
        )
    }
)


@pytest.mark.parametrize("module", [f"evaluation.metrics.{m}" for m in metrics.names()] + HOMES)
def test_examples_print_what_they_say(module):
    failed, tried = doctest.testmod(importlib.import_module(module))
    assert failed == 0
    assert tried
