"""What holds for every model, found by its file name."""

import numpy as np
import pytest

from gantf import config, models

SMALL = {  # settings that make a model small, wherever it has them
    "generator_channels": 4,
    "discriminator_channels": 4,
    "latent_dim": 6,
}
BATCH = 4


def build(strategy, name, shape=(8, 8, 1), **settings):
    from gantf.game import DataSpec

    model = models.load(name)
    known = {k: v for k, v in {**SMALL, **settings}.items() if k in model.Config.model_fields}
    with strategy.scope():
        made = config.make_model_config(model.Config, known, name)
        return model.build(made, DataSpec(shape, ("a", "b")), 0)


def run(tf, strategy, game, count):
    from gantf import batches, step

    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), dtype=np.uint8)
    data = batches.make_dataset(images, np.arange(12) % 2, 0, BATCH)
    step.make_steps(game, strategy, BATCH, 0).run(
        iter(strategy.distribute_datasets_from_function(data)),
        tf.constant(0, tf.int64),
        tf.constant(count, tf.int64),
        tf.zeros(step.LOG_WIDTH),
        tf.constant(step.ALL_FINITE, tf.int64),
    )
    return {name: variable.numpy() for name, variable in game.variables().items()}


@pytest.mark.parametrize("name", models.names())
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

    def test_it_samples_images_in_range(self, tf, name):
        from gantf import scoring, strategies

        game = build(strategies.make("one-device"), name, shape=(12, 8, 3))
        latents = scoring.draw_latents(game, 5, np.random.default_rng(0))
        images = scoring.sample(game, latents)
        assert images.shape == (5, 12, 8, 3)
        assert np.abs(images).max() <= 1

    def test_every_player_moves_all_its_variables(self, tf, name):
        from gantf import strategies

        strategy = strategies.make("one-device")
        game = build(strategy, name)
        before = {p.name: [v.numpy() for v in p.network.trainable_variables] for p in game.players}
        run(tf, strategy, game, 2)
        for player in game.players:
            for old, new in zip(
                before[player.name], player.network.trainable_variables, strict=True
            ):
                assert not np.array_equal(old, new.numpy()), new.path

    def test_two_replicas_train_as_one(self, tf, name):
        from gantf import strategies

        finals = []
        for kind in ("one-device", "mirrored"):
            strategy = strategies.make(kind)
            finals.append(run(tf, strategy, build(strategy, name, optimizer="sgd"), 20))
        for variable, value in finals[0].items():
            np.testing.assert_allclose(finals[1][variable], value, atol=1e-6, err_msg=variable)

    def test_a_checkpoint_brings_everything_back(self, tf, name, tmp_path):
        from gantf import checkpoints, strategies

        strategy = strategies.make("one-device")
        game, twin = build(strategy, name), build(strategy, name)
        values = run(tf, strategy, game, 2)
        path = checkpoints.save(tmp_path, checkpoints.Checkpoint(2, values, {}))
        checkpoints.restore(checkpoints.read(path), twin.variables())
        for variable, value in twin.variables().items():
            np.testing.assert_array_equal(value.numpy(), values[variable])

    def test_xla_compiles_its_gradients(self, tf, name):
        """With static shapes and no operation of the host; the updates stay outside on a CPU."""
        from gantf import noise, strategies

        game = build(strategies.make("one-device"), name)
        batch = {"image": tf.zeros((BATCH, 8, 8, 1)), "label": tf.zeros(BATCH, tf.int64)}

        @tf.function(jit_compile=True)
        def gradients():
            source = noise.of_step(0, tf.constant(0, tf.int64), BATCH)
            with tf.GradientTape(persistent=True) as tape:
                shared = game.forward(batch, source)
                losses = [tf.reduce_sum(player.loss(shared, source)[0]) for player in game.players]
            return [
                tape.gradient(loss, [v.value for v in player.network.trainable_variables])
                for loss, player in zip(losses, game.players, strict=True)
            ]

        for group in gradients():
            assert all(np.all(np.isfinite(gradient)) for gradient in group)

    def test_its_export_loads_and_gives_the_same_images(self, tf, name, tmp_path):
        from gantf import export, scoring, strategies

        game = build(strategies.make("one-device"), name)
        latents = scoring.draw_latents(game, 3, np.random.default_rng(0))
        target = export.save(game, config.RunConfig(model=name), 0, tmp_path)
        signature = tf.saved_model.load(str(target)).signatures["serving_default"]
        images = signature(latents=tf.constant(latents))["images"]
        np.testing.assert_allclose(images, scoring.sample(game, latents), atol=1e-5)
