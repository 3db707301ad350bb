"""The order of the images in training: a permutation for each seed, epoch and data set.

The permutation is a generalised Feistel network with cycle walking, so the place of a row is
computed without a table of all rows.

Source: Black and Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002, section 5. The hash
is SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA
2014).
"""

import math

import numpy as np

ROUNDS = 16
GAMMA = 0x9E3779B97F4A7C15  # the constants of SplitMix64
MULTIPLIERS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
WORD = 1 << 64


def rows_of_batch(seed: int, batch: int, batch_size: int, count: int, place: int = 0) -> np.ndarray:
    """Returns the rows of the data in a batch: shape (batch_size,), int64.

    Each epoch is a permutation of the data: every image occurs exactly once, also if the epoch ends
    inside a batch.

    Args:
      seed: seed of the permutations.
      batch: number of the batch, from 0.
      batch_size: rows in the batch.
      count: images in the data set.
      place: number of the data set among several; each has permutations of its own.
    """
    position = batch * batch_size + np.arange(batch_size)
    return permuted(position % count, count, seed, position // count, place)


def permuted(
    index: np.ndarray, count: int, seed: int, epoch: np.ndarray | int, place: int = 0
) -> np.ndarray:
    """Returns the permutation's value at each index: int64, in [0, count).

    All 64 bits of the seed and of the epoch count.

    Args:
      index: int64, in [0, count).
      count: number of elements that are permuted, at least 1.
      seed: seed of all permutations.
      epoch: selects a permutation of the seed; int64, of the shape of `index` or a single number.
      place: selects other permutations of the seed.
    """
    left = math.isqrt(count - 1) + 1  # count <= left * right < count + left
    right = -(-count // left)
    key = np.uint64(_mixed_number(_mixed_number(seed) + place))
    keys = _mixed(_mixed(np.broadcast_to(epoch, np.shape(index)).astype(np.uint64)) + key)
    result = _encrypted(index, keys, left, right)
    while (beyond := result >= count).any():
        result[beyond] = _encrypted(result[beyond], keys[beyond], left, right)
    return result


def _encrypted(index: np.ndarray, keys: np.ndarray, left: int, right: int) -> np.ndarray:
    """Permutes [0, left * right): a Feistel network that adds to either half in turn."""
    high, low = np.divmod(np.asarray(index, np.uint64), np.uint64(left))
    for number in range(ROUNDS):
        round_keys = keys + np.uint64((number + 1) * GAMMA % WORD)
        if number % 2 == 0:
            low = (low + _mixed(round_keys ^ _mixed(high)) % np.uint64(left)) % np.uint64(left)
        else:
            high = (high + _mixed(round_keys ^ _mixed(low)) % np.uint64(right)) % np.uint64(right)
    return (high * np.uint64(left) + low).astype(np.int64)


def _mixed(words: np.ndarray) -> np.ndarray:
    """Returns the output of SplitMix64 for each state: a bijection of 64 bits."""
    words = words + np.uint64(GAMMA)
    for shift, multiplier in MULTIPLIERS:
        words = (words ^ (words >> np.uint64(shift))) * np.uint64(multiplier)
    return words ^ (words >> np.uint64(31))


def _mixed_number(word: int) -> int:
    """Returns what `_mixed` does for one whole number, modulo 2^64."""
    return int(_mixed(np.array([word % WORD], np.uint64))[0])
