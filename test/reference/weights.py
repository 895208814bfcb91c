"""Weights that depend on their tensor's name alone, and come out equal here and in weights.ts."""
import numpy as np

LEVELS = 4096


def seed_of(name):
    """FNV-1a over UTF-8."""
    value = 0x811C9DC5
    for byte in name.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return np.uint32(value)


def expand(name, shape, mean, std):
    """The tensor, float32: of 4096 values that are evenly spaced, a hash of the position chooses one."""
    table = (mean + std * np.sqrt(3) * ((np.arange(LEVELS) + 0.5) / (LEVELS / 2) - 1)).astype(np.float16).astype(np.float32)
    value = np.arange(int(np.prod(shape)), dtype=np.uint32)
    value *= np.uint32(0x9E3779B1)
    value ^= seed_of(name)
    value ^= value >> np.uint32(16)
    value *= np.uint32(0x7FEB352D)
    value ^= value >> np.uint32(15)
    value *= np.uint32(0x846CA68B)
    value ^= value >> np.uint32(16)
    return table[value & np.uint32(LEVELS - 1)].reshape(shape)
