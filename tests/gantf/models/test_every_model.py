"""What holds for every model, found by its file name."""

import numpy as np
import pytest

from gantf import config, models
from tests.games import (
    BATCH,
    SIDE,
    every_model,
    make_data,
    make_game,
    make_run,
    run_steps,
    weights,
)

PLAIN = {"optimizer": "sgd", "final_beta_1": None, "final_beta_2": None}
CALM = {"cyclegan": {"generator_learning_rate": 2e-5, "discriminator_learning_rate": 2e-5}}


@pytest.fixture(scope="class")
def played(tf, name):
    """A model's small game, its data, and run(count, first_step), which trains it."""
    from gantf.distribute import strategies

    strategy, data = strategies.make("one-device"), make_data(name)
    game = make_game(strategy, name, data)
    return game, data, make_run(tf, strategy, game, data)


@pytest.mark.parametrize("name", models.names(), scope="class")
class TestEveryModel:
    """Each test gets each model."""

    def test_its_docstring_names_it_and_a_paper(self, tf, name):
        docstring = models.load(name).__doc__
        assert docstring.startswith(f"`{name}`: ")
        assert "arXiv:" in docstring

    def test_its_settings_are_frozen_and_described(self, tf, name):
        made = models.load(name).Config()
        for key, field in type(made).model_fields.items():
            assert field.description, key
            with pytest.raises(ValueError, match="frozen"):
                setattr(made, key, getattr(made, key))

    def test_its_generators_give_images(self, played):
        from gantf.generation import sampling
        from gantf.training import sample_grid

        game, data, _ = played
        draw, columns = sample_grid.make(game, data, 0)
        images = draw()
        assert images.ndim == 4
        assert len(images) % columns == 0
        assert np.all(np.isfinite(images))
        if game.translator is None:
            inputs = sampling.draw_inputs(game, 5, np.random.default_rng(0))
            (network,) = game.generators.values()
            assert sampling.sample(network, inputs).shape == (5, SIDE, SIDE, 3)

    def test_every_player_moves_all_its_variables(self, played):
        game, _, run = played
        before = {p.name: [v.numpy() for v in p.trainable_variables] for p in game.players}
        logged, fault = run(3)
        assert fault == -1
        assert all(np.isfinite(value) for value in logged.values())
        for player in game.players:
            for old, new in zip(before[player.name], player.trainable_variables, strict=True):
                assert not np.array_equal(old, new.numpy()), (player.name, new.path)

    def test_each_player_owns_its_variables_alone(self, played):
        game, _, _ = played
        owned = [id(v) for player in game.players for v in player.trainable_variables]
        assert len(owned) == len(set(owned))
        kept = {id(variable) for variable in game.variables().values()}
        assert set(owned) <= kept

    @pytest.mark.slow
    def test_xla_compiles_its_loop_of_whole_steps(self, tf, name):
        """As on a TPU: static shapes, no operation of the host, the updates among the rest.

        XLA draws other random numbers than TensorFlow's kernels, so that only moves are compared.
        """
        from gantf.data import pipeline
        from gantf.distribute import strategies
        from gantf.training import step

        data = make_data(name)
        game = make_game(strategies.make("one-device"), name, data)
        turns, steps = game.batches_per_step, 2
        dataset = pipeline.make_dataset(data.sets, 0, BATCH)(tf.distribute.InputContext())
        (stacked,) = dataset.batch(steps * turns).take(1)
        before = {p.name: [v.numpy() for v in p.trainable_variables] for p in game.players}

        @tf.function(jit_compile=True)
        def run(stacked, first):
            total = tf.zeros([])
            for number in tf.range(first, first + steps):
                options = tuple(
                    {key: rows[number * turns + turn] for key, rows in stacked.items()}
                    for turn in range(turns)
                )
                logged = step.train_step(game, options, number, BATCH, 0)
                total += tf.add_n([tf.cast(value, tf.float32) for value in logged.values()])
            return total

        assert np.isfinite(run(stacked, tf.constant(0, tf.int64)))
        for player in game.players:
            for old, new in zip(before[player.name], player.trainable_variables, strict=True):
                assert np.all(np.isfinite(new.numpy()))
                assert not np.array_equal(old, new.numpy()), (player.name, new.path)

    def test_its_exports_load_and_give_the_same_images(self, tf, name, played, tmp_path):
        from gantf.generation import export, sampling

        game, data, _ = played
        run = config.RunConfig(model=name)
        for target, (key, network) in zip(
            export.save(game, run, data.spec, 0, tmp_path), game.generators.items(), strict=True
        ):
            assert target == export.generator_dir(tmp_path, key)
            signature = tf.saved_model.load(str(target)).signatures["serving_default"]
            if game.translator is not None:
                side = network.input["image"].shape[1] or SIDE
                shape = (3, side, side, network.input["image"].shape[3])
                inputs = {"image": np.random.default_rng(0).uniform(-1, 1, shape)}
                inputs = {"image": inputs["image"].astype(np.float32)}
            else:
                inputs = sampling.draw_inputs(game, 3, np.random.default_rng(0))
            options = {"labels" if k == "label" else k: tf.constant(v) for k, v in inputs.items()}
            if game.has_test_noise:
                options["seed"] = tf.constant(0, tf.int64)
            images = signature(**options)["images"]
            expected = np.clip(sampling.sample(network, inputs), -1, 1)
            np.testing.assert_allclose(images, expected, atol=1e-5)

    def test_it_has_the_setting_precision(self, name):
        if "precision" not in models.load(name).Config.model_fields:
            pytest.fail(f"{name} has no setting `precision`: its Config must inherit Optimization")


@pytest.mark.parametrize("name", every_model("gan", "stylegan2"))
def test_bfloat16_keeps_losses_and_weights_in_float32(tf, name):
    from gantf.distribute import strategies

    strategy, data = strategies.make("one-device"), make_data(name)
    game = make_game(strategy, name, data, precision="bfloat16")
    dtypes = {v.dtype for player in game.players for v in player.trainable_variables}
    assert dtypes == {"float32"}
    logged, fault = make_run(tf, strategy, game, data)(1)
    assert fault == -1
    assert all(np.isfinite(value) for value in logged.values())
    for network in game.generators.values():
        assert network.output.dtype == "float32"


@pytest.mark.slow
@pytest.mark.parametrize("name", models.names())
def test_two_replicas_train_as_one(tf, name):
    """After 20 steps all agree to 1e-6, moving averages and pools too.

    `tests/gantf/training/test_step.py` has the short run's comparison of replicas.
    At cyclegan's own rates a ReLU's kink, met on one side or the other after some 10 steps,
    makes 1e-4 of a rounding error; it gets lower ones.
    """
    from gantf.distribute import strategies

    finals, data = [], make_data(name)
    for kind in ("one-device", "mirrored"):
        strategy = strategies.make(kind)
        game = make_game(strategy, name, data, **PLAIN, **CALM.get(name, {}))
        before = weights(game)
        run_steps(tf, strategy, game, data, 20)
        finals.append(weights(game))
    moved = [np.abs(finals[0][key] - old).max() for key, old in before.items() if "kernel" in key]
    assert max(moved) > 5e-6
    for variable, value in finals[0].items():
        np.testing.assert_allclose(finals[1][variable], value, atol=1e-6, err_msg=variable)


@pytest.mark.parametrize("name", every_model("gan", "vaegan"))
def test_a_checkpoint_brings_everything_back(tf, name, tmp_path):
    """Into a new game, which then goes on as the old one does, bit for bit."""
    from gantf.distribute import strategies
    from gantf.runs import checkpoints, restore

    strategy, data = strategies.make("one-device"), make_data(name)
    game, twin = (make_game(strategy, name, data) for _ in range(2))
    run = make_run(tf, strategy, game, data)
    run(1)
    path = checkpoints.save(tmp_path, checkpoints.Checkpoint(1, weights(game), {}))
    restore.assign(checkpoints.read(path), twin.variables())
    run(1, first_step=1)
    make_run(tf, strategy, twin, data)(1, first_step=1)
    for (variable, value), other in zip(weights(game).items(), weights(twin).values(), strict=True):
        np.testing.assert_array_equal(value, other, err_msg=variable)
