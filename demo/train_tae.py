"""Trains the autoencoder -> work/tae.pt, work/tae.png"""
import argparse
import math
import os
import time

import torch

from tae import CL, Dec, Enc, load_dec
from toy import PAL, render, sample_attrs
from files import WORK, save, save_grid

args = argparse.ArgumentParser(description=__doc__)
args.add_argument('seconds', type=float)
args.add_argument('--resume', action='store_true', help='go on with work/tae.pt')
args.add_argument('--freeze', action='store_true', help='go on with work/tae.pt and train the decoder alone')
args = args.parse_args()

torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', 2)))
torch.manual_seed(2 if args.freeze else 1)
g = torch.Generator().manual_seed(12 if args.freeze else 11)
E, D = Enc().to(memory_format=CL), Dec().to(memory_format=CL)
if args.freeze or args.resume:
    s = torch.load(WORK / 'tae.pt')
    E.load_state_dict(s['E'])
    load_dec(D, s['D'])
if args.freeze: E.requires_grad_(False)
params = [p for m in ((D,) if args.freeze else (E, D)) for p in m.parameters()]
LR = 1e-3 if args.freeze else 2e-3
opt = torch.optim.AdamW(params, lr=LR, betas=(.9, .99), weight_decay=1e-4)
BATCH, CROP = 16, 64


def batch(n):
    a = sample_attrs(n, g)
    fg, bg = PAL[a['fg']].clone(), PAL[a['bg']].clone()
    i = torch.rand(n, generator=g) < .25          # any color, so that img2img has a chance
    fg[i] = torch.rand(int(i.sum()), 3, generator=g)
    bg[i] = torch.rand(int(i.sum()), 3, generator=g)
    im = render(a['sh'], fg, bg, a['cx'], a['cy'], a['r'])
    ox, oy = torch.randint(0, 65, (n,), generator=g), torch.randint(0, 65, (n,), generator=g)
    crops = [im[k, :, oy[k]:oy[k] + CROP, ox[k]:ox[k] + CROP] for k in range(n)]
    return torch.stack(crops).contiguous(memory_format=CL)


def psnr(a, b): return -10 * math.log10(((a - b) ** 2).mean())


start, step, recent = time.time(), 0, []
while (elapsed := time.time() - start) < args.seconds:
    for q in opt.param_groups:
        q['lr'] = LR * min(1, (step + 1) / 50) * (.5 + .5 * math.cos(math.pi * elapsed / args.seconds)) + 1e-5
    x = batch(BATCH)
    z = E(x)
    mean, var = z.mean((0, 2, 3)), z.var((0, 2, 3))
    reg = (mean ** 2).mean() + ((var + 1e-6).sqrt() - 1).pow(2).mean()
    noise = torch.rand(len(z), 1, 1, 1) * (.25 if args.freeze else .35)
    y = D(z + noise * torch.randn_like(z))
    l1, l2 = (y - x).abs().mean(), ((y - x) ** 2).mean()
    loss = l1 + 4 * l2
    if not args.freeze: loss = loss + .05 * reg + .001 * (z.abs() - 2.2).clamp(min=0).mean()
    opt.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(params, 1.)
    opt.step()
    step += 1
    recent.append((l1.item(), l2.item(), reg.item()))
    if step % 100 == 0:
        q = torch.tensor(recent).mean(0).tolist()
        recent = []
        print(f'{elapsed:6.0f}s step {step} l1 {q[0]:.4f} mse {q[1]:.5f} psnr {-10 * math.log10(q[1]):.1f} reg {q[2]:.4f}', flush=True)
    if step % 200 == 0: save(dict(E=E.state_dict(), D=D.state_dict()), 'tae.pt')
save(dict(E=E.state_dict(), D=D.state_dict()), 'tae.pt')

with torch.no_grad():
    a = sample_attrs(16, g)
    im = render(a['sh'], PAL[a['fg']], PAL[a['bg']], a['cx'], a['cy'], a['r'])
    z = E(im)
    y, noisy = D(z).clamp(0, 1), D(z + .3 * torch.randn_like(z)).clamp(0, 1)
    print(f'128x128 psnr {psnr(y, im):.1f}, from a noisy latent {psnr(noisy, im):.1f}, latent std {z.std().item():.3f}')
    save_grid(torch.cat([im[:8], y[:8], noisy[:8], im[8:], y[8:], noisy[8:]]), 8, WORK / 'tae.png')
