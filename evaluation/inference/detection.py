"""The rows that an effect needs, and the effect that rows detect.

A model gives the variance of the estimated effect. It is detected if it exceeds `critical` / n, the
threshold of a permutation test, by `need` standard errors.
"""

import dataclasses
import math

from scipy import optimize

from evaluation.errors import InputError
from evaluation.inference import influences
from evaluation.inference.influences import Influences

MOST_ROWS = 1e12
GROWTH = 1.5  # exponent of a row's variance in the distance: 1 for a shift, up to 2 for scale


@dataclasses.dataclass(frozen=True)
class Model:
    """L and Q of SE^2 = L / n + Q / n^2, as functions of the effect.

    Attributes:
      flat: the part of L that does not depend on the effect.
      slope: increase of L per unit of the effect.
      fake: linear variance of the pilot's rows, or 0; the other model's grows with exponent GROWTH.
      real: linear variance of the reference's rows at the pilot's distance, or 0.
      value: the pilot's distance.
      quadratic: Q.
    """

    flat: float
    slope: float
    fake: float
    real: float
    value: float
    quadratic: float

    def parts(self, effect: float) -> tuple[float, float]:
        """Returns L and Q."""
        grown = 1.0 + effect / self.value
        other = self.fake * (1.0 + grown**GROWTH)
        reference = self.real * (math.sqrt(grown) - 1.0) ** 2  # r grows as the root of the distance
        return self.flat + self.slope * effect + other + reference, self.quadratic


def difference(studies: list[Influences]) -> Model:
    """Model of the difference of two distances to one reference."""
    a, b = studies[0], studies[-1]
    quadratic = sum(2.0 * s.squares[0] + 4.0 * s.squares[1] for s in (a, b))
    fake, real = influences.linear(a)
    if len(studies) == 1:
        if influences.is_significant(a):
            return Model(0.0, 0.0, fake, real, a.value, quadratic)
        slope, steep = influences.slopes(a)
        return Model(0.0, slope + steep, 0.0, 0.0, 1.0, quadratic)
    m = len(a.real)
    reference = m * influences.mean_variance(a.real - b.real)
    reference -= 4.0 * (a.squares[1] / len(a.fake) + b.squares[1] / len(b.fake))
    return Model(
        fake + influences.linear(b)[0] + max(reference, 0.0), 0.0, 0.0, 0.0, 1.0, quadratic
    )


def equality(study: Influences) -> Model:
    """Model of one distance, which is the effect."""
    ff, fr, rr = study.squares
    return Model(0.0, sum(influences.slopes(study)), 0.0, 0.0, 1.0, 2.0 * ff + 4.0 * fr + 2.0 * rr)


def _excess(model: Model, critical: float, need: float, effect: float, n: float) -> float:
    """The effect minus the effect that n rows detect."""
    linear, quadratic = model.parts(effect)
    return effect - critical / n - need * math.sqrt(linear / n + quadratic / n**2)


def rows_for(model: Model, critical: float, need: float, effect: float) -> int:
    """The least n, at least 20, that detects the effect."""

    def excess(log_n: float) -> float:
        return _excess(model, critical, need, effect, math.exp(log_n))

    least, most = math.log(20.0), math.log(10.0 * MOST_ROWS)
    if excess(least) >= 0.0:
        return 20
    if excess(most) <= 0.0:
        return math.ceil(math.exp(most))
    return math.ceil(math.exp(optimize.brentq(excess, least, most, xtol=1e-10)))


def effect_at(model: Model, critical: float, need: float, n: int) -> float:
    """The smallest effect that n rows detect."""

    def excess(log_effect: float) -> float:
        return _excess(model, critical, need, math.exp(log_effect), float(n))

    linear, quadratic = model.parts(0.0)
    start = critical / n + need * math.sqrt(linear / n + quadratic / n**2)
    if start <= 0.0:
        raise InputError("the pilot's rows are all equal; a plan needs rows that differ")
    low = math.log(start) - 1e-6
    high = low + 1.0
    while excess(high) <= 0.0:
        high += 1.0
        if high > low + 100.0:
            raise InputError(f"n={n} rows detect no difference, however large: ask for more rows")
    return math.exp(optimize.brentq(excess, low, high, xtol=1e-12))
