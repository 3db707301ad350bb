"""Writes docs/coverage.md from the results of the study."""

import math
from collections.abc import Iterable

from cells import ALPHA, LEVEL, Cell

HEAD = """# How often the intervals hold what they claim

Written by `{command}` on {date} (NumPy {numpy}, SciPy {scipy}). Level {level}; n real rows, m
generated rows. *Coverage* is the fraction of draws whose interval contains the true value. *Missed*
gives the fractions whose interval lies entirely below, and entirely above, the true value. *Spread*
is the standard deviation of the metric, *half-width* the mean half-width of its intervals. The
verdicts allow for three binomial standard errors: **too narrow** means lower coverage than claimed;
*wide* means higher coverage, which costs precision but does not mislead.

The target of the interval decides which samples are drawn again for each draw: both samples for
distances; only the generated rows for metrics with a fixed reference; only the real rows for
metrics with a fixed generated set (5 fixed sets each). If a metric refuses some samples or returns
no interval, only its other results count. The truth is a closed form, or the value for 200 000
rows.
"""

TESTS = """
## False findings of the tests

Two samples, or two models, have the same distribution. The rate is the fraction of p-values that
are at most {alpha}. The tests of equality, `ndb` and `classifier_accuracy` compare the two samples
of m rows; `compare` scores both against n rows of the real distribution.

| test | distribution | d | n | m | draws | rate at {alpha} | |
|---|---|---|---|---|---|---|---|
"""


def page(saved: dict, cells: Iterable[Cell]) -> str:
    """Returns the text of the page."""
    cells = list(cells)
    done = [cell for cell in cells if cell.key in saved["cells"]]
    names = dict.fromkeys(
        name for cell in done if cell.group != "tests" for name in saved["cells"][cell.key]
    )
    lines = [
        HEAD.format(
            command=saved["command"],
            date=saved["date"],
            numpy=saved["versions"]["numpy"],
            scipy=saved["versions"]["scipy"],
            level=LEVEL,
        )
    ]
    for name in names:
        lines += [
            f"## `{name}`\n",
            "| distribution | d | n | m | draws | truth | bias | spread | half-width | missed"
            " | coverage | |",
            "|---|---|---|---|---|---|---|---|---|---|---|---|",
        ]
        for cell in done:
            if cell.group != "tests" and name in saved["cells"][cell.key]:
                lines.append(_interval_line(cell, saved["cells"][cell.key][name]))
        lines.append("")
    lines.append(TESTS.format(alpha=ALPHA).strip())
    for name in dict.fromkeys(
        name for cell in done if cell.group == "tests" for name in saved["cells"][cell.key]
    ):
        for cell in done:
            if cell.group == "tests" and name in saved["cells"][cell.key]:
                lines.append(_test_line(name, cell, saved["cells"][cell.key][name]["rate"]))
    return "\n".join(lines) + "\n"


def _interval_line(cell: Cell, summary: dict[str, float]) -> str:
    """Returns the table row of one metric in one cell."""
    numbers = [f"{summary[key]:.3g}" for key in ("truth", "bias", "spread", "half_width")]
    missed = f"{summary['below']:.3f}, {summary['above']:.3f}"
    answers = cell.draws * summary.get("answered", 1.0)
    tolerance = 3.0 * math.sqrt(LEVEL * (1.0 - LEVEL) / answers)
    verdict = "as claimed"
    if summary["coverage"] < LEVEL - tolerance:
        verdict = "**too narrow**"
    elif summary["coverage"] > min(LEVEL + tolerance, 0.985):
        verdict = "wide"
    if summary.get("answered", 1.0) < 1.0:
        verdict += f", answers in {summary['answered']:.0%}"
    return (
        f"| {cell.distribution} | {cell.d} | {cell.n} | {cell.m} | {cell.draws} | "
        + " | ".join([*numbers, missed, f"{summary['coverage']:.3f}", verdict])
        + " |"
    )


def _test_line(name: str, cell: Cell, rate: float) -> str:
    """Returns the table row of one test in one cell."""
    tolerance = 3.0 * math.sqrt(ALPHA * (1.0 - ALPHA) / cell.draws)
    verdict = "as claimed"
    if rate > ALPHA + tolerance:
        verdict = "**too many**"
    elif rate < ALPHA - min(tolerance, 0.03):
        verdict = "fewer"
    shape = f"{cell.d} | {cell.n} | {cell.m} | {cell.draws}"
    return f"| {name} | {cell.distribution} | {shape} | {rate:.3f} | {verdict} |"
