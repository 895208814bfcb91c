"""The active part of the MMDiT, exactly as the engine computes it.

Simplifications that are exact, not approximations:
* the condition enters only through y (adaLN); context_embedder and all context blocks are zero, so the
  154 context tokens have k = v = 0: every one adds exp(0) = 1 to the softmax denominator and nothing else.
* only NB of the 24 joint blocks have non-zero adaLN (the others are the identity),
  only HEADS of the 24 heads have non-zero weights, only FF of the 4*H MLP units.
"""
import math
import torch, torch.nn as nn, torch.nn.functional as F
from toy import K

H, HD, HEADS, FF, NB, CTX = 192, 8, 8, 384, 6, 154.
A = HEADS * HD


def temb(t):      # t = 1000 * sigma;  cos first, then sin
    f = torch.exp(-math.log(10000) * torch.arange(128, device=t.device) / 128)
    a = t[:, None] * f
    return torch.cat([a.cos(), a.sin()], 1)


def rms(x, w): return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-6) * w


class Block(nn.Module):
    def __init__(s):
        super().__init__()
        s.qkv, s.proj = nn.Linear(H, 3 * A), nn.Linear(A, H)
        s.lq, s.lk = nn.Parameter(torch.full((HD,), 1.5)), nn.Parameter(torch.full((HD,), 1.5))
        s.ada = nn.Linear(H, 6 * H)
        s.fc1, s.fc2 = nn.Linear(H, FF), nn.Linear(FF, H)
        for l in (s.qkv, s.proj, s.fc1, s.fc2): nn.init.xavier_uniform_(l.weight); nn.init.zeros_(l.bias)
        nn.init.zeros_(s.ada.weight); nn.init.zeros_(s.ada.bias)
    def forward(s, x, c, kmask):
        B, T, _ = x.shape
        sa, ca, ga, sm, cm, gm = s.ada(c)[:, None].chunk(6, -1)
        h = F.layer_norm(x, (H,), eps=1e-6) * (1 + ca) + sa
        q, k, v = s.qkv(h).view(B, T, 3, HEADS, HD).permute(2, 0, 3, 1, 4)
        q, k = rms(q, s.lq), rms(k, s.lk)
        k, v = F.pad(k, (0, 0, 1, 0)), F.pad(v, (0, 0, 1, 0))
        o = F.scaled_dot_product_attention(q, k, v, attn_mask=kmask)
        x = x + ga * s.proj(o.transpose(1, 2).reshape(B, T, A))
        h = F.layer_norm(x, (H,), eps=1e-6) * (1 + cm) + sm
        return x + gm * s.fc2(F.gelu(s.fc1(h), approximate='tanh'))


class DiT(nn.Module):
    def __init__(s, side=8):
        super().__init__()
        s.side = side
        s.xe = nn.Conv2d(16, H, 2, 2)
        s.pos = nn.Parameter(torch.randn(side * side, H) * .3)     # center side x side of the 192x192 table
        s.t0, s.t2 = nn.Linear(256, H), nn.Linear(H, H)
        s.y0, s.y2 = nn.Linear(K, H), nn.Linear(H, H)
        s.blocks = nn.ModuleList(Block() for _ in range(NB))
        s.fa, s.fl = nn.Linear(H, 2 * H), nn.Linear(H, 64)
        for l in (s.fa, s.fl): nn.init.zeros_(l.weight); nn.init.zeros_(l.bias)
    def forward(s, x, sigma, y):
        B, _, h, w = x.shape
        c = F.silu(s.t2(F.silu(s.t0(temb(1000 * sigma)))) + s.y2(F.silu(s.y0(y))))
        x = s.xe(x).flatten(2).transpose(1, 2) + s.pos
        T = x.shape[1]
        km = torch.zeros(1, 1, 1, T + 1, device=x.device); km[..., 0] = math.log(CTX)
        km = km.expand(B, HEADS, T, T + 1)
        for b in s.blocks: x = b(x, c, km)
        sh, sc = s.fa(c)[:, None].chunk(2, -1)
        x = s.fl(F.layer_norm(x, (H,), eps=1e-6) * (1 + sc) + sh)
        # 64 = (p, q, channel)
        return x.view(B, h // 2, w // 2, 2, 2, 16).permute(0, 5, 1, 3, 2, 4).reshape(B, 16, h, w)


@torch.no_grad()
def sample(model, y, x, steps):
    """Euler from the noise x, as the engine's sampler: discrete schedule, shift 3, cfg 1"""
    times = [(999 - 999 / (steps - 1) * i + 1) / 1000 for i in range(steps)]
    sig = [3 * t / (1 + 2 * t) for t in times] + [0.]
    for i in range(steps): x = x + (sig[i + 1] - sig[i]) * model(x, torch.full((len(x),), sig[i], device=x.device), y)
    return x
