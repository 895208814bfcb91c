"""Trains the MMDiT in the latent space of work/tae.pt -> work/dit.pt (weights, EMA), work/samples.png

Rectified flow: x_t = (1-s) x0 + s*noise, target v = noise - x0, model input t = 1000*s (what the engine's
DiscreteFlowDenoiser expects: denoised = x_t - s*v).

The network is so small that a GPU waits for its launches: there a whole step, from the choice of pictures to the optimizers, is one CUDA graph.
"""
import argparse
import os
import time
import traceback

import torch

from dit import DiT, sample
from muon import Muon
from tae import Dec, Enc, load_dec
from toy import K, NC, NS, OFF_BG, OFF_FG, OFF_SH, PAL, code, render, sample_attrs
from files import WORK, save, save_grid

args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
length = args.add_mutually_exclusive_group(required=True)
length.add_argument('--steps', type=int, help='length of the run; the schedule then repeats exactly')
length.add_argument('--minutes', type=float, help='length of the run by the clock')
args.add_argument('--device', choices=['cuda', 'cpu'], default='cuda' if torch.cuda.is_available() else 'cpu')
args.add_argument('--batch', type=int, default=32)
args.add_argument('--pool', type=int, default=8192, help='encoded pictures kept; old ones are replaced all the time')
args.add_argument('--fresh', type=int, default=32, help='new ones every 8 steps')
args.add_argument('--ema', type=float, default=.998)
args.add_argument('--compile', action='store_true', help='use torch.compile')
args.add_argument('--resume', action='store_true', help='go on with work/dit.pt')
args = args.parse_args()

device, B = torch.device(args.device), args.batch
cuda = device.type == 'cuda'
torch.manual_seed(7)
g = torch.Generator().manual_seed(31)
torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', 2)))
torch.set_float32_matmul_precision('high')      # TF32 on a GPU; changes nothing on a CPU
pal = PAL.to(device)
s = torch.load(WORK / 'tae.pt', map_location=device)
E, D = Enc().to(device).eval(), Dec().to(device).eval()
E.load_state_dict(s['E'])
load_dec(D, s['D'])
pool_z, pool_y = torch.zeros(args.pool, 16, 16, 16, device=device), torch.zeros(args.pool, K, device=device)
head = 0


def attrs(n, generator): return {k: v.to(device) for k, v in sample_attrs(n, generator).items()}


def draw(a): return render(a['sh'], pal[a['fg']], pal[a['bg']], a['cx'], a['cy'], a['r'])


@torch.no_grad()
def more(n):
    global head
    a = attrs(n, g)
    i = (head + torch.arange(n, device=device)) % args.pool
    pool_z[i], pool_y[i] = E(draw(a).contiguous(memory_format=torch.channels_last)).contiguous(), code(a)
    head = (head + n) % args.pool


m = DiT().to(device)
mats = [p for b in m.blocks for n, p in b.named_parameters() if p.ndim == 2 and n != 'ada.weight']
ids = {id(p) for p in mats}
LM, LA = 2.5e-3, 1.5e-3
lm, la, keep = (torch.zeros((), device=device) for _ in range(3))      # learning rates, and what the EMA keeps: set before each step
o1 = Muon(mats, lm, .02)
o2 = torch.optim.AdamW([p for p in m.parameters() if id(p) not in ids], lr=la, betas=(.9, .98), weight_decay=0., capturable=cuda, fused=cuda)
step = 0
ema = {k: v.detach().clone() for k, v in m.state_dict().items()}
if args.resume:
    s = torch.load(WORK / 'dit.pt', map_location=device)
    m.load_state_dict(s['w'])
    for k, v in s['ema'].items(): ema[k].copy_(v)
    step = s['step']
pairs = [(ema[k], p) for k, p in m.state_dict().items()]
recent = torch.zeros(3, device=device)          # sums of losses since they were last printed


def drop(y):
    """hides attributes, so that a prompt may leave them out; a little noise, as the text encoder is not exact"""
    n = len(y)
    u = torch.rand(n, 1, device=device)
    hide = (u > .70) & (torch.rand(n, 3, device=device) < .4)
    shown = torch.ones_like(y)
    for j, (offset, count) in enumerate(((OFF_BG, NC), (OFF_FG, NC), (OFF_SH, NS))): shown[:, offset:offset + count] = (~hide[:, j:j + 1]).float()
    return y * shown * (u >= .08) + .03 * torch.randn_like(y)


kind = torch.arange(B, device=device) % 4


def noise_levels():
    """half near pure noise (there the net must know the picture from the words alone), 1/4 shift 3, 1/4 uniform; each kind spread evenly"""
    u = (torch.arange(B, device=device) // 4 + torch.rand(B, device=device)) / ((B + 3) // 4)
    shift = torch.where(kind == 2, 3., 1.)
    return torch.where(kind < 2, .82 + .18 * u, shift * u / (1 + (shift - 1) * u))


def one_step(model):
    i = torch.randint(args.pool, (B,), device=device)
    x0, y, sg = pool_z[i], drop(pool_y[i]), noise_levels()
    e, sb = torch.randn_like(x0), sg[:, None, None, None]
    v = model((1 - sb) * x0 + sb * e, sg, y)
    loss = (v - (e - x0)).square().mean((1, 2, 3))
    o1.zero_grad(set_to_none=True)
    o2.zero_grad(set_to_none=True)
    loss.mean().backward()
    torch.nn.utils.clip_grad_norm_(m.parameters(), 1.)
    o1.step()
    o2.step()
    with torch.no_grad():
        for a, p in pairs: a.lerp_(p, 1 - keep)
        high, loss = (sg > .75).float(), loss.detach()
        recent.add_(torch.stack((loss.mean(), (loss * high).sum() / high.sum(), (loss * (1 - high)).sum() / (1 - high).sum())))


def set_rates(done, since):
    """constant, then linear decay over the last 60 %"""
    scale = min(1, (since + 1) / (40 if args.resume else 100)) * (1. if done < .4 else max(.02, (1 - done) / .6))
    lm.fill_(LM * scale)
    la.fill_(LA * scale)
    keep.fill_(min(args.ema, (step + 1) / (step + 20)))
    return scale


def works(compiled):
    """the compiled model, or the plain one where compiling fails"""
    try: one_step(compiled)
    except Exception:
        traceback.print_exc()
        return m
    return compiled


def captured(model):
    """a step as a CUDA graph, after some that warm up; None where that fails"""
    try:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(4): one_step(model)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph): one_step(model)
        return graph.replay
    except Exception: traceback.print_exc()


@torch.no_grad()
def preview(n=24, steps=12):
    last = {k: v.clone() for k, v in m.state_dict().items()}
    m.load_state_dict(ema)
    generator = torch.Generator().manual_seed(99)
    a = attrs(n, generator)
    x = sample(m, code(a), torch.randn(n, 16, 16, 16, generator=generator).to(device), steps)
    m.load_state_dict(last)
    im, ref = D(x), draw(a)
    save_grid(torch.cat([torch.cat([im[i:i + 8], ref[i:i + 8]]) for i in range(0, n, 8)]), 8, WORK / 'samples.png')


def keep_all(): save(dict(w=m.state_dict(), ema=ema, step=step), 'dit.pt')


for _ in range(0, args.pool, 256): more(256)
set_rates(0, 0)
model = works(torch.compile(m)) if args.compile else m
run = captured(model) if cuda else None
first, start, report = step, time.time(), 500 if cuda else 50
last_save = last_preview = start
recent.zero_()
while True:
    elapsed = time.time() - start
    done = (step - first) / args.steps if args.steps else elapsed / (60 * args.minutes)
    if done >= 1: break
    scale = set_rates(done, step - first)
    if step % 8 == 0: more(args.fresh)
    if run: run()
    else: one_step(model)
    step += 1
    if step % report == 0:
        q = (recent / report).tolist()
        recent.zero_()
        print(f'{elapsed:6.0f}s step {step} loss {q[0]:.4f} high-noise {q[1]:.4f} low-noise {q[2]:.4f} lr x{scale:.2f}', flush=True)
    if time.time() - last_save > 60:
        keep_all()
        last_save = time.time()
    if time.time() - last_preview > 300:
        preview()
        last_preview = time.time()
keep_all()
preview()
print('done', step)
