"""One step of three games as one would write it by hand for one device, with TensorFlow alone.

Each function takes a game, whose networks and optimizers it uses and whose losses it does not, and
gives a function (batch, step) that moves every player once.
"""

import tensorflow as tf

softplus = tf.nn.softplus


def gan(game, config):
    """Non-saturating loss, R1, and the moving average of the generator."""
    names = ("generator", "discriminator", "generator_average")
    generator, discriminator, average = (game.networks[name] for name in names)
    of_d, of_g = (player.optimizer for player in game.players)

    def step(batch, number):
        real = batch["image"]
        latents = tf.random.stateless_normal((real.shape[0], config.latent_dim), [0, number])
        with tf.GradientTape(persistent=True) as tape:
            fake = generator({"latents": latents}, training=True)
            with tf.GradientTape() as inner:
                inner.watch(real)
                real_logits = discriminator({"image": real}, training=True)
            slopes = inner.gradient(real_logits, real)
            r1 = 0.5 * tf.reduce_sum(tf.square(slopes), [1, 2, 3])
            fake_logits = discriminator({"image": fake}, training=True)
            adversarial = softplus(-real_logits) + softplus(fake_logits)
            of_discriminator = tf.reduce_mean(adversarial[:, 0] + config.r1_weight * r1)
        _apply(of_d, tape, of_discriminator, discriminator)
        with tape:
            fooled = softplus(-discriminator({"image": fake}, training=True))
            of_generator = tf.reduce_mean(fooled)
        _apply(of_g, tape, of_generator, generator)
        _follow(average, generator)

    return step


def vaegan(game, config):
    """Encoder, generator and discriminator; features of reconstructions; R1."""
    names = ("encoder", "generator", "discriminator", "encoder_average", "generator_average")
    encoder, generator, discriminator, *averages = (game.networks[name] for name in names)
    optimizers = {player.name: player.optimizer for player in game.players}

    def step(batch, number):
        real = batch["image"]
        shape = (real.shape[0], config.latent_dim)
        noise, latents = (tf.random.stateless_normal(shape, [i, number]) for i in (0, 1))

        def judge(images):
            return discriminator({"image": images}, training=True)

        with tf.GradientTape(persistent=True) as tape:
            means, log_variances = encoder({"image": real}, training=True)
            codes = means + tf.exp(0.5 * log_variances) * noise
            again = generator({"latents": codes}, training=True)
            fake = generator({"latents": latents}, training=True)
            _, wanted = judge(real)
            _, made = judge(again)
            distance = 0.5 * tf.reduce_sum(tf.square(made - wanted), axis=1)
            terms = tf.square(means) + tf.exp(log_variances) - 1.0 - log_variances
            kl = 0.5 * tf.reduce_sum(terms, axis=1)
            of_encoder = tf.reduce_mean(config.kl_weight * kl + distance)
            fooled = softplus(-judge(fake)[0]) + softplus(-judge(again)[0])
            reconstruction = config.reconstruction_weight * distance
            of_generator = tf.reduce_mean(fooled[:, 0] + reconstruction)
        _apply(optimizers["encoder"], tape, of_encoder, encoder)
        _apply(optimizers["generator"], tape, of_generator, generator)
        with tape:
            with tf.GradientTape() as inner:
                inner.watch(real)
                real_logits = judge(real)[0]
            slopes = inner.gradient(real_logits, real)
            r1 = 0.5 * tf.reduce_sum(tf.square(slopes), [1, 2, 3])
            told = 2 * softplus(-real_logits) + softplus(judge(fake)[0]) + softplus(judge(again)[0])
            of_discriminator = tf.reduce_mean(told[:, 0] + config.r1_weight * r1)
        _apply(optimizers["discriminator"], tape, of_discriminator, discriminator)
        for average, network in zip(averages, (encoder, generator), strict=True):
            _follow(average, network)

    return step


def cyclegan(game, config):
    """Two ways, cycles and identities, two discriminators, the pools of earlier fakes."""
    names = ("a2b", "b2a", "discriminator_a", "discriminator_b", "pool_a", "pool_b")
    a2b, b2a, judge_a, judge_b, *pools = (game.networks[name] for name in names)
    optimizers = {player.name: player.optimizer for player in game.players}

    def through(network, images):
        return network({"image": images}, training=True)

    def apart(one, other):
        return tf.reduce_mean(tf.abs(one - other))

    def exchange(pool, fakes, number):
        coins = tf.random.stateless_uniform((fakes.shape[0], 2), [2, number])
        given, kept = [], tf.convert_to_tensor(pool.images)
        filled = tf.cast(tf.convert_to_tensor(pool.kept), tf.int32)
        for row in range(fakes.shape[0]):
            new = fakes[row : row + 1]
            drawn = tf.cast(coins[row, 1] * pool.capacity, tf.int32)
            filling, swapping = filled < pool.capacity, coins[row, 0] >= 0.5
            place = tf.where(filling, filled, drawn)
            old = kept[place][None]
            given.append(tf.where(~filling & swapping, old, new))
            stored = tf.where(filling | swapping, new, old)
            kept = tf.tensor_scatter_nd_update(kept, [[place]], stored)
            filled = tf.minimum(filled + 1, pool.capacity)
        pool.images.assign(kept)
        pool.kept.assign(tf.cast(filled, tf.int64))
        return tf.concat(given, axis=0)

    def step(batch, number):
        a, b = batch["a"], batch["b"]
        with tf.GradientTape(persistent=True) as tape:
            fake_a, fake_b = through(b2a, b), through(a2b, a)
            cycle = apart(a, through(b2a, fake_b)) + apart(b, through(a2b, fake_a))
            same = apart(a, through(b2a, a)) + apart(b, through(a2b, b))
            fooled = [
                tf.reduce_mean(tf.square(through(judge, fake) - 1.0)) / 2
                for judge, fake in ((judge_a, fake_a), (judge_b, fake_b))
            ]
            of_generators = (
                tf.add_n(fooled) + config.cycle_weight * cycle + config.identity_weight * same
            )
        gradients = tape.gradient(of_generators, _values(a2b) + _values(b2a))
        optimizers["generator"].apply(gradients, a2b.trainable_variables + b2a.trainable_variables)
        sides = ((judge_a, a, fake_a, pools[0]), (judge_b, b, fake_b, pools[1]))
        for judge, real, fake, pool in sides:
            shown = exchange(pool, fake, number)
            with tf.GradientTape() as own:
                told = tf.square(through(judge, real) - 1.0) + tf.square(through(judge, shown))
                loss = tf.reduce_mean(told) / 2
            optimizers[judge.name].apply(
                own.gradient(loss, _values(judge)), judge.trainable_variables
            )

    return step


def _values(network):
    return [variable.value for variable in network.trainable_variables]


def _apply(optimizer, tape, loss, network) -> None:
    optimizer.apply(tape.gradient(loss, _values(network)), network.trainable_variables)


def _follow(average, network) -> None:
    """A moving average with a fixed share."""
    for mean, now in zip(average.variables, network.variables, strict=True):
        mean.value.assign_add(0.002 * (now.value - mean.value))
