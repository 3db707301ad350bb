"""Compares several generators against one reference: which differences are significant.

All models use the same real rows, so the effect that these rows have on all models cancels in a
difference: its interval is narrower than the models' own intervals suggest. "No significant
difference" does not mean that two models are equal; the detectable difference is reported with it.

The comparison misleads if it uses the same samples that selected a model: a checkpoint that was
selected for its FID needs fresh samples. It is not valid for other training runs of the same models
(see `over_runs`). Two models with equal distance from the reference may still differ:
`same_distribution(a, b)` tests that.

The p-values of FID and KID assume a normal distribution, with variances from the rows' influences.
At 0.05, the false-positive rate for two models with one distribution that differs from the
reference is 2 to 5 %. It is lower for heavy tails, and 1 % if the models equal the reference.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from evaluation import metrics as all_metrics
from evaluation.core import validation
from evaluation.core.arrays import as_rows
from evaluation.core.pair import Pair
from evaluation.core.versions import versions
from evaluation.errors import InputError
from evaluation.inference import differences
from evaluation.results.model_comparison import Difference, ModelComparison, Scored
from evaluation.statistics.levels import rejects
from evaluation.statistics.multiplicity import benjamini_hochberg, holm

METRICS = ("fid", "kid", "precision", "density", "coverage")
CORRECTIONS = {"holm": holm, "benjamini-hochberg": benjamini_hochberg}
MOST_MODELS = 20
LEAST_ROWS = 20


def compare(
    models: Mapping[str, Any],
    reference: Any,
    metric: str = "fid",
    level: float = 0.95,
    correction: str = "holm",
    seed: int = 0,
    paired_latents: bool = False,
    k: int | None = None,
) -> ModelComparison:
    """Pairwise differences, SE^2 = var(f_A) / n + var(f_B) / m + var(r_A - r_B) / N, and a ranking.

    f are the influences of the models' rows, r the influences of the N reference rows, which all
    models share. FID and KID: both populations are random. If the reference has fewer than two rows
    for each dimension, FID's differences have only bounds, which are conservative. Precision,
    density and coverage: the reference is fixed, and the distances from the values to the interval
    ends combine as the root of their summed squares. A p-value is 1 minus the level at which the
    interval just reaches 0.

    Args:
      models: maps 2 to 20 names to features, array-like, shape (n, d), n >= 20; n may differ.
      reference: real features, shape (N, d), N >= 20.
      metric: "fid", "kid", "precision", "density" or "coverage". (Recall is a fraction of real rows
        for one set of generated rows: it has no standard error over generated rows.)
      level: confidence level of each interval; 1 - level is the rate of false positives.
      correction: "holm" (controls the chance of any false positive) or "benjamini-hochberg"
        (controls the fraction of false positives).
      seed: seed of the metric.
      paired_latents: whether row i of all models has the same latent; differences are then taken
        row by row. Not for "coverage".
      k: the k-th neighbour sets the radius, for nearest-neighbour metrics; None for the default.

    Returns:
      Values, differences, adjusted p-values, detectable differences, and a ranking.

    Raises:
      InputError: `models` is not such a mapping, the metric or the correction is unknown, rows
        differ in width or are too few, or most rows of a model are reference rows.

    Source:
      Rippl, Munk & Sturm 2016, arXiv:1507.04090; Sutherland 2019, arXiv:1906.02104; Zou & Donner
      2008, Statistics in Medicine 27(10), 1693-1702.

    Example:
      >>> import numpy as np
      >>> rng = np.random.default_rng(0)
      >>> real, a, b, c = rng.standard_normal((4, 300, 3))
      >>> compare({"a": a, "b": b, "worse": c + 1.0}, real).ranking
      'b = a < worse'
    """
    _check_arguments(metric, correction, paired_latents, k)
    level, seed = validation.check_level(level), validation.check_whole("seed", seed, 0)
    pairs = _checked(models, reference, metric, paired_latents)
    module = all_metrics.load(metric)
    direction = module.BETTER
    settings = dict(module.estimate.__kwdefaults__) | ({} if k is None else {"k": int(k)})
    if metric in ("fid", "kid"):
        values, ends, gap_between = differences.distance_differences(
            pairs, metric, seed, paired_latents
        )
    else:
        values, ends, gap_between = differences.mean_differences(
            pairs, metric, level, seed, paired_latents, settings
        )
    order = sorted(pairs, key=lambda name: values[name] * (1 if direction == "lower" else -1))
    pairwise = _differences(order, values, gap_between, level, correction)
    first_pair = next(iter(pairs.values()))
    return ModelComparison(
        metric=metric,
        models={n: Scored(values[n], *ends[n](level), n_fake=pairs[n].n_fake) for n in order},
        differences=pairwise,
        ranking=_ranking(order, pairwise, "<" if direction == "lower" else ">"),
        direction=direction,
        target="both populations" if metric in ("fid", "kid") else "fixed reference",
        level=level,
        correction=correction,
        paired_latents=bool(paired_latents),
        n_real=first_pair.n_real,
        dimension=first_pair.fake.shape[1],
        protocol="default",
        settings=settings,
        seed=seed,
        versions=versions(),
    )


def _check_arguments(metric: Any, correction: Any, paired_latents: Any, k: Any) -> None:
    """Raises InputError for unknown names, and for arguments that do not go with the metric."""
    if not isinstance(metric, str) or metric not in METRICS:
        if isinstance(metric, str):
            all_metrics.load(metric)
        raise InputError(
            f"metric={validation.shown(metric)} has no standard error over generated rows with a"
            f" fixed or random reference; compare needs one of {', '.join(METRICS)}"
        )
    validation.check_choice("correction", correction, CORRECTIONS)
    if not isinstance(paired_latents, bool):
        raise InputError(f"paired_latents={paired_latents!r}; it must be True or False")
    if paired_latents and metric == "coverage":
        raise InputError(
            "paired_latents=True; coverage is no mean over generated rows: leave it out, or use"
            " fid, kid, precision or density"
        )
    if k is not None:
        validation.check_whole("k", k, 1)
        if metric in ("fid", "kid"):
            raise InputError(f"k={k}; {metric} has no neighbours: leave it out")


def _checked(models: Any, reference: Any, metric: str, paired_latents: bool) -> dict[str, Pair]:
    """Checks the rows; returns a `Pair` with the reference for each model."""
    if not isinstance(models, Mapping) or not 2 <= len(models) <= MOST_MODELS:
        kind = f"{len(models)} models" if isinstance(models, Mapping) else type(models).__name__
        raise InputError(
            f"models is {kind}; it must map 2 to {MOST_MODELS} names to features, as in"
            ' {"a": rows, "b": rows}'
        )
    real = as_rows(reference, "reference")
    if (real == real[0]).all():
        raise InputError("reference has identical rows only; a comparison needs rows that differ")
    pairs = {}
    for name, features in models.items():
        fake = as_rows(features, f"models[{name!r}]")
        if fake.shape[1] != real.shape[1]:
            raise InputError(
                f"models[{name!r}] has {fake.shape[1]} columns and reference {real.shape[1]}; they"
                " must agree: take all from the same network and layer"
            )
        pairs[str(name)] = pair = Pair(real, fake)
        for side, rows in (("reference", real), (f"models[{name!r}]", fake)):
            if len(rows) < LEAST_ROWS:
                raise InputError(
                    f"{side} has {len(rows)} rows; a difference of {metric} needs at least"
                    f" {LEAST_ROWS}: give more samples"
                )
        if pair.dependent:
            raise InputError(
                f"models[{name!r}] shares most of its rows with reference; an interval needs"
                " independent samples: give other real rows"
            )
    if len(pairs) < len(models):
        raise InputError("models has two equal names: give each model its own")
    lengths = {name: pair.n_fake for name, pair in pairs.items()}
    if paired_latents and len(set(lengths.values())) > 1:
        raise InputError(
            f"paired_latents=True; all models must have equally many rows, not {lengths}"
        )
    return pairs


def _differences(
    order: list[str],
    values: dict[str, float],
    gap_between: Callable[[str, str], differences.Gap],
    level: float,
    correction: str,
) -> tuple[Difference, ...]:
    """Returns the differences of all pairs; the better value is first."""
    names = list(itertools.combinations(order, 2))
    gaps = [gap_between(*pair) for pair in names]
    p_values = [differences.p_value(gap.ends) for gap in gaps]
    adjusted = CORRECTIONS[correction](p_values)
    joint_level = 1.0 - (1.0 - level) / len(names)
    answers = []
    for (first, second), gap, p_value, corrected in zip(
        names, gaps, p_values, adjusted, strict=True
    ):
        low, high = gap.ends(level)
        joint_low, joint_high = gap.ends(joint_level)
        answers.append(
            Difference(
                first=first,
                second=second,
                value=values[first] - values[second],
                low=low,
                high=high,
                joint_low=joint_low,
                joint_high=joint_high,
                p_value=p_value,
                adjusted_p_value=float(corrected),
                detectable=differences.detectable(gap, joint_level),
                better=first if rejects(corrected, level) else None,
            )
        )
    return tuple(answers)


def _ranking(order: list[str], pairwise: tuple[Difference, ...], sign: str) -> str:
    """Formats the models in order, `sign` at significant cuts, then other significant pairs."""
    significant = {(pair.first, pair.second) for pair in pairwise if pair.better}
    ranking, cuts = order[0], []
    for place in range(1, len(order)):
        cut = all((a, b) in significant for a in order[:place] for b in order[place:])
        cuts += [place] if cut else []
        ranking += f" {sign if cut else '='} {order[place]}"
    group = {name: sum(place >= cut for cut in cuts) for place, name in enumerate(order)}
    also = [
        f"{a} {sign} {b}"
        for a, b in itertools.combinations(order, 2)
        if (a, b) in significant and group[a] == group[b]
    ]
    return ranking + (f"; also {', '.join(also)}" if also else "")
