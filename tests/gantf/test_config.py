"""Settings: what is misspelt, of the wrong type or changed is named in one line."""

import pytest

from evaluation import InputError
from gantf import config
from gantf.runs import config_file


def gan_config(**settings):
    from gantf import models

    return config.make_model_config(models.load("gan").Config, settings, "gan")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"los": "hinge"}, r"--set los: .* did you mean 'loss'\?"),
        ({"zzz": "1"}, r"--set zzz: .* see `gantf models gan`"),
        ({"latent_dim": "many"}, r"--set latent_dim=many: .*integer.*default 64"),
        ({"beta_1": "1.5"}, r"--set beta_1=1.5: .*less than 1"),
        ({"beta_1": "nan"}, r"--set beta_1=nan: "),
        ({"loss": "hinges"}, r"--set loss=hinges: .*'hinge'"),
        ({"diffaugment": "colour"}, r"--set diffaugment=colour: .*'color'"),
        ({"loss": "hinge", "label_smoothing": "0.1"}, "label_smoothing has no meaning"),
        ({"discriminator_norm": "batch", "r1_weight": "1"}, "mixes the images of a batch"),
        ({"optimizer": "sgd", "schedule": "linear", "final_beta_1": "0.5"}, "are Adam's"),
    ],
)
def test_bad_settings(tf, settings, message):
    with pytest.raises(InputError, match=message) as raised:
        gan_config(**settings)
    assert "\n" not in str(raised.value)


def test_words_become_values(tf):
    settings = config.parse_settings(("diffaugment=color,cutout", "spectral_norm=true", "beta_1=0"))
    made = gan_config(**settings)
    assert made.diffaugment == ("color", "cutout")
    assert made.spectral_norm is True
    assert made.beta_1 == 0.0
    assert gan_config(diffaugment="none").diffaugment == ()


@pytest.mark.parametrize(
    ("pairs", "message"),
    [(("loss",), "KEY=VALUE"), (("=1",), "KEY=VALUE"), (("a=1", "a=2"), "--set a appears twice")],
)
def test_bad_pairs(pairs, message):
    with pytest.raises(InputError, match=message):
        config.parse_settings(pairs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, r"--batch-size 0: .*greater than or equal to 1"),
        ({"steps": 0}, r"--steps 0: "),
        ({"size_px": 20_000}, r"--size 20000: .*less than or equal to 16384"),
        ({"log_every_steps": 0}, r"--log-every 0: "),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        config.make_run_config(**options)


def test_a_run_comes_back_from_its_file(tmp_path):
    run = config.make_run_config(data="folder:a b", seed=3, settings={"loss": "hinge"})
    config_file.save(run, tmp_path)
    assert config_file.load(tmp_path) == run


def test_a_damaged_or_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"is no run directory"):
        config_file.load(tmp_path)
    (tmp_path / "config.yaml").write_text("model: [")
    with pytest.raises(InputError, match=r"config.yaml is damaged"):
        config_file.load(tmp_path)


def test_a_changed_configuration_is_refused_by_field(tmp_path):
    old = config.make_run_config(settings={"loss": "hinge", "beta_1": 0.5})
    new = config.make_run_config(seed=1, settings={"loss": "minimax", "beta_1": 0.5})
    with pytest.raises(InputError, match=r"seed was 0, now 1; set loss was hinge, now minimax"):
        config_file.check_same_run(old, new, tmp_path)
    longer = config.make_run_config(
        steps=9999, keep=1, strategy="mirrored", settings={"loss": "hinge", "beta_1": 0.5}
    )
    config_file.check_same_run(old, longer, tmp_path)


@pytest.mark.parametrize(
    ("data", "names"),
    [
        ("digits", ["digits"]),
        ("digits,mnist:train[:10%]", ["digits", "mnist:train[:10%]"]),
        ("folder:A,folder:B", ["folder:A", "folder:B"]),
        ("folder:A,digits", ["folder:A", "digits"]),
        ("folder:with, comma", ["folder:with, comma"]),
        ("folder:with, comma,folder:B", ["folder:with, comma", "folder:B"]),
        ("folder:A,", ["folder:A,"]),
    ],
)
def test_a_comma_is_between_two_data_sets_unless_a_folder_has_it(
    data, names, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "with, comma").mkdir()
    assert config.data_names(data) == names


def test_none_opens_a_setting_that_has_a_number_by_default():
    """Its type says whether it may be open."""

    class Config(config.ModelConfig):
        bound: float | None = 3.0
        word: str = "a"

    assert config.make_model_config(Config, {"bound": "none"}, "m").bound is None
    assert config.make_model_config(Config, {"word": "none"}, "m").word == "none"
