"""Draws the samples of a cell and measures each; a function for each group of metrics."""

import contextlib
from collections.abc import Callable, Iterable

import numpy as np
from cells import ALPHA, LEVEL, Cell, Row, collect, summary
from distributions import cubic, gaussian, pair, true_fid, true_mmd, true_sliced
from scipy import special

from evaluation import InputError, compare, measure, metrics, same_distribution
from evaluation.core.pair import Pair

REFERENCES = 5  # fixed sets in a cell; the draws are divided among them
MANY = 200_000  # rows in place of a population

# Metrics with fixed real rows or fixed generated rows. The expectation of the metrics in
# REAL_FIXED_AT_M depends on m, that of the metrics in FAKE_FIXED_AT_N on n.
REAL_FIXED = ("precision", "density", "clipped_density", "probabilistic_precision", "realism")
REAL_FIXED += ("rarity",)
MEDIANS = ("realism", "rarity")  # medians over rows
REAL_FIXED_AT_M = ("coverage", "clipped_coverage", "r_cover")
FAKE_FIXED = ("recall", "probabilistic_recall")
FAKE_FIXED_AT_N = ("p_cover",)


def run(cell: Cell) -> dict[str, dict[str, float]]:
    """Returns a summary for each metric of the cell's group, or a rate for each test."""
    if cell.group == "tests":
        return {name: {"rate": float(np.mean(r))} for name, r in tests(cell).items()}
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
    by_metric = groups[cell.group](cell)
    return {name: summary(rows, cell.draws) for name, rows in by_metric.items() if rows}


def distances(cell: Cell) -> dict[str, list[Row]]:
    """Draws both samples again each time; the distance of the populations has a closed form."""
    real, fake = pair(cell.distribution, cell.d)
    truth: dict[str, float] = {"fid": 0.0 if "equal" in cell.distribution else true_fid(real, fake)}
    if cell.group == "distances":
        cmmd = true_mmd(real, fake, gaussian(10.0))
        sliced = true_sliced(real, fake)
        others = {
            "kid": 0.0 if "equal" in cell.distribution else true_mmd(real, fake, cubic),
            "cmmd": None if cmmd is None else 1000.0 * cmmd,
            "sliced_wasserstein": sliced,
            "mind": None if sliced is None else 3.0 * cell.d * sliced,
        }
        truth |= {name: value for name, value in others.items() if value is not None}
    rows: dict[str, list[Row]] = {name: [] for name in truth}
    for draw in range(cell.draws):
        rng = cell.rng(draw)
        x, y = real.draw(rng, cell.n), fake.draw(rng, cell.m)
        collect(rows, measure(x, y, tuple(truth), level=LEVEL, seed=draw), truth)
    return rows


def neighbours(cell: Cell) -> dict[str, list[Row]]:
    """Keeps the rows fixed that the metric's interval treats as fixed, and draws the others.

    The truth is the value for very many drawn rows. If the metric's expectation depends on the
    number of rows, it is the mean over all draws.
    """
    real, fake = pair(cell.distribution, cell.d)
    names = REAL_FIXED + REAL_FIXED_AT_M + FAKE_FIXED + FAKE_FIXED_AT_N
    rows: dict[str, list[Row]] = {name: [] for name in names}
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
            collect(rows, answer, truth)
    return rows


def many(names: tuple[str, ...], draws: Iterable[Pair]) -> dict[str, float]:
    """Returns means and medians over the rows of many samples."""
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


def logits(rng: np.random.Generator, n: int, fractions: np.ndarray, scale: float) -> np.ndarray:
    """Returns a classifier's logits: noise, plus `scale` at the label."""
    d = len(fractions)
    return rng.standard_normal((n, d)) + scale * np.eye(d)[rng.choice(d, size=n, p=fractions)]


def score(cell: Cell) -> dict[str, list[Row]]:
    """Measures the Inception Score; the truth comes from two million rows."""
    scale = 6.0 if cell.distribution.startswith("sure") else 1.0
    fractions = np.arange(1.0, cell.d + 1.0) / np.arange(1.0, cell.d + 1.0).sum()
    log_p = special.log_softmax(
        logits(np.random.default_rng(9), 2_000_000, fractions, scale), axis=1
    )
    p = np.exp(log_p)
    mean = p.mean(axis=0)
    truth = {
        "inception_score": float(
            np.exp((p * log_p).sum(axis=1).mean() - (mean * np.log(mean)).sum())
        )
    }
    rows: dict[str, list[Row]] = {name: [] for name in truth}
    for draw in range(cell.draws):
        fake = logits(cell.rng(draw), cell.m, fractions, scale)
        collect(rows, measure(metrics="inception_score", fake_logits=fake), truth)
    return rows


CLASS_FRACTIONS: dict[str, Callable[[int], tuple[np.ndarray, np.ndarray]]] = {
    "even, equal": lambda d: (np.ones(d), np.ones(d)),
    "geometric, equal": lambda d: (0.8 ** np.arange(d), 0.8 ** np.arange(d)),
    "even, generated falls": lambda d: (np.ones(d), np.exp(-2.0 * np.arange(d) / d)),
    "even, a third missing": lambda d: (np.ones(d), (np.arange(d) >= d / 3).astype(float)),
}


def classes(cell: Cell) -> dict[str, list[Row]]:
    """Draws classes with set probabilities; the classifier makes no errors."""
    p, q = (x / x.sum() for x in CLASS_FRACTIONS[cell.distribution](cell.d))
    truth = {
        "missing_mass": float((q * (1.0 - q) ** cell.m).sum()),
        "mode_kl": float(special.xlogy(q, q / p).sum()),
    }
    rows: dict[str, list[Row]] = {name: [] for name in (*truth, "modes")}
    for draw in range(cell.draws):
        rng = cell.rng(draw)
        real = np.eye(cell.d)[rng.choice(cell.d, cell.n, p=p)]
        shown = real.any(axis=0)  # classes in the real rows
        truth["modes"] = float((q >= 0.1 * p)[shown].sum())
        fake = np.eye(cell.d)[rng.choice(cell.d, cell.m, p=q)]
        for name in truth:
            with contextlib.suppress(InputError):  # a class may be missing in the real rows
                answer = measure(metrics=name, real_logits=real, fake_logits=fake)
                collect(rows, answer, truth)
    return rows


def memory(cell: Cell) -> dict[str, list[Row]]:
    """Measures memorisation: the training rows are fixed, and the other rows each metric fixes.

    With "copies" in the distribution's name, a quarter of the generated rows are near copies of
    training rows.
    """
    real, fake = pair(cell.distribution.split("; ")[0], cell.d)
    copies = "copies" in cell.distribution
    rows: dict[str, list[Row]] = {name: [] for name in ("authenticity", "c_t", "fld")}

    def generate(rng: np.random.Generator, m: int, train: np.ndarray) -> np.ndarray:
        generated = fake.draw(rng, m)
        if copies:
            some = np.flatnonzero(rng.random(m) < 0.25)
            noise = 0.05 * rng.standard_normal((len(some), cell.d))
            generated[some] = train[rng.integers(len(train), size=len(some))] + noise
        return generated

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
            collect(rows, answer, truth)
    return rows


def support(cell: Cell) -> dict[str, list[Row]]:
    """Draws rows among d distinct ones; the truth is 1 / P(two rows are equal)."""
    fractions = np.ones(cell.d)
    if "uneven" in cell.distribution:
        fractions = 1.0 / np.arange(1.0, cell.d + 1.0)
    fractions /= fractions.sum()
    truth, rows = {"support": float(1.0 / (fractions @ fractions))}, {"support": []}
    for draw in range(cell.draws):
        fake = cell.rng(draw).choice(cell.d, size=(cell.m, 1), p=fractions)
        collect(rows, measure(fake_features=fake, metrics="support"), truth)
    return rows


def variety(cell: Cell) -> dict[str, list[Row]]:
    """Measures RKE and Vendi.

    The truth of RKE at a fixed bandwidth is a closed form, that of Vendi the value for many rows.
    """
    _, fake = pair(cell.distribution, cell.d)
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
    rows: dict[str, list[Row]] = {name: [] for name in truth}
    for draw in range(cell.draws):
        drawn = fake.draw(cell.rng(draw), cell.m)
        settings = {"rke": {"bandwidth": width}}
        collect(rows, measure(drawn, drawn, tuple(truth), settings=settings), truth)
    return rows


def tests(cell: Cell) -> dict[str, list[bool]]:
    """Counts false findings at 0.05: tests of equality, and `compare` for two equal models."""
    rejections: dict[str, list[bool]] = {}

    def note(name: str, rejected: Iterable[bool]) -> None:
        rejections.setdefault(name, []).extend(bool(r) for r in rejected)

    real, fake = pair(cell.distribution, cell.d)
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
    return rejections
