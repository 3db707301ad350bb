"""Figures hold the numbers they are of; progress is told once, in the form that was asked for."""

import dataclasses
import io
import sys

import numpy as np
import pytest
from PIL import Image

import evaluation
from evaluation import Estimate, InputError, Result
from evaluation.results import plots
from evaluation.results.comparison import SourceComparison
from evaluation.results.curve import Curve, Point
from evaluation.runtime import progress

ROWS = np.random.default_rng(0).standard_normal((4, 60, 3))


def estimate(name, value, low, high, **details):
    better = "lower" if name == "fid" else "higher"
    inputs = ("method", "target", better, "default", 9, 9, {}, details)
    return Estimate(name, value, low, high, 0.95, *inputs)


def points_of(axes):
    """Marked points (x, y), rounded."""
    lines = [line for line in axes.get_lines() if line.get_linestyle() == "None"]
    return [(round(float(x), 6), float(y)) for line in lines for x, y in zip(*line.get_data())]  # noqa: B905


def drawn(figure):
    """The figure's PNG, which must not be blank."""
    with Image.open(io.BytesIO(figure._repr_png_())) as picture:
        values = np.asarray(picture.convert("L"))
    assert values.min() < 100 < values.max()
    return values


def test_result_shows_values_intervals_and_the_floor():
    outcome = Result(
        {"fid": estimate("fid", 3.0, 2.0, 4.5), "recall": estimate("recall", 0.5, 0.4, 0.6)},
        {"fid": estimate("fid", -0.5, -1.0, 0.0)},
    )
    figure = outcome.plot()
    first, second = figure.axes
    assert points_of(first) == [(3.0, 1.0), (-0.5, 0.0)]
    assert points_of(second) == [(0.5, 1.0)]
    ends = [tuple(map(float, line.get_xdata())) for line in first.get_lines()]
    assert (2.0, 4.5) in ends and (-1.0, 0.0) in ends
    assert [text.get_text() for text in first.get_yticklabels()] == ["fid\n(lower is better)"]
    drawn(figure)


def test_an_end_that_is_not_there_is_not_drawn():
    outcome = Result({"fid": estimate("fid", 3.0, -np.inf, np.nan)})
    (axes,) = plots.result(outcome).axes
    assert all(np.isfinite(line.get_xdata()).all() for line in axes.get_lines())


def test_comparison_shows_differences_with_joint_intervals():
    real, a, b, c = ROWS
    compared = evaluation.compare({"a": a, "b": b, "c": c + 2.0}, real, "kid")
    outcome = SourceComparison({"kid": compared}, {})
    figure = outcome.plot()
    left, right = figure.axes
    assert [x for x, _ in points_of(left)] == pytest.approx(
        [model.value for model in compared.models.values()], abs=1e-6
    )
    assert [x for x, _ in points_of(right)] == pytest.approx(
        [pair.value for pair in compared.differences], abs=1e-6
    )
    spans = [tuple(map(float, line.get_xdata())) for line in right.get_lines()]
    for pair in compared.differences:
        assert (pair.joint_low, pair.joint_high) in spans
    drawn(figure)


def test_prd_draws_each_curve():
    curves = {
        "a": evaluation.prd_curve(*ROWS[:2], 5, runs=1),
        "b": evaluation.prd_curve(*ROWS[2:], 5, runs=1),
    }
    (axes,) = plots.prd(curves).axes
    for line, curve in zip(axes.get_lines(), curves.values(), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), curve.recall)
        np.testing.assert_array_equal(line.get_ydata(), curve.precision)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[0].startswith(f"a (F8 {curves['a'].f_beta(8.0):.3f}")
    drawn(plots.prd(curves["a"]))
    with pytest.raises(InputError, match=r"must be an evaluation\.prd_curve"):
        plots.prd([1.0])


def test_modes_are_bars_in_percent_and_the_most_different_of_many():
    shares = {"real_shares": [0.5, 0.3, 0.2], "fake_shares": [0.9, 0.1, 0.0], "total_modes": 3}
    outcome = Result({"modes": estimate("modes", 2, 2, 3, missing=[2], **shares)})
    (axes,) = plots.modes(outcome).axes
    heights = [round(bar.get_height(), 6) for bar in axes.patches]
    assert heights == [50.0, 30.0, 20.0, 90.0, 10.0, 0.0]
    assert axes.get_title() == "2 of 3 classes covered"
    drawn(plots.modes(outcome))
    many = np.full(100, 0.01)
    other = many.copy()
    other[[7, 93]] = 0.02, 0.0
    shares = {"real_shares": many, "fake_shares": other, "total_modes": 100}
    outcome = Result({"modes": estimate("modes", 99, 99, 99, missing=[93], **shares)})
    (axes,) = plots.modes(outcome).axes
    names = [text.get_text() for text in axes.get_xticklabels()]
    assert len(names) == 30 and {"7", "93"} <= set(names)
    with pytest.raises(InputError, match="has no modes"):
        plots.modes(Result({"fid": estimate("fid", 3.0, 2.0, 4.5)}))


def test_neighbours_stand_beside_the_copies_first(noise_images):
    """A generated image that is a training image comes first, its distance 0."""
    train, fake = noise_images(20, seed=1), noise_images(10, seed=2)
    fake[4] = train[13]
    rows = [x.reshape(len(x), -1).astype(float) for x in (fake, train)]
    figure = plots.neighbours(fake, train, *rows, count=3, k=2)
    assert len(figure.axes) == 9
    assert [figure.axes[place].get_title() for place in (0, 1)] == ["image 4", "0.0000"]
    np.testing.assert_array_equal(figure.axes[1].get_images()[0].get_array(), train[13, ..., 0])
    drawn(figure)


def test_samples_are_the_lowest_and_highest(noise_images):
    images = noise_images(12, channels=3)
    scores = np.random.default_rng(3).permutation(12) / 10
    figure = plots.samples(images, scores, count=3)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["0.0000", "0.1000", "0.2000", "1.100", "1.000", "0.9000"]
    best = figure.axes[3].get_images()[0].get_array()
    np.testing.assert_array_equal(best, images[scores.argmax()])
    drawn(figure)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda x: plots.samples(x, np.zeros(3)), "images has 12 images and 3 rows"),
        (lambda x: plots.samples(x, np.full(12, np.nan)), "one number for each image"),
        (lambda x: plots.samples("a.png", np.zeros(3)), "images is str; give Images"),
        (lambda x: plots.samples(x, np.zeros(12), count=0), "count=0"),
        (lambda x: plots.neighbours(x, x, np.zeros((12, 2)), np.zeros((9, 2))), "train has 12"),
    ],
)
def test_mistakes_of_figures_of_images(noise_images, draw, message):
    with pytest.raises(InputError, match=message):
        draw(noise_images(12))


def test_curve_draws_values_and_bands():
    points = (
        Point("fid", 0, 9.0, 8.0, 10.0, "while training"),
        Point("fid", 10, 3.0, 2.0, 4.0, "while training"),
        Point("fid", 10, 3.5, 3.0, 4.0, "fresh images"),
        Point("psnr", 10, 20.0, None, None, "while training"),
    )
    figure = Curve("run", points).plot()
    first = figure.axes[0]
    assert [list(line.get_ydata()) for line in first.get_lines()] == [[9.0, 3.0], [3.5]]
    assert len(first.collections) == 2 and not figure.axes[1].collections
    assert [axes.get_title() for axes in figure.axes] == ["fid", "psnr"]
    drawn(figure)


# progress


def test_a_function_is_told_and_silence_is_kept(capsys):
    output = []
    with progress.shown(lambda *inputs: output.append(inputs)) as show:
        progress.prefixed(show, "a")("drawing", 1, 2)
    assert output == [("a: drawing", 1, 2)]
    for silent in (None, False):
        with progress.shown(silent) as show:
            assert show is None and progress.prefixed(show, "a") is None
    assert capsys.readouterr() == ("", "")


def test_without_a_terminal_it_is_a_line_of_each_stage(capsys):
    with progress.shown(True) as show:
        for done in range(100):
            show("drawing", done, 100)
        show("measuring", 0, 0)
    assert capsys.readouterr().err == "drawing 0/100\nmeasuring\n"


def test_on_a_terminal_it_is_a_bar_that_goes_away(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.shown(True) as show:
        show("drawing", 3, 100)
    assert "drawing" in stream.getvalue() and "3/100" in stream.getvalue()


def test_in_a_notebook_it_is_tqdms_where_it_can_be(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", object())
    assert not progress._in_notebook() or "ipywidgets" in sys.modules
    monkeypatch.setattr(progress, "_in_notebook", lambda: True)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.shown(True) as show:
        show("drawing", 50, 100)
    assert "drawing" in stream.getvalue() and "50/100" in stream.getvalue()


def test_what_is_no_progress_is_refused():
    with pytest.raises(InputError, match="progress='yes'; it must be True, None or a function"):
        evaluation.evaluate(np.zeros((9, 8, 8), np.uint8), "digits", progress="yes")


def test_a_result_in_a_notebook_says_what_was_compared():
    context = {
        "generator": "<g>",
        "reference": "r",
        "features": {"name": "pixels"},
        "images": {"fake": {"count": 5}, "real": {"count": 6}},
        "notes": ["One & two."],
    }
    outcome = dataclasses.replace(Result({"fid": estimate("fid", 3.0, 2.0, 4.5)}), context=context)
    page = outcome._repr_html_()
    assert "5 images of &lt;g&gt; against 6 of r, features pixels" in page
    assert "<p>One &amp; two.</p>" in page and "[2.000, 4.500]" in page
