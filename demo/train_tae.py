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
args.add_argument('--device', choices=['cuda', 'cpu'], default='cuda' if torch.cuda.is_available() else 'cpu')
args.add_argument('--batch', type=int, default=16)
args.add_argument('--pool', type=int, default=64, help='pictures drawn at a time, each cropped four times')
args.add_argument('--resume', action='store_true', help='go on with work/tae.pt')
args.add_argument('--freeze', action='store_true', help='go on with work/tae.pt and train the decoder alone')
args = args.parse_args()

device = torch.device(args.device)
torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', 2)))
torch.manual_seed(2 if args.freeze else 1)
g = torch.Generator().manual_seed(12 if args.freeze else 11)
pal = PAL.to(device)
E, D = Enc().to(device, memory_format=CL), Dec().to(device, memory_format=CL)
if args.freeze or args.resume:
    s = torch.load(WORK / 'tae.pt', map_location=device)
    E.load_state_dict(s['E'])
    load_dec(D, s['D'])
if args.freeze: E.requires_grad_(False)
params = [p for m in ((D,) if args.freeze else (E, D)) for p in m.parameters()]
LR = 1e-3 if args.freeze else 2e-3
opt = torch.optim.AdamW(params, lr=LR, betas=(.9, .99), weight_decay=1e-4, fused=device.type == 'cuda')
CROP = 64


def draw(n):
    a = {k: v.to(device) for k, v in sample_attrs(n, g).items()}
    any_color = (torch.rand(n, 1, generator=g) < .25).to(device)      # so that img2img has a chance
    fg, bg = (torch.where(any_color, torch.rand(n, 3, generator=g).to(device), pal[a[k]]) for k in ('fg', 'bg'))
    return render(a['sh'], fg, bg, a['cx'], a['cy'], a['r'])


def crops(pictures, n):
    """n pieces of CROP x CROP from anywhere in any of them"""
    which = torch.randint(len(pictures), (n,), device=device)[:, None, None]
    rows, columns = (torch.randint(0, 65, (n, 1), device=device) + torch.arange(CROP, device=device) for _ in range(2))
    return pictures[which, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous(memory_format=CL)


def psnr(a, b): return -10 * math.log10(((a - b) ** 2).mean())


start, step, report = time.time(), 0, 500 if device.type == 'cuda' else 100
recent = torch.zeros(3, device=device)
while (elapsed := time.time() - start) < args.seconds:
    if step % max(1, 4 * args.pool // args.batch) == 0: pictures = draw(args.pool)
    for q in opt.param_groups:
        q['lr'] = LR * min(1, (step + 1) / 50) * (.5 + .5 * math.cos(math.pi * elapsed / args.seconds)) + 1e-5
    x = crops(pictures, args.batch)
    z = E(x)
    mean, var = z.mean((0, 2, 3)), z.var((0, 2, 3))
    reg = (mean ** 2).mean() + ((var + 1e-6).sqrt() - 1).pow(2).mean()
    noise = torch.rand(len(z), 1, 1, 1, device=device) * (.25 if args.freeze else .35)
    y = D(z + noise * torch.randn_like(z))
    l1, l2 = (y - x).abs().mean(), ((y - x) ** 2).mean()
    loss = l1 + 4 * l2
    if not args.freeze: loss = loss + .05 * reg + .001 * (z.abs() - 2.2).clamp(min=0).mean()
    opt.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(params, 1.)
    opt.step()
    step += 1
    recent += torch.stack((l1, l2, reg)).detach()
    if step % report == 0:
        q = (recent / report).tolist()
        recent.zero_()
        print(f'{elapsed:6.0f}s step {step} l1 {q[0]:.4f} mse {q[1]:.5f} psnr {-10 * math.log10(q[1]):.1f} reg {q[2]:.4f}', flush=True)
        save(dict(E=E.state_dict(), D=D.state_dict()), 'tae.pt')
save(dict(E=E.state_dict(), D=D.state_dict()), 'tae.pt')

with torch.no_grad():
    a = {k: v.to(device) for k, v in sample_attrs(16, g).items()}
    im = render(a['sh'], pal[a['fg']], pal[a['bg']], a['cx'], a['cy'], a['r'])
    z = E(im)
    y, noisy = D(z).clamp(0, 1), D(z + .3 * torch.randn_like(z)).clamp(0, 1)
    print(f'128x128 psnr {psnr(y, im):.1f}, from a noisy latent {psnr(noisy, im):.1f}, latent std {z.std().item():.3f}')
    save_grid(torch.cat([im[:8], y[:8], noisy[:8], im[8:], y[8:], noisy[8:]]), 8, WORK / 'tae.png')
