"""One pass of SD 3.5's diffusion transformer in PyTorch, bf16, as bench/gpu.ts times it here: `torch_step.py large 1024 10` prints JSON.

{"device", "torch", "matrix": floating-point operations per second of an 8192x8192x8192 bf16 product on random data,
 "eager": [seconds per pass], "compiled": [the same with each block compiled; absent where that fails]}
The layers and their order are those of the published architecture; weights are random, inputs too. No text encoder, no VAE.
"""
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

SHAPES = dict(large=(38, 2432, 0), medium=(24, 1536, 13), wide=(24, 768, 13))   # blocks, width, blocks with a second attention
name, side, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
DEPTH, H, DUAL = SHAPES[name]
TOKENS, CONTEXT = (side // 16) ** 2, 154                                       # 77 of CLIP, 77 of T5


def modulate(x, shift, scale): return F.layer_norm(x, (H,)) * (1 + scale) + shift


class Attention(nn.Module):
    def __init__(s, project=True):
        super().__init__()
        s.qkv, s.q_norm, s.k_norm = nn.Linear(H, 3 * H), nn.RMSNorm(H // DEPTH), nn.RMSNorm(H // DEPTH)
        if project: s.proj = nn.Linear(H, H)
    def parts(s, x):
        q, k, v = s.qkv(x).unflatten(-1, (3, DEPTH, H // DEPTH)).permute(2, 0, 3, 1, 4)
        return s.q_norm(q), s.k_norm(k), v


def attend(q, k, v): return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class Half(nn.Module):
    """a block's part for one of the two streams"""
    def __init__(s, modulations):
        super().__init__()
        s.n, s.ada, s.attn = modulations, nn.Linear(H, modulations * H), Attention(modulations > 2)
        if modulations > 2: s.fc1, s.fc2 = nn.Linear(H, 4 * H), nn.Linear(4 * H, H)
        if modulations > 6: s.attn2 = Attention()
    def after(s, x, a, m):
        x = x + m[2] * s.attn.proj(a)
        if s.n > 6: x = x + m[8] * s.attn2.proj(attend(*s.attn2.parts(modulate(x, m[6], m[7]))))
        return x + m[5] * s.fc2(F.gelu(s.fc1(modulate(x, m[3], m[4])), approximate='tanh'))


class Block(nn.Module):
    def __init__(s, i):
        super().__init__()
        s.x, s.c, s.last = Half(9 if i < DUAL else 6), Half(2 if i == DEPTH - 1 else 6), i == DEPTH - 1
    def forward(s, x, c, y):
        mx, mc = (h.ada(F.silu(y))[:, None].chunk(h.n, -1) for h in (s.x, s.c))
        px, pc = s.x.attn.parts(modulate(x, mx[0], mx[1])), s.c.attn.parts(modulate(c, mc[0], mc[1]))
        a = attend(*(torch.cat(p, 2) for p in zip(pc, px)))
        return s.x.after(x, a[:, CONTEXT:], mx), c if s.last else s.c.after(c, a[:, :CONTEXT], mc)


class Mmdit(nn.Module):
    def __init__(s):
        super().__init__()
        s.patch, s.context = nn.Linear(64, H), nn.Linear(4096, H)
        s.position = nn.Parameter(torch.randn(1, TOKENS, H))
        s.time = nn.Sequential(nn.Linear(256, H), nn.SiLU(), nn.Linear(H, H))
        s.pooled = nn.Sequential(nn.Linear(2048, H), nn.SiLU(), nn.Linear(H, H))
        s.blocks = nn.ModuleList(Block(i) for i in range(DEPTH))
        s.ada, s.out = nn.Linear(H, 2 * H), nn.Linear(H, 64)
    def forward(s, latent, context, time, pooled):
        y = s.time(time) + s.pooled(pooled)
        x, c = s.patch(latent) + s.position, s.context(context)
        for block in s.blocks: x, c = block(x, c, y)
        shift, scale = s.ada(F.silu(y))[:, None].chunk(2, -1)
        return s.out(modulate(x, shift, scale))


def seconds(run, n):
    """of each of n runs, after two that warm up"""
    for _ in range(2): run()
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(n + 1)]
    for mark in marks[:-1]:
        mark.record()
        run()
    marks[-1].record()
    torch.cuda.synchronize()
    return [a.elapsed_time(b) / 1000 for a, b in zip(marks, marks[1:])]


torch.manual_seed(0)
torch.set_default_device('cuda')
torch.set_default_dtype(torch.bfloat16)
with torch.no_grad():
    a, b = torch.randn(8192, 8192), torch.randn(8192, 8192)
    result = dict(device=torch.cuda.get_device_name(), torch=torch.__version__, matrix=2 * 8192 ** 3 / sorted(seconds(lambda: a @ b, 10))[5])
    model = Mmdit()
    given = torch.randn(1, TOKENS, 64), torch.randn(1, CONTEXT, 4096), torch.randn(1, 256), torch.randn(1, 2048)
    result['eager'] = seconds(lambda: model(*given), count)
    try:
        for block in model.blocks: block.compile()
        result['compiled'] = seconds(lambda: model(*given), count)
    except Exception as error: print(error, file=sys.stderr)
print(json.dumps(result))
