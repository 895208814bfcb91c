"""Trains the MMDiT in the latent space of work/tae.pt -> work/dit.pt (weights, EMA), work/samples.png

Rectified flow: x_t = (1-s) x0 + s*noise, target v = noise - x0, model input t = 1000*s (what the engine's
DiscreteFlowDenoiser expects: denoised = x_t - s*v).
"""
import argparse
import os
import time

import torch

from dit import DiT
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
args.add_argument('--compile', action='store_true', help='use torch.compile')
args.add_argument('--resume', action='store_true', help='go on with work/dit.pt')
args = args.parse_args()

device, B = torch.device(args.device), args.batch
torch.manual_seed(7)
g = torch.Generator().manual_seed(31)
torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', 2)))
torch.set_float32_matmul_precision('high')      # TF32 on a GPU; changes nothing on a CPU
pal = PAL.to(device)
s = torch.load(WORK / 'tae.pt', map_location=device)
E, D = Enc().to(device).eval(), Dec().to(device).eval()
E.load_state_dict(s['E'])
load_dec(D, s['D'])
CAP = 24000                                     # encoded pictures kept; old ones are replaced all the time
pool_z, pool_y = torch.zeros(CAP, 16, 16, 16, device=device), torch.zeros(CAP, K, device=device)
fill = head = 0


def attrs(n, generator): return {k: v.to(device) for k, v in sample_attrs(n, generator).items()}


def draw(a): return render(a['sh'], pal[a['fg']], pal[a['bg']], a['cx'], a['cy'], a['r'])


@torch.no_grad()
def more(n):
    global fill, head
    a = attrs(n, g)
    z = E(draw(a).contiguous(memory_format=torch.channels_last)).contiguous()
    i = (head + torch.arange(n, device=device)) % CAP
    pool_z[i], pool_y[i] = z, code(a)
    head, fill = (head + n) % CAP, min(CAP, fill + n)


m = DiT().to(device)
model = torch.compile(m) if args.compile else m
mats = [p for b in m.blocks for n, p in b.named_parameters() if p.ndim == 2 and n != 'ada.weight']
ids = {id(p) for p in mats}
LM, LA = 2.5e-3, 1.5e-3
o1 = Muon(mats, LM, .02)
o2 = torch.optim.AdamW([p for p in m.parameters() if id(p) not in ids], lr=LA, betas=(.9, .98), weight_decay=0.)
step = 0
if args.resume:
    s = torch.load(WORK / 'dit.pt', map_location=device)
    m.load_state_dict(s['w'])
    ema, step = s['ema'], s['step']
else: ema = {k: v.detach().clone() for k, v in m.state_dict().items()}


def drop(y):
    """hides attributes, so that a prompt may leave them out; a little noise, as the text encoder is not exact"""
    n, y = len(y), y.clone()
    u = torch.rand(n, device=device)
    y[u < .08] = 0
    hide = (u > .70)[:, None] & (torch.rand(n, 3, device=device) < .4)
    for j, (offset, count) in enumerate(((OFF_BG, NC), (OFF_FG, NC), (OFF_SH, NS))):
        y[:, offset:offset + count] *= ~hide[:, j:j + 1]
    return y + .03 * torch.randn_like(y)


def noise_levels():
    """half near pure noise (there the net must know the picture from the words alone), 1/4 shift 3, 1/4 uniform"""
    u = (torch.arange(B, device=device) + torch.rand(B, device=device)) / B
    kind = torch.randperm(B, device=device) % 4
    shift = torch.where(kind == 2, 3., 1.)
    return torch.where(kind < 2, .82 + .18 * u, shift * u / (1 + (shift - 1) * u))


@torch.no_grad()
def preview(n=24, steps=12):
    keep = {k: v.clone() for k, v in m.state_dict().items()}
    m.load_state_dict(ema)
    generator = torch.Generator().manual_seed(99)
    a = attrs(n, generator)
    y = code(a)
    x = torch.randn(n, 16, 16, 16, generator=generator).to(device)
    times = [(999 - 999 / (steps - 1) * i + 1) / 1000 for i in range(steps)]
    sig = [3 * t / (1 + 2 * t) for t in times] + [0.]
    for i in range(steps):
        x = x + (sig[i + 1] - sig[i]) * m(x, torch.full((n,), sig[i], device=device), y)
    m.load_state_dict(keep)
    im, ref = D(x), draw(a)
    save_grid(torch.cat([torch.cat([im[i:i + 8], ref[i:i + 8]]) for i in range(0, n, 8)]), 8, WORK / 'samples.png')


def keep_all(): save(dict(w=m.state_dict(), ema=ema, step=step), 'dit.pt')


for _ in range(30): more(128)
first, start, recent = step, time.time(), []
last_save = last_preview = start
while True:
    elapsed = time.time() - start
    done = (step - first) / args.steps if args.steps else elapsed / (60 * args.minutes)
    if done >= 1: break
    # constant, then linear decay over the last 60 %
    scale = min(1, (step - first + 1) / (40 if args.resume else 100)) * (1. if done < .4 else max(.02, (1 - done) / .6))
    for o, lr in ((o1, LM), (o2, LA)):
        for q in o.param_groups: q['lr'] = lr * scale
    if step % (4 if fill < 8000 else 8) == 0: more(B)
    i = torch.randint(fill, (B,), device=device)
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
    step += 1
    with torch.no_grad():
        for k, p in m.state_dict().items(): ema[k].lerp_(p, 1 - min(.998, (step + 1) / (step + 20)))
        high = sg > .75
        recent.append(torch.stack((loss.mean(), loss[high].mean(), loss[~high].mean())))
    if step % 50 == 0:
        q = torch.stack(recent).nanmean(0).tolist()
        recent = []
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
