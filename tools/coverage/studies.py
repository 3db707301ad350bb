"""What a cell of the study does: draws samples, measures each, and knows the truth."""

import contextlib
import dataclasses
import zlib
from collections.abc import Callable, Iterable

import numpy as np
from laws import cubic, gaussian, pair, true_fid, true_mmd, true_sliced
from scipy import special

from evaluation import InputError, compare, measure, metrics, same_distribution
from evaluation.core.pair import Pair

LEVEL = 0.95
ALPHA = 0.05
REFERENCES = 5  # fixed sets that the draws of a cell are shared among
MANY = 200_000  # rows that stand for a population

# Given the real rows: those whose expectation does not depend on m, and the others.
REAL_FIXED = ("precision", "density", "clipped_density", "probabilistic_precision", "realism")
REAL_FIXED += ("rarity",)
MEDIANS = ("realism", "rarity")  # of values of each row
REAL_FIXED_AT_M = ("coverage", "clipped_coverage", "r_cover")
FAKE_FIXED = ("recall", "probabilistic_recall")
FAKE_FIXED_AT_N = ("p_cover",)

Row = tuple[float, float, float, float]  # value, low, high, truth


@dataclasses.dataclass(frozen=True)
class Cell:
    """One cell: a group of metrics, a law, dimensions, real rows, generated rows, draws."""

    group: str
    law: str
    d: int
    n: int
    m: int
    draws: int

    @property
    def key(self) -> str:
        """Its name in the JSON file."""
        return f"{self.group} | {self.law} | d={self.d} n={self.n} m={self.m} draws={self.draws}"

    def rng(self, draw: int) -> np.random.Generator:
        """A random stream of its own for each draw of each cell."""
        return np.random.default_rng([zlib.crc32(self.key.encode()), draw])


def run(cell: Cell) -> dict[str, dict[str, float]]:
    """A summary for each metric of the cell's group, or a rate for each test."""
    if cell.group == "tests":
        return {name: {"rate": float(np.mean(found))} for name, found in tests(cell).items()}
    groups: dict[str, Callable[[Cell], dict[str, list[Row]]]] = {
        "fid": distances,
        "distances": distances,
        "neighbours": neighbours,
        "score": score,
        "classes": classes,
        "memory": memory,
        "support": support,
        "variety": variety,
    }
    found = groups[cell.group](cell)
    return {name: summary(rows, cell.draws) for name, rows in found.items() if rows}


def summary(rows: list[Row], draws: int) -> dict[str, float]:
    """What one metric did in one cell; where it refused or gave no interval, it has no row."""
    value, low, high, truth = np.array(rows).T
    return {
        "answered": len(rows) / draws,
        "coverage": float(np.mean((low <= truth) & (truth <= high))),
        "below": float(np.mean(high < truth)),
        "above": float(np.mean(low > truth)),
        "truth": float(truth.mean()),
        "bias": float((value - truth).mean()),
        "spread": float(np.std(value - truth, ddof=1)),
        "half_width": float((np.minimum(high, 1e12) - low).mean() / 2.0),
    }


def collect(found: dict[str, list[Row]], answers, truth: dict[str, float]) -> None:
    """Adds the answers whose truth is known."""
    for name, estimate in answers.items():
        if name in truth and estimate.has_interval:
            found[name].append((estimate.value, estimate.low, estimate.high, truth[name]))


def distances(cell: Cell) -> dict[str, list[Row]]:
    """Both samples are drawn anew each time; the population's distance is known."""
    real, fake = pair(cell.law, cell.d)
    truth: dict[str, float] = {"fid": 0.0 if "equal" in cell.law else true_fid(real, fake)}
    if cell.group == "distances":
        cmmd = true_mmd(real, fake, gaussian(10.0))
        sliced = true_sliced(real, fake)
        others = {
            "kid": 0.0 if "equal" in cell.law else true_mmd(real, fake, cubic),
            "cmmd": None if cmmd is None else 1000.0 * cmmd,
            "sliced_wasserstein": sliced,
            "mind": None if sliced is None else 3.0 * cell.d * sliced,
        }
        truth |= {name: value for name, value in others.items() if value is not None}
    found: dict[str, list[Row]] = {name: [] for name in truth}
    for draw in range(cell.draws):
        rng = cell.rng(draw)
        x, y = real.draw(rng, cell.n), fake.draw(rng, cell.m)
        collect(found, measure(x, y, tuple(truth), level=LEVEL, seed=draw), truth)
    return found


def neighbours(cell: Cell) -> dict[str, list[Row]]:
    """Each with the side fixed that its interval takes as fixed.

    The truth is that of very many rows of the other side, or, where a metric's expectation depends
    on how many there are, the mean over all draws.
    """
    real, fake = pair(cell.law, cell.d)
    names = REAL_FIXED + REAL_FIXED_AT_M + FAKE_FIXED + FAKE_FIXED_AT_N
    found: dict[str, list[Row]] = {name: [] for name in names}
    for reference in range(REFERENCES):
        rng = cell.rng(reference)
        x, y = real.draw(rng, cell.n), fake.draw(rng, cell.m)
        fakes = (Pair(x, fake.draw(rng, cell.m)) for _ in range(MANY // cell.m))
        reals = (Pair(real.draw(rng, cell.n), y) for _ in range(MANY // cell.n))
        truth = many(REAL_FIXED, fakes) | many(FAKE_FIXED, reals)
        answers = []
        for _ in range(cell.draws // REFERENCES):
            new = dict(measure(x, fake.draw(rng, cell.m), REAL_FIXED + REAL_FIXED_AT_M))
            answers.append(
                new | dict(measure(real.draw(rng, cell.n), y, FAKE_FIXED + FAKE_FIXED_AT_N))
            )
        for name in REAL_FIXED_AT_M + FAKE_FIXED_AT_N:
            truth[name] = float(np.mean([a[name].value for a in answers]))
        for answer in answers:
            collect(found, answer, truth)
    return found


def many(names: tuple[str, ...], draws: Iterable[Pair]) -> dict[str, float]:
    """Values of means and medians over rows, from many samples of them."""
    values: dict[str, list] = {name: [] for name in names}
    for samples in draws:
        for name in names:
            module = metrics.load(name)
            if name in MEDIANS:
                values[name].append(module.per_sample(samples))
            else:
                values[name].append(module.estimate(samples, level=LEVEL, seed=0).value)
    return {
        name: float(np.nanmedian(np.concatenate(v)) if name in MEDIANS else np.mean(v))
        for name, v in values.items()
    }


def logits(rng: np.random.Generator, n: int, shares: np.ndarray, scale: float) -> np.ndarray:
    """A classifier's answers: noise, and `scale` at the label."""
    d = len(shares)
    return rng.standard_normal((n, d)) + scale * np.eye(d)[rng.choice(d, size=n, p=shares)]


def score(cell: Cell) -> dict[str, list[Row]]:
    """Inception Score; its truth from two million rows."""
    scale = 6.0 if cell.law.startswith("sure") else 1.0
    shares = np.arange(1.0, cell.d + 1.0) / np.arange(1.0, cell.d + 1.0).sum()
    log_p = special.log_softmax(logits(np.random.default_rng(9), 2_000_000, shares, scale), axis=1)
    p = np.exp(log_p)
    mean = p.mean(axis=0)
    truth = {
        "inception_score": float(
            np.exp((p * log_p).sum(axis=1).mean() - (mean * np.log(mean)).sum())
        )
    }
    found: dict[str, list[Row]] = {name: [] for name in truth}
    for draw in range(cell.draws):
        rows = logits(cell.rng(draw), cell.m, shares, scale)
        collect(found, measure(metrics="inception_score", fake_logits=rows), truth)
    return found


SHARES: dict[str, Callable[[int], tuple[np.ndarray, np.ndarray]]] = {
    "even, equal": lambda d: (np.ones(d), np.ones(d)),
    "geometric, equal": lambda d: (0.8 ** np.arange(d), 0.8 ** np.arange(d)),
    "even, generated falls": lambda d: (np.ones(d), np.exp(-2.0 * np.arange(d) / d)),
    "even, a third missing": lambda d: (np.ones(d), (np.arange(d) >= d / 3).astype(float)),
}


def classes(cell: Cell) -> dict[str, list[Row]]:
    """Classes of a sure classifier, with known shares."""
    p, q = (x / x.sum() for x in SHARES[cell.law](cell.d))
    truth = {
        "missing_mass": float((q * (1.0 - q) ** cell.m).sum()),
        "mode_kl": float(special.xlogy(q, q / p).sum()),
    }
    found: dict[str, list[Row]] = {name: [] for name in (*truth, "modes")}
    for draw in range(cell.draws):
        rng = cell.rng(draw)
        real = np.eye(cell.d)[rng.choice(cell.d, cell.n, p=p)]
        truth["modes"] = float((q >= 0.1 * p)[real.any(axis=0)].sum())  # of those that it shows
        fake = np.eye(cell.d)[rng.choice(cell.d, cell.m, p=q)]
        for name in truth:
            with contextlib.suppress(InputError):  # a class that the real rows lack
                answer = measure(metrics=name, real_logits=real, fake_logits=fake)
                collect(found, answer, truth)
    return found


def memory(cell: Cell) -> dict[str, list[Row]]:
    """Metrics of memorisation: training rows are fixed, and what each holds fixed beside them.

    A quarter of the generated rows are near copies of training rows where the law says so.
    """
    real, fake = pair(cell.law.split("; ")[0], cell.d)
    copies = "copies" in cell.law
    found: dict[str, list[Row]] = {name: [] for name in ("authenticity", "c_t", "fld")}

    def generate(rng: np.random.Generator, m: int, train: np.ndarray) -> np.ndarray:
        rows = fake.draw(rng, m)
        if copies:
            some = np.flatnonzero(rng.random(m) < 0.25)
            noise = 0.05 * rng.standard_normal((len(some), cell.d))
            rows[some] = train[rng.integers(len(train), size=len(some))] + noise
        return rows

    for reference in range(REFERENCES):
        rng = cell.rng(reference)
        train = real.draw(rng, cell.n)
        y = generate(rng, cell.m, train)
        many = generate(rng, MANY, train)
        truth = {
            "authenticity": measure(None, many, "authenticity", train_features=train)[
                "authenticity"
            ].value,
            "fld": measure(real.draw(rng, MANY // 4), y, "fld", train_features=train)["fld"].value,
        }
        answers = []
        for _ in range(cell.draws // REFERENCES):
            x, new = real.draw(rng, cell.n), generate(rng, cell.m, train)
            answer = dict(measure(x, new, ("authenticity", "c_t"), train_features=train))
            answers.append(answer | dict(measure(x, y, "fld", train_features=train)))
        truth["c_t"] = float(np.mean([a["c_t"].value for a in answers]))
        for answer in answers:
            collect(found, answer, truth)
    return found


def support(cell: Cell) -> dict[str, list[Row]]:
    """Rows out of d different ones; the truth is 1 over the chance that two are the same."""
    shares = np.ones(cell.d)
    if "uneven" in cell.law:
        shares = 1.0 / np.arange(1.0, cell.d + 1.0)
    shares /= shares.sum()
    truth, found = {"support": float(1.0 / (shares @ shares))}, {"support": []}
    for draw in range(cell.draws):
        rows = cell.rng(draw).choice(cell.d, size=(cell.m, 1), p=shares)
        collect(found, measure(fake_features=rows, metrics="support"), truth)
    return found


def variety(cell: Cell) -> dict[str, list[Row]]:
    """RKE at a fixed bandwidth, whose truth has a closed form; Vendi's is that of many rows."""
    _, fake = pair(cell.law, cell.d)
    width = 2.0 * cell.d**0.5
    assert fake.components
    w, means, variance = fake.components
    k = gaussian(width / 2.0**0.5)  # the square of the kernel of that width
    square = sum(
        w[i] * w[j] * k(means[i], variance, means[j], variance)
        for i in range(len(w))
        for j in range(len(w))
    )
    many_rows = fake.draw(np.random.default_rng(9), MANY)
    truth = {"rke": 1.0 / square, "vendi": measure(None, many_rows, "vendi")["vendi"].value}
    found: dict[str, list[Row]] = {name: [] for name in truth}
    for draw in range(cell.draws):
        rows = fake.draw(cell.rng(draw), cell.m)
        settings = {"rke": {"bandwidth": width}}
        collect(found, measure(rows, rows, tuple(truth), settings=settings), truth)
    return found


def tests(cell: Cell) -> dict[str, list[bool]]:
    """False findings at 0.05: tests of equality, and `compare` of two models of one law."""
    found: dict[str, list[bool]] = {}

    def note(name: str, rejected: Iterable[bool]) -> None:
        found.setdefault(name, []).extend(bool(r) for r in rejected)

    real, fake = pair(cell.law, cell.d)
    for draw in range(cell.draws):
        rng = cell.rng(draw)
        x, a, b = real.draw(rng, cell.n), fake.draw(rng, cell.m), fake.draw(rng, cell.m)
        for test in ("kid", "fid", "energy", "classifier"):
            result = same_distribution(b, a, test, permutations=400, seed=draw)
            note(f"same_distribution, {test}", [result.p_value <= ALPHA])
        for metric in ("fid", "kid", "precision", "density", "coverage"):
            pairs = compare({"a": a, "b": b}, x, metric, seed=draw).differences
            note(f"compare, {metric}", [pairs[0].p_value <= ALPHA])
        answer = measure(a, b, ("ndb", "classifier_accuracy"), seed=draw)
        for name in answer:
            note(name, [answer[name].details["p_value"] <= ALPHA])
    return found
