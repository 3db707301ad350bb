"""docs/coverage.md, from what the study found."""

import math
from collections.abc import Iterable

from studies import ALPHA, LEVEL, Cell

HEAD = """# How often the intervals hold what they claim

Written by `{command}` on {date} (NumPy {numpy}, SciPy {scipy}). Level {level}; n real rows, m
generated rows. *Coverage* is the share of draws whose interval held the truth, *missed* how often
it lay wholly below and wholly above it. *Spread* is the standard deviation of the value,
*half-width* the mean of the interval's. Verdicts allow for three binomial standard errors:
**too narrow** covers less than claimed; *wide* more, which costs precision but does not mislead.

What is drawn anew is what the interval's target says: both samples for distances; only the
generated rows for metrics with a fixed reference, only the real ones for those with a fixed
generated set (5 fixed sets each). Where a metric refuses or gives no interval, its other answers
count. The truth is a closed form, or the value of 200 000 rows.
"""

TESTS = """
## False findings of the tests

Two samples, or two models, of one law: the share of p-values up to {alpha}. Tests of equality and
`ndb` and `classifier_accuracy` compare the two samples of m rows, `compare` scores both against n
rows of the real law.

| test | law | d | n | m | draws | rate at {alpha} | |
|---|---|---|---|---|---|---|---|
"""


def page(saved: dict, cells: Iterable[Cell]) -> str:
    """The whole page."""
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
            "| law | d | n | m | draws | truth | bias | spread | half-width | missed"
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


def _interval_line(cell: Cell, found: dict[str, float]) -> str:
    """One law and size of one metric."""
    numbers = [f"{found[key]:.3g}" for key in ("truth", "bias", "spread", "half_width")]
    missed = f"{found['below']:.3f}, {found['above']:.3f}"
    answers = cell.draws * found.get("answered", 1.0)
    slack = 3.0 * math.sqrt(LEVEL * (1.0 - LEVEL) / answers)
    output = "as claimed"
    if found["coverage"] < LEVEL - slack:
        output = "**too narrow**"
    elif found["coverage"] > min(LEVEL + slack, 0.985):
        output = "wide"
    if found.get("answered", 1.0) < 1.0:
        output += f", answers in {found['answered']:.0%}"
    return (
        f"| {cell.law} | {cell.d} | {cell.n} | {cell.m} | {cell.draws} | "
        + " | ".join([*numbers, missed, f"{found['coverage']:.3f}", output])
        + " |"
    )


def _test_line(name: str, cell: Cell, rate: float) -> str:
    """One law and size of one test."""
    slack = 3.0 * math.sqrt(ALPHA * (1.0 - ALPHA) / cell.draws)
    output = "as claimed"
    if rate > ALPHA + slack:
        output = "**too many**"
    elif rate < ALPHA - min(slack, 0.03):
        output = "fewer"
    shape = f"{cell.d} | {cell.n} | {cell.m} | {cell.draws}"
    return f"| {name} | {cell.law} | {shape} | {rate:.3f} | {output} |"
