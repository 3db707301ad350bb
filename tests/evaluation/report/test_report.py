"""The report draws what the result says, needs nothing from elsewhere, and believes no name."""

import base64
import html.parser
import io
import json
import math
import re

import numpy as np
import pytest
from PIL import Image

from evaluation import Estimate, Result, evaluate, measure, write_report
from evaluation.report import curves, pictures, scores
from evaluation.runtime import metrics_log
from evaluation.sources.images import Images

VOID = {"meta", "img", "br", "link", "hr", "input"}


class Checker(html.parser.HTMLParser):
    """Collects tags and attributes, and fails on tags that do not close."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def check(page):
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    return checker


def estimate(value, low=math.nan, high=math.nan, better="lower", name="fid", **details):
    return Estimate(name, value, low, high, 0.95, "m", "t", better, "default", 9, 8, {}, details)


@pytest.fixture(scope="module")
def page(tanh_generator, tmp_path_factory):
    """The report of a generator in a run with a log, and the result."""
    run = tanh_generator.parent
    lines = [
        {"step": step, "generator/loss": 1.0 + step, "discriminator/loss": 2.0, "D(x)": 0.7}
        for step in range(5)
    ]
    lines[3]["warning"] = "the discriminator <has> won"
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    path = tmp_path_factory.mktemp("report") / "report.html"
    result = evaluate(tanh_generator, report=path)
    (run / "metrics.jsonl").unlink()
    return path.read_text(encoding="utf-8"), result


def test_page_needs_nothing_from_elsewhere(page):
    checker = check(page[0])
    assert not re.search(r"https?:|//[a-z]", re.sub(r"base64,[^\"]*", "", page[0]))
    assert not {"script", "link", "iframe", "object"} & set(checker.tags)
    for name, value in checker.attributes:
        if name in ("src", "href", "xlink:href", "action"):
            assert value.startswith(("data:image/png;base64,", "#")), value
        assert not name.startswith("on")
    assert "default-src 'none'" in page[0]


def test_page_shows_every_part(page):
    text, result = page
    for part in ("Scores", "Images", "Classes", "Training", "Settings and versions"):
        assert f"<h2>{part}</h2>" in text
    assert text.count('<article class="score">') == len(result)
    assert text.count('<div class="class') - 1 == 10  # one each, and the frame around them
    assert "the discriminator &lt;has&gt; won" in text
    assert result.context["versions"]["tensorflow"] in text
    assert "times the floor" in text


def test_names_are_escaped(tmp_path, noise_images):
    folder = tmp_path / "<b>&x"
    folder.mkdir()
    for place, image in enumerate(noise_images(40)):
        Image.fromarray(image[..., 0]).save(folder / f"{place}.png")
    result = evaluate(folder, noise_images(40, seed=1), ["kid"], report=tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    check(text)
    assert "<b>&x" in result.context["generator"]
    assert "<b>&x" not in text and "&lt;b&gt;&amp;x" in text


def test_result_of_bare_arrays_has_a_report_too(tmp_path):
    rng = np.random.default_rng(0)
    result = measure(rng.normal(size=(80, 3)), rng.normal(size=(70, 3)), ("fid", "recall"))
    text = write_report(result, tmp_path / "r.html").read_text()
    check(text)
    assert "70 generated rows against 80 real ones." in text
    assert "There is no floor" in text
    assert "<h2>Images</h2>" not in text and "<h2>Training</h2>" not in text


def test_positions_on_the_axis():
    """An axis from 0 to 20: the value 15 is at 75 %, its interval 12 to 18 from 60 to 90 %."""
    result = Result({"fid": estimate(15.0, 12.0, 18.0)}, {"fid": estimate(3.0, 2.0, 4.0)})
    row = scores.rows(result)[0]
    assert (row.first, row.last, row.zero) == ("0", "20", None)
    assert (row.low, row.at, row.high) == (60, 75, 90)
    assert (row.floor_low, row.floor_at, row.floor_high) == (10, 15, 20)
    assert (row.title, row.value, row.floor) == ("FID", "15.00", "3.000")


def test_axis_reaches_below_zero_and_marks_it():
    row = scores.rows(Result({"kid": estimate(-1.0, -3.0, 1.0, name="kid")}))[0]
    first, last = float(row.first), float(row.last)
    assert first <= -3 and last >= 1
    assert row.zero == pytest.approx(100 * -first / (last - first), abs=0.01)
    assert row.at == pytest.approx(100 * (-1 - first) / (last - first), abs=0.01)


@pytest.mark.parametrize(
    ("better", "details", "ends"),
    [("higher", {}, ("0", "1")), ("higher", {"total_modes": 10}, ("0", "10"))],
)
def test_shares_and_counts_have_their_own_axis(better, details, ends):
    row = scores.rows(Result({"x": estimate(0.5, 0.4, 0.6, better, "x", **details)}))[0]
    assert (row.first, row.last) == ends


def test_no_interval_draws_none():
    row = scores.rows(Result({"fid": estimate(2.0)}))[0]
    assert (row.low, row.high, row.interval) == (None, None, "")


def fractions(real, fake, missing=()):
    details = {"real_shares": real, "fake_shares": fake, "missing": list(missing)}
    modes = estimate(1.0, better="higher", name="modes", total_modes=len(real), **details)
    return scores.class_fractions(Result({"modes": modes}))


def test_histogram_heights_and_missing_classes():
    outcome = fractions([0.5, 0.5], [1.0, 0.0], missing=[1])
    assert [(s.real_height, s.fake_height, s.missing) for s in outcome.classes] == [
        (50, 100, False),
        (50, 0, True),
    ]
    assert outcome.classes[0].fake == "100.0 %"
    assert outcome.caption == "1 of 2 classes are covered. Missing: 1."
    assert scores.class_fractions(Result({"fid": estimate(1.0)})) is None


def test_of_many_classes_those_that_differ_most_are_shown():
    real = [0.01] * 100
    fake = [0.01] * 70 + [0.02] * 15 + [0.0] * 15
    outcome = fractions(real, fake)
    assert len(outcome.classes) == scores.MOST_CLASSES
    assert all(int(one.name) >= 70 for one in outcome.classes)


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (32, 3), (64, 3)])
def test_sheet_holds_the_images_pixel_for_pixel(noise_images, side, channels):
    images = noise_images(200, side, side, channels)
    sheet = pictures.sheet(Images(images, None, (), "x"), "real")
    png = Image.open(io.BytesIO(base64.b64decode(sheet.uri.partition(",")[2])))
    columns, tile_px = pictures._layout(side)
    factor = tile_px // side
    assert png.size == (sheet.width, sheet.height) and sheet.width <= pictures.SHEET_PX
    assert sheet.caption == f"{columns**2} of 200, evenly spaced, not selected"
    pixels = np.asarray(png.convert("RGB"))
    last = pixels[-tile_px::factor, -tile_px::factor]
    assert (last == np.broadcast_to(images[-1], (side, side, 3))).all()


def test_large_images_are_reduced(noise_images):
    sheet = pictures.sheet(Images(noise_images(3, 200, 100, 3), None, (), "x"), "real")
    assert (sheet.width, sheet.height) == (3 * 47 + 2 * pictures.GAP_PX, 94)
    assert not sheet.crisp


def test_log_is_read_as_far_as_it_goes(tmp_path):
    lines = [
        '{"step": 2, "generator/loss": 5.0, "fid": 3.0}',
        "not json",
        '{"step": 1, "generator/loss": 7.0, "D(x)": NaN, "warning": "w"}',
        '{"no": "step"}',
        '{"step": 3, "warning": "w", "epoch": "x", "generator/loss": null}',
        '{"step": 4, "gener',
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    log = metrics_log.read(tmp_path)
    assert [record["step"] for record in log] == [1, 2, 3]
    assert curves.warnings(log) == [(1, "w")]
    steps, values = curves._curve(log, "generator/loss")
    assert (steps.tolist(), values.tolist()) == ([1, 2], [7, 5])
    panels = curves.panels(log)
    assert [(panel.title, panel.curves) for panel in panels] == [
        ("Losses", (("generator/loss", 1),)),
        ("FID during training", (("fid", 1),)),
    ]
    assert curves.panels(metrics_log.read(tmp_path / "nowhere")) == []


def test_long_curves_are_averaged():
    log = [{"step": step, "fid": float(step % 2)} for step in range(6000)]
    steps, values = curves._curve(log, "fid")
    assert len(steps) == curves.MOST_POINTS
    assert np.unique(values).tolist() == [0.5]


def test_drawing_takes_the_colours_of_the_page():
    svg = curves.panels([{"step": 1, "D(x)": 0.5, "D(G(z))": 0.4}])[0].svg
    assert "var(--series-0)" in svg and "var(--series-1)" in svg
    assert not re.search(r"#0[0-9a]0", svg)
    assert svg.startswith("<svg") and "xmlns" not in svg
