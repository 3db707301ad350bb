"""Hand-written steps of three games for one device, in TensorFlow only.

Each function takes a game and returns a function (batch, step) that updates every player once. It
uses the networks and optimizers of the game, but not its losses.
"""

import tensorflow as tf

softplus = tf.nn.softplus


def gan(game, config):
    """Returns the step of `gan`: non-saturating loss, R1, moving average of the generator."""
    names = ("generator", "discriminator", "generator_average")
    generator, discriminator, average = (game.networks[name] for name in names)
    d_optimizer, g_optimizer = (player.optimizer for player in game.players)

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
            discriminator_loss = tf.reduce_mean(adversarial[:, 0] + config.r1_weight * r1)
        _apply(d_optimizer, tape, discriminator_loss, discriminator)
        with tape:
            fooled = softplus(-discriminator({"image": fake}, training=True))
            generator_loss = tf.reduce_mean(fooled)
        _apply(g_optimizer, tape, generator_loss, generator)
        _update_average(average, generator)

    return step


def vaegan(game, config):
    """Returns the step of `vaegan`: losses of encoder, generator and discriminator; R1."""
    names = ("encoder", "generator", "discriminator", "encoder_average", "generator_average")
    encoder, generator, discriminator, *averages = (game.networks[name] for name in names)
    optimizers = {player.name: player.optimizer for player in game.players}

    def step(batch, number):
        real = batch["image"]
        shape = (real.shape[0], config.latent_dim)
        noise, latents = (tf.random.stateless_normal(shape, [i, number]) for i in (0, 1))

        def discriminate(images):
            return discriminator({"image": images}, training=True)

        with tf.GradientTape(persistent=True) as tape:
            means, log_variances = encoder({"image": real}, training=True)
            codes = means + tf.exp(0.5 * log_variances) * noise
            again = generator({"latents": codes}, training=True)
            fake = generator({"latents": latents}, training=True)
            _, wanted = discriminate(real)
            _, made = discriminate(again)
            distance = 0.5 * tf.reduce_sum(tf.square(made - wanted), axis=1)
            terms = tf.square(means) + tf.exp(log_variances) - 1.0 - log_variances
            kl = 0.5 * tf.reduce_sum(terms, axis=1)
            encoder_loss = tf.reduce_mean(config.kl_weight * kl + distance)
            fooled = softplus(-discriminate(fake)[0]) + softplus(-discriminate(again)[0])
            reconstruction = config.reconstruction_weight * distance
            generator_loss = tf.reduce_mean(fooled[:, 0] + reconstruction)
        _apply(optimizers["encoder"], tape, encoder_loss, encoder)
        _apply(optimizers["generator"], tape, generator_loss, generator)
        with tape:
            with tf.GradientTape() as inner:
                inner.watch(real)
                real_logits = discriminate(real)[0]
            slopes = inner.gradient(real_logits, real)
            r1 = 0.5 * tf.reduce_sum(tf.square(slopes), [1, 2, 3])
            adversarial = 2 * softplus(-real_logits) + softplus(discriminate(fake)[0])
            adversarial += softplus(discriminate(again)[0])
            discriminator_loss = tf.reduce_mean(adversarial[:, 0] + config.r1_weight * r1)
        _apply(optimizers["discriminator"], tape, discriminator_loss, discriminator)
        for average, network in zip(averages, (encoder, generator), strict=True):
            _update_average(average, network)

    return step


def cyclegan(game, config):
    """Returns the step of `cyclegan`: cycle and identity losses, two discriminators, pools."""
    names = ("a2b", "b2a", "discriminator_a", "discriminator_b", "pool_a", "pool_b")
    a2b, b2a, discriminator_a, discriminator_b, *pools = (game.networks[name] for name in names)
    optimizers = {player.name: player.optimizer for player in game.players}

    def through(network, images):
        return network({"image": images}, training=True)

    def distance(one, other):
        return tf.reduce_mean(tf.abs(one - other))

    def exchange(pool, fakes, number):
        coins = tf.random.stateless_uniform((fakes.shape[0], 2), [2, number])
        returned, kept = [], tf.convert_to_tensor(pool.images)
        filled = tf.cast(tf.convert_to_tensor(pool.kept), tf.int32)
        for row in range(fakes.shape[0]):
            new = fakes[row : row + 1]
            drawn = tf.cast(coins[row, 1] * pool.capacity, tf.int32)
            filling, swapping = filled < pool.capacity, coins[row, 0] >= 0.5
            place = tf.where(filling, filled, drawn)
            old = kept[place][None]
            returned.append(tf.where(~filling & swapping, old, new))
            stored = tf.where(filling | swapping, new, old)
            kept = tf.tensor_scatter_nd_update(kept, [[place]], stored)
            filled = tf.minimum(filled + 1, pool.capacity)
        pool.images.assign(kept)
        pool.kept.assign(tf.cast(filled, tf.int64))
        return tf.concat(returned, axis=0)

    def step(batch, number):
        a, b = batch["a"], batch["b"]
        with tf.GradientTape(persistent=True) as tape:
            fake_a, fake_b = through(b2a, b), through(a2b, a)
            cycle = distance(a, through(b2a, fake_b)) + distance(b, through(a2b, fake_a))
            same = distance(a, through(b2a, a)) + distance(b, through(a2b, b))
            fooled = [
                tf.reduce_mean(tf.square(through(network, fake) - 1.0)) / 2
                for network, fake in ((discriminator_a, fake_a), (discriminator_b, fake_b))
            ]
            generators_loss = (
                tf.add_n(fooled) + config.cycle_weight * cycle + config.identity_weight * same
            )
        gradients = tape.gradient(generators_loss, _values(a2b) + _values(b2a))
        optimizers["generator"].apply(gradients, a2b.trainable_variables + b2a.trainable_variables)
        sides = (
            (discriminator_a, a, fake_a, pools[0]),
            (discriminator_b, b, fake_b, pools[1]),
        )
        for network, real, fake, pool in sides:
            shown = exchange(pool, fake, number)
            with tf.GradientTape() as own:
                errors = tf.square(through(network, real) - 1.0)
                errors += tf.square(through(network, shown))
                loss = tf.reduce_mean(errors) / 2
            optimizers[network.name].apply(
                own.gradient(loss, _values(network)), network.trainable_variables
            )

    return step


def _values(network):
    return [variable.value for variable in network.trainable_variables]


def _apply(optimizer, tape, loss, network) -> None:
    optimizer.apply(tape.gradient(loss, _values(network)), network.trainable_variables)


def _update_average(average, network) -> None:
    """Updates a moving average with a fixed weight."""
    for mean, now in zip(average.variables, network.variables, strict=True):
        mean.value.assign_add(0.002 * (now.value - mean.value))
