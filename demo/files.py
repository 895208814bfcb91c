"""Where checkpoints, exported files and pictures go: DEMO_WORK, else the folder `work` beside this file."""
import os
from pathlib import Path

WORK = Path(os.environ.get('DEMO_WORK', Path(__file__).resolve().parent / 'work'))
WORK.mkdir(parents=True, exist_ok=True)


def save(thing, name):
    """torch.save that never leaves half a file"""
    import torch
    torch.save(thing, WORK / f'{name}.tmp')
    os.replace(WORK / f'{name}.tmp', WORK / name)


def save_grid(pictures, columns, path):
    """(n,3,H,W) in [0,1], n a multiple of columns -> one PNG"""
    from PIL import Image
    n, _, h, w = pictures.shape
    grid = pictures.reshape(n // columns, columns, 3, h, w).permute(0, 3, 1, 4, 2).reshape(n // columns * h, columns * w, 3)
    Image.fromarray((grid.clamp(0, 1).cpu().numpy() * 255 + .5).astype('uint8')).save(path)
