"""`evaluate` gives the values of `measure` on the same features, for every form of images."""

import numpy as np
import pytest
from PIL import Image

from evaluation import (
    FeatureOptions,
    ImageOptions,
    InputError,
    ReportError,
    Result,
    batch,
    compare_sources,
    curve,
    evaluate,
    evaluate_classes,
    extract,
    measure,
    open_source,
)

pytestmark = pytest.mark.usefixtures("tf")
QUICK = ("kid", "precision", "coverage")


def numbers(result):
    return {name: (e.value, e.low, e.high, e.n_real, e.n_fake) for name, e in result.items()}


@pytest.fixture(scope="module")
def judged(tanh_generator):
    return evaluate(tanh_generator)


def test_defaults_come_from_the_generator(judged, digits):
    context = judged.context
    assert (context["reference"], context["features"]["name"]) == ("digits:train", "digits")
    assert context["floor"] == ["digits:train", "digits:test"]
    assert context["n"] == judged["fid"].n_fake == len(digits["test"])
    assert context["step"] == 20
    assert context["images"]["real"]["sha256"] == digits["train"].sha256
    assert set(judged) > {"fid", "kid", "precision", "recall", "modes", "inception_score"}
    assert list(judged.floor) == list(judged)


def test_floor_is_real_train_against_real_test(judged, digits):
    real, held_out = (extract(digits[split], "digits") for split in ("train", "test"))
    expected = measure(
        real.features,
        held_out.features,
        list(judged),
        real_logits=real.logits,
        fake_logits=held_out.logits,
    )
    assert numbers(judged.floor) == numbers(expected)


def test_held_out_images_score_the_floor(digits):
    result = evaluate("digits:test", "digits", metrics=("fid", *QUICK))
    assert numbers(result) == numbers(result.floor)
    assert result.context["fid_plain_over_floor"] == 1


def test_plain_fid_is_compared_with_the_floor_at_equal_n(judged, tanh_generator, digits):
    """The mean plain FID of six draws of the floor's size, about 2000 images in all."""
    real = extract(digits["train"], "digits").features
    images = open_source(tanh_generator).sample(6 * 360, seed=0)
    fake = extract(images, "digits").features
    plains = [
        measure(real, part, ("fid",), protocol="ttur")["fid"].value
        for part in (fake[start : start + 360] for start in range(0, len(fake), 360))
    ]
    floor = judged.floor["fid"].details["plain"]
    assert plains[0] == pytest.approx(judged["fid"].details["plain"], rel=1e-9)
    assert judged.context["fid_plain_draws"] == 6
    assert judged.context["fid_plain_over_floor"] == pytest.approx(np.mean(plains) / floor)
    fewer = evaluate(tanh_generator, metrics=["fid"], n=200)
    assert (fewer["fid"].n_fake, fewer.floor["fid"].n_fake) == (200, 200)
    more = evaluate(tanh_generator, metrics=["fid"], n=400)
    assert (more["fid"].n_fake, more.floor["fid"].n_fake) == (400, 360)
    assert more.context["fid_plain_over_floor"] is None


def test_folder_npy_and_array_score_the_same(tmp_path, digits):
    images = digits["test"].images[:100]
    (tmp_path / "folder").mkdir()
    for place, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(tmp_path / "folder" / f"{place}.png")
    np.save(tmp_path / "images.npy", images)
    sources = [
        tmp_path / "folder",
        f"folder:{tmp_path / 'folder'}",
        tmp_path / "images.npy",
        images,
    ]
    results = [evaluate(source, "digits", QUICK, "digits") for source in sources]
    assert all(numbers(result) == numbers(results[0]) for result in results[1:])
    assert len({result.context["images"]["fake"]["sha256"] for result in results}) == 1


def test_collapsed_generator_covers_one_mode(digits):
    one = digits["train"].images[:1]
    result = evaluate(lambda n, rng: np.repeat(one, n, 0), "digits", ["modes", "recall"])
    assert result["modes"].value == 1
    assert len(result["modes"].details["missing"]) == 9
    assert result["recall"].value < result.floor["recall"].value


def test_reference_without_splits_is_halved_for_the_floor(noise_images):
    real, fake = noise_images(90, seed=1), noise_images(60, seed=2)
    result = evaluate(fake, real, QUICK)
    assert (result.floor["kid"].n_real, result.floor["kid"].n_fake) == (45, 45)
    assert result.context["features"]["name"] == "pixels"
    assert (result["kid"].n_real, result["kid"].n_fake) == (90, 60)
    assert result.floor["kid"].low < 0 < result.floor["kid"].high


def test_reference_too_small_to_halve_has_no_floor(noise_images):
    result = evaluate(noise_images(40, seed=2), noise_images(30, seed=1), "fid")
    assert result.floor is None
    assert any("no floor" in note for note in result.context["notes"])


def test_n_chooses_at_random_and_not_more_than_there_are(noise_images):
    real, fake = noise_images(80, seed=1), noise_images(60, seed=2)
    first, again, other = (evaluate(fake, real, ["kid"], n=40, seed=s) for s in (0, 0, 1))
    assert numbers(first) == numbers(again) != numbers(other)
    assert first["kid"].n_fake == 40
    with pytest.raises(InputError, match=r"n = 61: array has only 60 images"):
        evaluate(fake, real, ["kid"], n=61)
    with pytest.raises(InputError, match=r"n=0; it must be a whole number, 1 or more"):
        evaluate(fake, real, ["kid"], n=0)


def test_a_metric_without_a_floor_does_not_take_the_others_theirs(noise_images):
    result = evaluate(noise_images(40, seed=2), noise_images(30, seed=1), ["fid", "precision"])
    assert list(result) == ["fid", "precision"]
    assert list(result.floor) == ["precision"]
    assert any("no floor of fid: " in note for note in result.context["notes"])


def test_a_function_of_one_argument_is_refused(digits):
    with pytest.raises(InputError, match=r"f\(n, rng\)"):
        evaluate(lambda n: digits["test"].images[:n], "digits")


def test_report_that_cannot_be_written_does_not_lose_the_scores(tmp_path, noise_images):
    long = tmp_path / f"{'a' * 300}.html"
    with pytest.raises(ReportError, match="cannot be written") as caught:
        evaluate(noise_images(30, seed=1), noise_images(30, seed=2), ["kid"], report=long)
    assert list(caught.value.result) == ["kid"]


def test_large_images_are_judged_on_few_numbers(noise_images):
    real, fake = noise_images(600, 64, 64, 3, seed=1), noise_images(500, 64, 64, 3, seed=2)
    result = evaluate(fake, real, ["fid"])
    assert result["fid"].details["regime"] == "two orders"
    assert result.context["features"]["name"] == "pixels-8x8"
    assert result.context["features"]["dim"] == 192


def test_the_generators_own_data_may_skip_corrupt_files(make_generator, tmp_path, noise_images):
    folder = tmp_path / "photos"
    folder.mkdir()
    for place, image in enumerate(noise_images(40)):
        Image.fromarray(image[..., 0]).save(folder / f"{place}.png")
    (folder / "7.png").write_bytes(b"broken")
    data = {"name": f"folder:{folder}", "split": "train", "skip_corrupt": True}
    generator = make_generator(tmp_path / "g", contract={"data": data})
    result = evaluate(generator, metrics=["kid"], n=40)
    assert result["kid"].n_real == 39
    careful = make_generator(tmp_path / "h", contract={"data": {"name": f"folder:{folder}"}})
    with pytest.raises(InputError, match=r"7\.png cannot be decoded"):
        evaluate(careful, metrics=["kid"], n=40)


def test_gray_against_rgb_is_repeated_and_said(noise_images):
    real, fake = noise_images(60, seed=1), noise_images(60, channels=3, seed=2)
    result = evaluate(fake, real, QUICK)
    assert numbers(result) == numbers(evaluate(fake, np.repeat(real, 3, -1), QUICK))
    assert (
        "array is gray; its channel was repeated to compare it with RGB."
        in (result.context["notes"])
    )


def test_sizes_must_agree_or_be_made_to(noise_images):
    real, fake = noise_images(60, 8, 8, seed=1), noise_images(60, 16, 16, seed=2)
    with pytest.raises(InputError, match=r"of 16 x 16, the reference array of 8 x 8.*--size"):
        evaluate(fake, real, QUICK)
    result = evaluate(fake, real, QUICK, size_px=8)
    assert result.context["images"]["fake"]["height"] == 8
    assert "array was resized from 16 x 16 to 8 x 8." in result.context["notes"]


def test_skipped_files_are_said(tmp_path, noise_images):
    for place, image in enumerate(noise_images(40)):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{place}.png")
    (tmp_path / "7.png").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"7\.png cannot be decoded"):
        evaluate(tmp_path, noise_images(40, seed=1), ["kid"])
    result = evaluate(tmp_path, noise_images(40, seed=1), ["kid"], skip_corrupt=True)
    assert result["kid"].n_fake == 39
    assert result.context["images"]["fake"]["skipped"] == [str(tmp_path / "7.png")]


def test_protocol_and_level_have_an_effect(judged, tanh_generator):
    published = evaluate(tanh_generator, protocol="ttur")
    assert set(published) == {"fid", "inception_score"}
    assert published["fid"].value == pytest.approx(judged["fid"].details["plain"], rel=1e-9)
    narrow = evaluate(tanh_generator, metrics=["kid"], level=0.5)["kid"]
    assert judged["kid"].low < narrow.low < narrow.high < judged["kid"].high


def test_seed_decides_the_draw(judged, tanh_generator):
    again = evaluate(tanh_generator, batch_size=100)
    for name, (value, low, high, *counts) in numbers(again).items():
        outcome = numbers(judged)[name]
        np.testing.assert_allclose([value, low, high], outcome[:3], rtol=1e-4, atol=1e-5)
        assert tuple(counts) == outcome[3:]
    other = evaluate(tanh_generator, metrics=["kid"], seed=1)
    assert numbers(other)["kid"] != numbers(again)["kid"]


def test_result_is_saved_whole(judged, tmp_path):
    judged.save(tmp_path / "result.json")
    loaded = Result.load(tmp_path / "result.json")
    assert loaded.to_dict() == judged.to_dict()


def test_progress_is_told(tanh_generator):
    seen = []
    evaluate(tanh_generator, metrics=["kid"], progress=lambda *event: seen.append(event))
    assert ("drawing images", 360, 360) in seen
    assert [stage for stage, done, _ in seen if done == 0] == [
        "reading images",
        "computing features",
        "measuring",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["fidd"]}, r"unknown metric 'fidd': did you mean 'fid'"),
        ({"metrics": []}, "metrics is empty"),
        ({"features": "digit"}, r"unknown features 'digit'; did you mean 'digits'"),
        ({"protocol": "prcd"}, r"unknown protocol 'prcd': did you mean 'prdc'"),
        ({"protocol": "prdc", "metrics": ["fid"]}, "'prdc' does not define metric 'fid'"),
        ({"level": 1.0}, r"level=1\.0"),
        ({"level": "high"}, "level='high'"),
        ({"n": 2.5}, r"n=2\.5; it must be a whole number, 1 or more"),
        ({"n": True}, "n=True"),
        ({"seed": -1}, "seed=-1; it must be a whole number, 0 or more"),
        ({"seed": None}, "seed=None"),
        ({"size_px": 0}, "size_px=0; it must be a whole number"),
        ({"size_px": "64"}, "size_px='64'"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"metrics": 3}, r"metrics=3; it must be names"),
        ({"protocol": ["ttur"]}, r"unknown protocol \['ttur'\]"),
        ({"features": 3}, "features=3; it must be"),
        ({"report": 3}, "report=3; it must be the path"),
        (
            {"features": "pixels", "metrics": ["inception_score"]},
            "inception_score reads a classifier's logits.*use --features digits or a classifier",
        ),
        ({"report": "no/such/place.html"}, "its directory does not exist"),
    ],
)
def test_mistakes_are_found_before_anything_is_read(options, message):
    with pytest.raises(InputError, match=message):
        evaluate("no/such/generator", **options)


@pytest.fixture
def flat(noise_images):
    """Two sources, and the result of a call with a keyword of each kind of options."""
    sources = noise_images(60, 16, 16, seed=2), noise_images(80, 8, 8, seed=1)
    return sources, evaluate(*sources, QUICK, "pixels", size_px=8, batch_size=16)


@pytest.mark.parametrize(
    ("features", "images", "keywords"),
    [
        (FeatureOptions("pixels", batch_size=16), ImageOptions(size_px=8), {}),
        (FeatureOptions("pixels", batch_size=16), None, {"size_px": 8}),
        ("pixels", ImageOptions(size_px=8), {"batch_size": 16}),
    ],
)
def test_option_objects_and_flat_keywords_give_the_same_result(flat, features, images, keywords):
    sources, expected = flat
    result = evaluate(*sources, QUICK, features, images=images, **keywords)
    assert numbers(result) == numbers(expected)
    assert numbers(result.floor) == numbers(expected.floor)
    assert result.context["size_px"] == 8
    contexts = [
        {name: value for name, value in one.context.items() if name not in ("date", "seconds")}
        for one in (result, expected)
    ]
    assert contexts[0] == contexts[1]


@pytest.mark.parametrize(
    ("function", "keywords", "message"),
    [
        (evaluate, {"siz_px": 64}, "unknown argument of evaluate 'siz_px': did you mean 'size_px'"),
        (evaluate, {"metric": ["fid"]}, "did you mean 'metrics'"),
        (batch, {"skip_corupt": True}, "unknown argument of batch .* did you mean 'skip_corrupt'"),
        (compare_sources, {"layers": "a"}, "argument of compare_sources .* mean 'layer'"),
        (evaluate_classes, {"weight": "a"}, "argument of evaluate_classes .* mean 'weights'"),
        (curve, {"precison": "float32"}, "argument of curve .* did you mean 'precision'"),
        (
            evaluate,
            {"features": FeatureOptions("inception"), "layer": "64"},
            r"layer='64' beside features=FeatureOptions\(...\); set it in FeatureOptions",
        ),
        (
            evaluate,
            {"images": ImageOptions(), "size_px": 8},
            r"size_px=8 beside images=ImageOptions\(...\); set it in ImageOptions",
        ),
        (evaluate, {"images": 8}, r"images=8; it must be evaluation\.ImageOptions"),
    ],
)
def test_unknown_and_contradictory_keywords_are_one_line(tmp_path, function, keywords, message):
    with pytest.raises(InputError, match=message) as caught:
        function(str(tmp_path), **keywords)
    assert "\n" not in str(caught.value)


def test_an_image_size_of_less_than_one_is_refused():
    with pytest.raises(InputError, match=r"size_px=0; it must be a whole number, 1 or more"):
        ImageOptions(size_px=0)


def test_sources_that_cannot_be_judged(tanh_generator, make_generator, tmp_path, noise_images):
    with pytest.raises(InputError, match="does not say what data to compare it with"):
        evaluate(noise_images(30))
    with pytest.raises(InputError, match="does not say what data"):
        evaluate(make_generator(tmp_path / "g", contract={"data": None}))
    with pytest.raises(InputError, match="is a generator; give real images"):
        evaluate(noise_images(30), tanh_generator)
    with pytest.raises(InputError, match="has 5 rows; kid needs at least"):
        evaluate(noise_images(5), noise_images(30), ["kid"])
    with pytest.raises(
        InputError, match="modes reads a classifier's logits, and features 'pixels'"
    ):
        evaluate(noise_images(30), noise_images(30), ["modes"])
