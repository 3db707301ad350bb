"""A DCGAN in PyTorch, eager: the layers, batch and optimizer of `gan` without a penalty.

Reads a number of steps per line and writes the seconds that they take. Its argument is the shape.
"""

import json
import sys
import time

import torch
from torch import nn

BATCH, LATENT, CHANNELS = 64, 64, 32


def stage_sides(height: int) -> list[int]:
    """Returns the side of the image at each stage, largest first."""
    sides = [height]
    while sides[-1] > 4 or len(sides) < 3:
        sides.append((sides[-1] + 1) // 2)
    return sides


def networks(height: int, colours: int) -> tuple[nn.Module, nn.Module]:
    """Returns generator and discriminator."""
    sides = stage_sides(height)
    widest = min(8 * height, 512)
    widths = [min(CHANNELS * 2**stage, widest) for stage in range(len(sides))]
    generator_body: list[nn.Module] = [
        nn.Linear(LATENT, widths[-1] * sides[-1] ** 2, bias=False),
        nn.Unflatten(1, (widths[-1], sides[-1], sides[-1])),
        nn.BatchNorm2d(widths[-1]),
        nn.ReLU(),
    ]
    discriminator_body: list[nn.Module] = [
        nn.Conv2d(colours, CHANNELS, 3, padding=1),
        nn.LeakyReLU(0.2),
    ]
    for stage in range(1, len(sides)):
        discriminator_body += [
            nn.Conv2d(widths[stage - 1], widths[stage], 4, 2, 1),
            nn.LeakyReLU(0.2),
        ]
    for stage in reversed(range(len(sides) - 1)):
        generator_body += [
            nn.ConvTranspose2d(widths[stage + 1], widths[stage], 4, 2, 1, bias=False),
            nn.BatchNorm2d(widths[stage]),
            nn.ReLU(),
        ]
    generator_body += [nn.Conv2d(widths[0], colours, 3, padding=1), nn.Tanh()]
    discriminator_body += [nn.Flatten(), nn.Linear(widths[-1] * sides[-1] ** 2, 1)]
    return nn.Sequential(*generator_body), nn.Sequential(*discriminator_body)


def main() -> None:
    """Reads lines of steps and writes seconds."""
    height, _, colours = json.loads(sys.argv[1])
    generator, discriminator = networks(height, colours)
    average, _ = networks(height, colours)
    optimizers = [
        torch.optim.Adam(network.parameters(), 1e-3, (0.0, 0.99))
        for network in (discriminator, generator)
    ]
    softplus = nn.functional.softplus
    images = torch.rand(1000, colours, height, height) * 2 - 1
    for line in sys.stdin:
        started = time.perf_counter()
        for _ in range(int(line)):
            real = images[torch.randint(0, 1000, (BATCH,))]
            fake = generator(torch.randn(BATCH, LATENT))
            loss = (softplus(-discriminator(real)) + softplus(discriminator(fake.detach()))).mean()
            optimizers[0].zero_grad(set_to_none=True)
            loss.backward()
            optimizers[0].step()
            loss = softplus(-discriminator(fake)).mean()
            optimizers[1].zero_grad(set_to_none=True)
            loss.backward()
            optimizers[1].step()
            with torch.no_grad():
                for mean, now in zip(average.parameters(), generator.parameters(), strict=True):
                    mean.lerp_(now, 0.002)
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
