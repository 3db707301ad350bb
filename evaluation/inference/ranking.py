"""Several generators against one reference: which differences of a metric are established.

All models are measured against the same real rows, so what those rows do to all of them alike
cancels in a difference; its interval is narrower than the models' own suggest. "No difference
found" never says that two models are equal: next to it stands the difference that would have been
found.

It misleads when it is asked about a choice that was made with the same numbers: a checkpoint that
was picked as the best by its FID needs fresh samples to be compared. It also says nothing of other
training runs of the same models (see `over_runs`). Two models that are equally far from the
reference need not be alike: `same_distribution(a, b)` asks that.

FID's and KID's p-values come from a normal law with variances of the rows' influences. Of models of
one law, away from the reference's, they call 2 to 5 % different at 0.05; fewer with heavy tails,
and 1 % where the models are as good as the reference itself.
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

    f are the influences of the models' rows and r those of the N rows of the reference, which the
    models share. FID and KID: both populations are random; where the reference has fewer than two
    rows for each dimension, FID's differences lie between bounds, which establish only what they
    must. Precision, density and coverage: the reference is fixed, and the ends of both models'
    intervals combine as sqrt of summed squares of their distances from the values. A p-value is
    1 less the level at which the interval just reaches 0.

    Args:
      models: from names to features, array-like, shape (n, d), n >= 20; 2 to 20 models, each with
        its own number of rows.
      reference: real features, shape (N, d), N >= 20.
      metric: "fid", "kid", "precision", "density" or "coverage". (Recall is a share of real rows
        for one set of generated rows: it has no standard error over generated rows.)
      level: confidence level of each interval; 1 - level is the rate of false findings.
      correction: "holm" (the chance of any false finding), or "benjamini-hochberg" (the share of
        false findings).
      seed: of what is random in the metric.
      paired_latents: whether row i of all models came from the same latent; then differences are
        taken row by row. Not with "coverage".
      k: of the nearest-neighbour metrics: which neighbour sets the radius; None for the default.

    Returns:
      Values, differences, adjusted p-values, what would have been found, and a ranking.

    Raises:
      InputError: models that are no such mapping, an unknown metric or correction, rows of
        different widths or too few, or a model most of whose rows are the reference's.

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
        values, own, of_pair = differences.of_distances(pairs, metric, seed, paired_latents)
    else:
        values, own, of_pair = differences.of_shares(
            pairs, metric, level, seed, paired_latents, settings
        )
    order = sorted(pairs, key=lambda name: values[name] * (1 if direction == "lower" else -1))
    found = _differences(order, values, of_pair, level, correction)
    some = next(iter(pairs.values()))
    return ModelComparison(
        metric=metric,
        models={n: Scored(values[n], *own[n](level), pairs[n].n_fake) for n in order},
        differences=found,
        ranking=_ranking(order, found, "<" if direction == "lower" else ">"),
        direction=direction,
        target="both populations" if metric in ("fid", "kid") else "fixed reference",
        level=level,
        correction=correction,
        paired_latents=bool(paired_latents),
        n_real=some.n_real,
        dimension=some.fake.shape[1],
        protocol="default",
        settings=settings,
        seed=seed,
        versions=versions(),
    )


def _check_arguments(metric: Any, correction: Any, paired_latents: Any, k: Any) -> None:
    """Refuses unknown names, and settings that do not go with the metric."""
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
    """Each model's rows with the reference's."""
    if not isinstance(models, Mapping) or not 2 <= len(models) <= MOST_MODELS:
        given = f"{len(models)} models" if isinstance(models, Mapping) else type(models).__name__
        raise InputError(
            f"models is {given}; it must map 2 to {MOST_MODELS} names to features, as in"
            ' {"a": rows, "b": rows}'
        )
    real = as_rows(reference, "reference")
    if (real == real[0]).all():
        raise InputError("reference has identical rows only; a comparison needs rows that differ")
    pairs = {}
    for name, given in models.items():
        fake = as_rows(given, f"models[{name!r}]")
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
        raise InputError("models has two names that read alike: give each its own")
    lengths = {name: pair.n_fake for name, pair in pairs.items()}
    if paired_latents and len(set(lengths.values())) > 1:
        raise InputError(f"paired_latents=True; all models must have as many rows, not {lengths}")
    return pairs


def _differences(
    order: list[str],
    values: dict[str, float],
    of_pair: Callable[[str, str], differences.Gap],
    level: float,
    correction: str,
) -> tuple[Difference, ...]:
    """All pairs, the better value first."""
    names = list(itertools.combinations(order, 2))
    gaps = [of_pair(*pair) for pair in names]
    p_values = [differences.p_value(gap.ends) for gap in gaps]
    adjusted = CORRECTIONS[correction](p_values)
    shared = 1.0 - (1.0 - level) / len(names)
    answers = []
    for (first, second), gap, p_value, corrected in zip(
        names, gaps, p_values, adjusted, strict=True
    ):
        low, high = gap.ends(level)
        joint_low, joint_high = gap.ends(shared)
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
                detectable=differences.detectable(gap, shared),
                better=first if rejects(corrected, level) else None,
            )
        )
    return tuple(answers)


def _ranking(order: list[str], found: tuple[Difference, ...], sign: str) -> str:
    """The models in order, a sign where a cut is established, then what else is."""
    sure = {(pair.first, pair.second) for pair in found if pair.better}
    said, cuts = order[0], []
    for place in range(1, len(order)):
        cut = all((a, b) in sure for a in order[:place] for b in order[place:])
        cuts += [place] if cut else []
        said += f" {sign if cut else '='} {order[place]}"
    group = {name: sum(place >= cut for cut in cuts) for place, name in enumerate(order)}
    also = [
        f"{a} {sign} {b}"
        for a, b in itertools.combinations(order, 2)
        if (a, b) in sure and group[a] == group[b]
    ]
    return said + (f"; also {', '.join(also)}" if also else "")
