"""One metric over several training runs: the mean, and the variance due to training.

Retraining with another seed changes a metric more than drawing new samples from one trained model.
So an interval from a single run is too narrow for a method. The spread between runs contains both
effects; the runs' own standard errors show how much of it is due to sampling.

The result misleads if the runs were selected, for example the best of many. If all runs share a
reference, its common effect on all runs is not part of the spread: the interval holds for that
reference.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from evaluation.core import validation
from evaluation.core.estimate import Estimate, Value
from evaluation.core.versions import versions
from evaluation.errors import InputError
from evaluation.results.formatting import interval, number
from evaluation.results.result import Result
from evaluation.statistics.binomial import normal_quantile

SAME = ("metric", "protocol", "settings", "n_real", "n_fake", "target")
METHOD = "Student's t over runs"
LARGEST = 1e150  # largest value or standard error; its square and its inverse's are finite


@dataclasses.dataclass(frozen=True, kw_only=True)
class OverRuns(Value):
    """Mean of the runs' values, and variance components over runs; prints as one line.

    Attributes:
      metric: name of the metric; "" for plain numbers.
      runs: number of runs.
      level: confidence level of the interval.
      method: method of the interval.
      target: "training seeds, fixed reference": the mean over new runs.
      standard_error: standard error of `value`.
      spread: standard deviation of the values, from training and sampling.
      between_variance: variance due to training, >= 0; nan if runs have no standard errors.
      within_variance: variance due to sampling, the mean squared standard error; or nan.
      values: the runs' values, in the order of `runs`.
      protocol: protocol of the runs; "" for plain numbers.
      settings: settings of the runs.
      n_real: real rows of each run; 0 for plain numbers.
      n_fake: generated rows of each run; 0 for plain numbers.
      versions: software versions.
    """

    metric: str
    runs: int
    level: float
    method: str
    target: str
    standard_error: float
    spread: float
    between_variance: float
    within_variance: float
    values: tuple[float, ...]
    protocol: str
    settings: dict[str, Any]
    n_real: int
    n_fake: int
    versions: dict[str, str]

    def __str__(self) -> str:
        """The result in words."""
        line = (
            f"{self.metric or 'value'} over {self.runs} runs: {number(self.value)}"
            f" {interval(self.low, self.high)} (level {self.level:g}, {self.target});"
            f" standard deviation {number(self.spread)}"
        )
        if math.isnan(self.within_variance):
            return line + ": training and sampling together (the runs have no standard errors)"
        within = number(math.sqrt(self.within_variance))
        if self.between_variance == 0.0:
            return line + f": between runs 0 (within-run variance explains all), within {within}"
        between = number(math.sqrt(self.between_variance))
        return line + f": between runs {between}, within runs {within}"


def over_runs(
    runs: Sequence[Any],
    metric: str | None = None,
    level: float = 0.95,
    standard_errors: Sequence[float] | None = None,
) -> OverRuns:
    """Mean -+ t_(K - 1) s / sqrt(K); between runs max(0, s^2 - mean SE^2), within them mean SE^2.

    s^2 is the variance of the K values. It contains the variance of training and of sampling, so
    the interval needs no standard errors. The standard errors only separate the two variances. If
    all runs share a reference, their standard errors for "both populations" include the sampling of
    that reference, which moves all values alike and is not part of s^2. The within-run variance is
    then an upper bound, and the between-run variance a lower bound.

    Args:
      runs: K >= 2 results or estimates of one metric, or plain numbers, one for each training seed.
      metric: name of the metric; optional if the results hold only one.
      level: confidence level of the interval.
      standard_errors: standard error of each run, >= 0; only for plain numbers.

    Returns:
      The mean with its interval, and the two variances.

    Raises:
      InputError: fewer than two runs; the runs differ in metric, protocol, settings, target,
        numbers of rows or kind; values are not finite, beyond 1e150 or all equal; or standard
        errors are wrong.

    Source:
      DerSimonian & Laird 1986, Controlled Clinical Trials 7(3), 177-188, with equal weights.

    Example:
      >>> answer = over_runs([8.1, 7.4, 9.0], standard_errors=[0.2, 0.2, 0.2])
      >>> print(f"{answer.value:.2f} [{answer.low:.2f}, {answer.high:.2f}]")
      8.17 [6.17, 10.16]
      >>> round(answer.between_variance, 4), round(answer.within_variance, 4)
      (0.6033, 0.04)
    """
    level = validation.check_level(level)
    if metric is not None and not isinstance(metric, str):
        raise InputError(
            f"metric={validation.shown(metric)}; it must be one metric's name, such as 'fid'"
        )
    listed = isinstance(runs, Sequence) or (isinstance(runs, np.ndarray) and runs.ndim == 1)
    if isinstance(runs, str | bytes | Mapping) or not listed:
        raise InputError(
            f"runs is {type(runs).__name__}; it must be a list of results, estimates or numbers,"
            " one for each training seed"
        )
    if len(runs) < 2:
        raise InputError(
            f"runs holds {len(runs)}; a spread over training seeds needs at least 2 runs (5 or"
            " more for a useful interval): train with other seeds"
        )
    estimates = [_estimate(run, metric, index) for index, run in enumerate(runs)]
    if all(isinstance(run, Estimate) for run in estimates):
        _check_same(estimates)
        if standard_errors is not None:
            raise InputError("standard_errors goes with plain numbers; estimates have their own")
        values, errors = [run.value for run in estimates], [_error(run) for run in estimates]
        first = estimates[0]
    elif not any(isinstance(run, Estimate) for run in estimates):
        values, first = estimates, None
        errors = _checked_errors(standard_errors, len(runs))
    else:
        raise InputError("runs mixes estimates and plain numbers: give one kind")
    for index, value in enumerate(values):
        if not abs(value) <= LARGEST:
            raise InputError(
                f"runs[{index}] is {value}; each must be a finite number, {LARGEST:.0e} at most:"
                " leave it out, or rescale all"
            )
    if min(values) == max(values):
        raise InputError(
            f"runs all hold {values[0]}, so there is no spread: give runs with different training"
            " seeds, not one run several times"
        )
    spread, within = _spread(values), float(np.mean(np.square(errors)))
    if spread < 1.0 / LARGEST and not math.isnan(within):
        raise InputError(
            f"runs have a standard deviation of {spread:.1e}, whose square is too small:"
            " rescale runs and standard_errors"
        )
    error = spread / math.sqrt(len(values))
    mean = math.fsum(values) / len(values)
    half = float(stats.t.ppf(0.5 + level / 2.0, len(values) - 1)) * error
    return OverRuns(
        metric=first.metric if first else metric or "",
        runs=len(values),
        value=mean,
        low=mean - half,
        high=mean + half,
        level=level,
        method=METHOD,
        target="training seeds, fixed reference",
        standard_error=error,
        spread=spread,
        between_variance=within if math.isnan(within) else max(spread**2 - within, 0.0),
        within_variance=within,
        values=tuple(float(value) for value in values),
        protocol=first.protocol if first else "",
        settings=dict(first.settings) if first else {},
        n_real=first.n_real if first else 0,
        n_fake=first.n_fake if first else 0,
        versions=versions(),
    )


def _spread(values: Sequence[float]) -> float:
    """Standard deviation, scaled by the largest value so that squares do not over- or underflow."""
    unit = max(abs(value) for value in values)
    return unit * float(np.std([value / unit for value in values], ddof=1))


def _estimate(run: Any, metric: str | None, index: int) -> Any:
    """Returns a run's estimate, or its plain number."""
    if isinstance(run, Result):
        if metric is None and len(run) == 1:
            metric = next(iter(run))
        if metric is None:
            raise InputError(f"runs[{index}] holds {', '.join(run)}; choose one with metric=")
        if metric not in run:
            raise InputError(f"runs[{index}] holds {', '.join(run)}, not {metric!r}: measure it")
        return run[metric]
    if isinstance(run, Estimate):
        if metric is not None and run.metric != metric:
            raise InputError(f"runs[{index}] is of {run.metric}, not of metric={metric!r}")
        return run
    if isinstance(run, bool) or not isinstance(run, int | float | np.integer | np.floating):
        raise InputError(
            f"runs[{index}] is {type(run).__name__}; each must be a result, an estimate or a number"
        )
    return validation.check_number(f"runs[{index}]", run)


def _check_same(estimates: Sequence[Estimate]) -> None:
    """Raises InputError, with the name of the field, if estimates cannot be averaged."""
    for index, run in enumerate(estimates):
        for name in SAME:
            ours, theirs = getattr(estimates[0], name), getattr(run, name)
            if name == "settings":
                ours, theirs = dict(ours), dict(theirs)
            if ours != theirs:
                raise InputError(
                    f"runs[{index}] has {name}={theirs!r} and runs[0] {ours!r}; they must agree:"
                    " measure all runs alike"
                )


def _error(run: Estimate) -> float:
    """Returns a run's standard error; nan if it has no interval."""
    error = run.details.get("standard_error")
    if isinstance(error, int | float) and math.isfinite(error):
        return float(error)
    if math.isfinite(run.low) and math.isfinite(run.high):
        return (run.high - run.low) / (2.0 * normal_quantile(run.level))
    return math.nan


def _checked_errors(errors: Sequence[float] | None, runs: int) -> list[float]:
    """Returns the standard errors of plain numbers; nan if there are none."""
    if errors is None:
        return [math.nan] * runs
    listed = list(errors) if validation.is_listing(errors) else [errors]
    numbers = [_number(error) for error in listed]
    if len(numbers) != runs or not all(0.0 <= error <= LARGEST for error in numbers):
        raise InputError(
            f"standard_errors={validation.shown(errors)}; it must hold {runs} finite numbers, 0 or"
            f" more, {LARGEST:.0e} at most, one for each run"
        )
    return numbers


def _number(value: Any) -> float:
    """Converts a plain number to float; anything else to nan."""
    try:
        return validation.check_number("", value)
    except InputError:
        return math.nan
