"""Evaluation through node-sd-cpp with a classifier that learned nothing.

    evaluate.py prompts N FOLDER      writes FOLDER/jobs.json: N random prompts (--grammar: in the wordings of the training)
    evaluate.py phrasings FOLDER      the same with the hand-written ones of phrasings.py
    node draw.mjs FOLDER              draws them
    evaluate.py sample FOLDER         draws them in PyTorch instead, from work/{dit,tae}.pt and the exact codes: no text encoder, no engine
    evaluate.py judge FOLDER          compares the pictures with the prompts; writes FOLDER/sheet.png and FOLDER/result.json

 background = nearest palette color of the median of the outer frame (3 px)
 foreground = pixels further from that color than half of the largest distance found; shape color = median of them
 shape      = best IoU among the 8 templates placed by centroid and area
 size and position are checked only where the prompt says them
Chance level: background and color 1/11, shape 1/8.
"""
import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from toy import CNAMES, PAL, SHAPES, coverage, sample_attrs

ATTRIBUTES = ('bg', 'fg', 'sh', 'size', 'x', 'y')


def read(path): return np.asarray(Image.open(path).convert('RGB')).astype(np.float32) / 255


_templates = {}


def template(s, n=128):
    if s not in _templates:
        m = coverage(s, torch.tensor([.5]), torch.tensor([.5]), torch.tensor([.3]), n)[0].numpy() > .5
        y, x = np.nonzero(m); _templates[s] = (m.sum() / n / n / .09, (x.mean() + .5) / n - .5, (y.mean() + .5) / n - .5)
    return _templates[s]


def classify(im):
    H, Wd = im.shape[:2]
    pal = PAL.numpy()
    fr = np.concatenate([im[:3].reshape(-1, 3), im[-3:].reshape(-1, 3), im[:, :3].reshape(-1, 3), im[:, -3:].reshape(-1, 3)])
    b = np.median(fr, 0); bg = int(((pal - b) ** 2).sum(1).argmin())
    d = np.sqrt(((im - b) ** 2).sum(2)); mx = np.quantile(d, .995)
    if mx < .12: return dict(bg=bg, fg=-1, sh=-1, r=0, cx=.5, cy=.5, iou=0., cdist=float(np.abs(pal[bg] - b).max()))
    m = d > mx / 2
    f = np.median(im[m], 0); fg = int(((pal - f) ** 2).sum(1).argmin())
    y, x = np.nonzero(m); A = m.sum() / H / Wd; cx, cy = (x.mean() + .5) / Wd, (y.mean() + .5) / H
    best = (-1, -1, 0)
    for i, s in enumerate(SHAPES):
        a1, ox, oy = template(s); r = (A / a1) ** .5
        q = (cx - ox / .3 * r, cy - oy / .3 * r)
        t = coverage(s, torch.tensor([q[0]]), torch.tensor([q[1]]), torch.tensor([r]), Wd, H)[0].numpy() > .5
        iou = (m & t).sum() / max(1, (m | t).sum())
        if iou > best[1]: best = (i, iou, r, q)
    return dict(bg=bg, fg=fg, sh=best[0], iou=float(best[1]), r=float(best[2]), cx=float(best[3][0]), cy=float(best[3][1]), cdist=float(max(np.abs(pal[bg] - b).max(), np.abs(pal[fg] - f).max())))


def check(want, got):
    ok = {k: want[k] == got[k] for k in ('bg', 'fg', 'sh') if want.get(k) is not None}
    if want.get('size'): ok['size'] = (got['r'] < .2) if want['size'] == 1 else (got['r'] > .33)
    for k, c in (('x', 'cx'), ('y', 'cy')):
        if want.get(k): ok['pos_' + k] = (got[c] < .47) if want[k] == 1 else (got[c] > .53)
    return ok


def sheet(items, path, cols=8, cell=128):
    from PIL import ImageDraw, ImageFont
    try: font = ImageFont.load_default(size=10)
    except TypeError: font = ImageFont.load_default()
    ch = cell + 38; rows = (len(items) + cols - 1) // cols
    im = Image.new('RGB', (cols * (cell + 6) + 6, rows * ch + 6), (245, 245, 245)); dr = ImageDraw.Draw(im)
    for i, (p, text, good) in enumerate(items):
        x, y = 6 + i % cols * (cell + 6), 6 + i // cols * ch
        im.paste(Image.open(p).convert('RGB').resize((cell, cell), Image.NEAREST if Image.open(p).size[0] < cell else Image.LANCZOS), (x, y))
        words, line, ly = text.split(), '', y + cell + 1
        for w in words:
            if dr.textlength(line + ' ' + w, font=font) > cell: dr.text((x, ly), line, fill=(0, 0, 0) if good else (200, 0, 0), font=font); ly += 11; line = w
            else: line = (line + ' ' + w).strip()
        dr.text((x, ly), line, fill=(0, 0, 0) if good else (200, 0, 0), font=font)
    im.save(path)


def plain(a):
    bg, fg, sh = CNAMES[a['bg']], CNAMES[a['fg']], SHAPES[a['sh']]
    article = lambda w: 'an' if w[0] in 'aeiou' else 'a'
    size, X, Y = ['', 'small', 'big'][a['size']], ['', 'left', 'right'][a['x']], ['', 'top', 'bottom'][a['y']]
    place = f' in the {Y} {X} corner' if X and Y else f' on the {X}' if X else f' at the {Y}' if Y else ''
    thing = f'{size} {fg} {sh}'.strip()
    return f'{article(thing)} {thing}{place} on {article(bg)} {bg} background'


def random_jobs(n, grammar):
    a = sample_attrs(n, torch.Generator().manual_seed(2024))
    wants = [{q: int(a[q][k]) for q in ATTRIBUTES} for k in range(n)]
    if grammar:
        import text
        text.R.seed(77)
        prompts = [' '.join(text.prompt(a, k, drop=False)[0]) for k in range(n)]
    else: prompts = [plain(w) for w in wants]
    return [dict(file=f'{k:04d}.png', prompt=p, seed=1000 + k, want=w) for k, (p, w) in enumerate(zip(prompts, wants))]


def hand_written_jobs():
    from phrasings import PHRASINGS
    index = lambda names, name: None if name is None else names.index(name)
    return [dict(file=f'{k:04d}.png', prompt=p, seed=42 + k, want=dict(bg=index(CNAMES, bg), fg=index(CNAMES, fg), sh=index(SHAPES, sh), **more))
            for k, (p, bg, fg, sh, more) in enumerate(PHRASINGS)]


def sample(folder):
    """8 steps, as the demo preset"""
    from dit import DiT, sample
    from files import WORK
    from tae import Dec, load_dec
    from toy import code
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    jobs = json.loads((folder / 'jobs.json').read_text())
    model, decoder = DiT().to(device), Dec().to(device)
    model.load_state_dict(torch.load(WORK / 'dit.pt', map_location=device)['ema'])
    load_dec(decoder, torch.load(WORK / 'tae.pt', map_location=device)['D'])
    y = code({q: torch.tensor([job['want'][q] for job in jobs], device=device) for q in ATTRIBUTES})
    x = torch.randn(len(jobs), 16, 16, 16, generator=torch.Generator().manual_seed(2024)).to(device)
    with torch.no_grad(): pictures = decoder(sample(model, y, x, 8)).clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()
    for job, picture in zip(jobs, pictures): Image.fromarray((picture * 255 + .5).astype('uint8')).save(folder / job['file'])


def name(q, i): return '-' if i < 0 else (SHAPES if q == 'sh' else CNAMES)[i]


def judge(folder):
    jobs = json.loads((folder / 'jobs.json').read_text())
    total, hit, kinds, small, rows, ious, errors = {}, {}, {}, {}, [], [], []
    for job in jobs:
        want, got = job['want'], classify(read(folder / job['file']))
        ok = check(want, got)
        for q, v in ok.items():
            total[q] = total.get(q, 0) + 1
            hit[q] = hit.get(q, 0) + int(v)
        kind = 'place said' if want.get('x') or want.get('y') else 'size said, centered' if want.get('size') else 'plain, centered'
        counted = [kinds.setdefault(kind, [0, 0])]
        if want.get('size') == 1 and want.get('sh') is not None: counted.append(small.setdefault(SHAPES[want['sh']], [0, 0]))
        for counts in counted:
            counts[0] += all(ok.values())
            counts[1] += 1
        ious.append(got['iou'])
        errors.append(got['cdist'])
        rows.append((folder / job['file'], job['prompt'], all(ok.values())))
        if not all(ok.values()):
            seen = ' '.join(name(q, got[q]) for q in ('bg', 'fg', 'sh'))
            print(f'wrong: {job["prompt"]}: {[q for q in ok if not ok[q]]}, seen: {seen}, r {got["r"]:.2f} at {got["cx"]:.2f},{got["cy"]:.2f}, IoU {got["iou"]:.2f}')
    result = dict(right=[sum(r[2] for r in rows), len(rows)], by_attribute={q: [hit[q], total[q]] for q in total}, by_kind=kinds, small=small,
                  median_iou=round(float(np.median(ious)), 3), p10_iou=round(float(np.quantile(ious, .1)), 3),
                  median_color_error=round(float(np.median(errors)), 3))
    print(json.dumps(result, indent=1))
    (folder / 'result.json').write_text(json.dumps(result))
    sheet(rows[:48], folder / 'sheet.png')


if __name__ == '__main__':
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = args.add_subparsers(dest='command', required=True)
    p = commands.add_parser('prompts')
    p.add_argument('count', type=int)
    p.add_argument('--grammar', action='store_true')
    p.add_argument('folder', type=Path)
    commands.add_parser('phrasings').add_argument('folder', type=Path)
    commands.add_parser('sample').add_argument('folder', type=Path)
    commands.add_parser('judge').add_argument('folder', type=Path)
    args = args.parse_args()
    if args.command == 'judge': judge(args.folder)
    elif args.command == 'sample': sample(args.folder)
    else:
        args.folder.mkdir(parents=True, exist_ok=True)
        jobs = random_jobs(args.count, args.grammar) if args.command == 'prompts' else hand_written_jobs()
        (args.folder / 'jobs.json').write_text(json.dumps(jobs, indent=1))
