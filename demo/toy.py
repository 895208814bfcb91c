"""The toy domain: one flat-colored shape on a flat-colored background.

Everything the demo model knows is drawn by this file (signed distance fields, anti-aliased);
no downloaded picture is involved.  The condition code (36 numbers) is what the text
encoder is trained to output as its pooled vector and what the MMDiT gets as `y`.
"""
import math
import os
import numpy as np
import torch

COLORS = {  # name: sRGB
    'red': (220, 30, 35), 'orange': (255, 140, 0), 'yellow': (250, 220, 30), 'green': (30, 150, 60),
    'teal': (30, 190, 190), 'blue': (35, 70, 220), 'purple': (130, 40, 170), 'pink': (255, 150, 200),
    'white': (250, 250, 250), 'black': (15, 15, 18), 'gray': (130, 130, 135),
}
CNAMES = list(COLORS)
PAL = torch.tensor([COLORS[c] for c in CNAMES], dtype=torch.float32) / 255
SHAPES = ['circle', 'square', 'triangle', 'star', 'ring', 'cross', 'heart', 'diamond']
NC, NS = len(CNAMES), len(SHAPES)
# condition code layout
OFF_BG, OFF_FG, OFF_SH, OFF_SIZE, OFF_X, OFF_Y = 0, NC, 2 * NC, 2 * NC + NS, 2 * NC + NS + 2, 2 * NC + NS + 4
K = 2 * NC + NS + 6            # size: small,big   x: left,right   y: top,bottom


def _poly(pts):
    pts = torch.tensor(pts, dtype=torch.float32)
    def sdf(x, y):
        # signed distance to a polygon (Inigo Quilez)
        n = len(pts)
        d = (x - pts[0, 0]) ** 2 + (y - pts[0, 1]) ** 2
        s = torch.ones_like(x)
        j = n - 1
        for i in range(n):
            ex, ey = (pts[j] - pts[i]).tolist()
            wx, wy = x - pts[i, 0], y - pts[i, 1]
            t = ((wx * ex + wy * ey) / (ex * ex + ey * ey)).clamp(0, 1)
            d = torch.minimum(d, (wx - ex * t) ** 2 + (wy - ey * t) ** 2)
            c1, c2, c3 = y >= pts[i, 1], y < pts[j, 1], ex * wy > ey * wx
            flip = (c1 & c2 & c3) | (~c1 & ~c2 & ~c3)
            s = torch.where(flip, -s, s)
            j = i
        return s * d.sqrt()
    return sdf


def _heart(x, y):
    # unit heart, y up; scaled so that it fills about [-1,1]
    k = 0.58
    px, py = (x * k).abs(), (-y * k) + 0.56
    a = ((px - .25) ** 2 + (py - .75) ** 2).sqrt() - math.sqrt(2) / 4
    m = 0.5 * (px + py).clamp(min=0)
    b = torch.minimum(px ** 2 + (py - 1) ** 2, (px - m) ** 2 + (py - m) ** 2).sqrt() * torch.sign(px - py)
    return torch.where(px + py > 1, a, b) / k


def _star_pts():
    p = []
    for i in range(10):
        r = 1.08 if i % 2 == 0 else 0.47
        a = -math.pi / 2 + i * math.pi / 5
        p.append((r * math.cos(a), r * math.sin(a) + .06))
    return p


_c = 0.34
SDF = {  # unit shapes, roughly in [-1,1]^2, y down
    'circle': lambda x, y: (x * x + y * y).sqrt() - .97,
    'square': lambda x, y: torch.maximum(x.abs(), y.abs()) - .86,
    'triangle': _poly([(0, -1.0), (1.04, .84), (-1.04, .84)]),
    'star': _poly(_star_pts()),
    'ring': lambda x, y: ((x * x + y * y).sqrt() - .74).abs() - .25,
    'cross': _poly([(-_c, -1), (_c, -1), (_c, -_c), (1, -_c), (1, _c), (_c, _c), (_c, 1), (-_c, 1), (-_c, _c), (-1, _c), (-1, -_c), (-_c, -_c)]),
    'heart': _heart,
    'diamond': lambda x, y: (x.abs() * 1.35 + y.abs() - 1.08) / math.hypot(1.35, 1),
}


def coverage(shape, cx, cy, r, W, H=None):
    """alpha masks (n,H,W); cx, cy, r are tensors in units of the picture side."""
    H = H or W
    ys = (torch.arange(H, device=cx.device) + .5)[None, :, None]
    xs = (torch.arange(W, device=cx.device) + .5)[None, None, :]
    cx, cy, r = (t[:, None, None] for t in (cx * W, cy * H, r * min(W, H)))
    d = SDF[shape]((xs - cx) / r + 0 * ys, (ys - cy) / r + 0 * xs) * r
    return (.5 - d).clamp(0, 1)


def render(sh, fg, bg, cx, cy, r, W=128):
    """sh: (n,) shape ids; fg,bg: (n,3) colors -> (n,3,W,W) in [0,1]"""
    n = len(sh)
    a = torch.zeros(n, W, W, device=cx.device)
    for s in range(NS):
        i = (sh == s).nonzero()[:, 0]
        if len(i):
            a[i] = coverage(SHAPES[s], cx[i], cy[i], r[i], W)
    a = a[:, None]
    return fg[:, :, None, None] * a + bg[:, :, None, None] * (1 - a)


PSIZE, PPOS = float(os.environ.get('PSIZE', '.5')), float(os.environ.get('PPOS', '.4'))   # how often a size / a place is said
PSMALL = float(os.environ.get('PSMALL', '.5'))   # how often the size that is said is "small"
JIT = float(os.environ.get('JIT', '.25'))   # spread of size and place that no word describes


def sample_attrs(n, g):
    """random attributes; size/x/y: 0 = not said, 1/2 = the two words"""
    ri = lambda hi: torch.randint(hi, (n,), generator=g)
    u = lambda: torch.rand(n, generator=g)
    sh, bg, fg = ri(NS), ri(NC), ri(NC - 1)
    fg = fg + (fg >= bg).long()
    size = torch.where(u() > PSIZE, torch.zeros(n).long(), torch.where(u() < PSMALL, 1, 2))
    haspos = u() < PPOS
    kind = ri(3)                                  # 0: x only, 1: y only, 2: corner
    x = torch.where(haspos & (kind != 1), 1 + ri(2), torch.zeros(n).long())
    y = torch.where(haspos & (kind != 0), 1 + ri(2), torch.zeros(n).long())
    w = lambda: .5 + JIT * (u() - .5)             # JIT = 1: the full spread, 0: always the middle of the range
    r = torch.where(size == 0, .24 + .06 * w(), torch.where(size == 1, .135 + .03 * w(), .37 + .04 * w()))
    def middle(p):
        free = .5 - r * 1.05 - .02                # how far the center may move
        j = (w() * 2 - 1) * torch.minimum(free, torch.full_like(free, .05))
        side = free * (.8 + .2 * w())
        return .5 + torch.where(p == 0, j, torch.where(p == 1, -side, side))
    return dict(sh=sh, bg=bg, fg=fg, size=size, x=x, y=y, r=r, cx=middle(x), cy=middle(y))


def code(a):
    n, device = len(a['sh']), a['sh'].device
    c = torch.zeros(n, K, device=device)
    ar = torch.arange(n, device=device)
    c[ar, OFF_BG + a['bg']] = 1
    c[ar, OFF_FG + a['fg']] = 1
    c[ar, OFF_SH + a['sh']] = 1
    for k, o in (('size', OFF_SIZE), ('x', OFF_X), ('y', OFF_Y)):
        i = a[k] > 0
        c[ar[i], o + a[k][i] - 1] = 1
    return c
