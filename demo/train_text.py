"""Trains the text encoder -> work/text.pt (about 2 minutes for 2600 steps on 2 cores)"""
import argparse
import time

import torch

from muon import Muon
from text import NVOC, Text, text_batch
from files import WORK, save

args = argparse.ArgumentParser(description=__doc__)
args.add_argument('steps', type=int)
args.add_argument('--resume', action='store_true', help='go on with work/text.pt')
args = args.parse_args()

torch.manual_seed(4)
torch.set_num_threads(1)
g = torch.Generator().manual_seed(21)
m = Text(NVOC)
if args.resume: m.load_state_dict(torch.load(WORK / 'text.pt'))
mats = [q for n, q in m.named_parameters() if q.ndim == 2 and n != 'pos']
ids_ = {id(q) for q in mats}
o1 = Muon(mats, 3e-3, 1e-3)
o2 = torch.optim.AdamW([q for q in m.parameters() if id(q) not in ids_], lr=2e-3, betas=(.9, .98), weight_decay=0)
start, recent = time.time(), []
for step in range(1, args.steps + 1):
    scale = min(1, step / 100) * min(1, (1 - (step - 1) / args.steps) / .5) + .003
    o1.lr = 3e-3 * scale
    for q in o2.param_groups: q['lr'] = 2e-3 * scale
    ids, eos, tgt = text_batch(128, g)
    p = m(ids[:, :int(eos.max()) + 1], eos)
    loss = ((p - tgt) ** 2).sum(1).mean()
    o1.zero_grad()
    o2.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(m.parameters(), 1.)
    o1.step()
    o2.step()
    wrong = ((p - tgt).abs().max(1).values > .5).float().mean().item()
    recent.append((loss.item(), wrong))
    if step % 100 == 0:
        a = torch.tensor(recent).mean(0).tolist()
        recent = []
        print(f'{time.time() - start:5.0f}s step {step} squared error {a[0]:.4f} prompts with an attribute wrong {a[1]:.4f}', flush=True)
        save(m.state_dict(), 'text.pt')
save(m.state_dict(), 'text.pt')
