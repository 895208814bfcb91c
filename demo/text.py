"""Text encoder = the CLIP-L text model of the engine with almost everything zero.

Active: embedding rows of the toy vocabulary (one-hot, so they survive low-bit types exactly),
position embeddings, layers 0 and 1 restricted to the first D dims / HEADS heads / FF hidden
units, final layer norm.  LayerNorms run over all 768 dims (the other 640 are exactly zero), and
that is reproduced here.  Causal mask, quick-gelu, pooled = final_layer_norm(x)[first EOS]
(after all 12 layers; clip_skip does not apply to the pooled vector).
"""
import torch, torch.nn as nn, torch.nn.functional as F
import os
import random
from toy import *

D, HEADS, FF, LAYERS, FULL = 128, 2, 256, 2, 768
BOS, EOS = 49406, 49407


def ln(x, w, b):
    m = x.sum(-1, keepdim=True) / FULL
    v = (x * x).sum(-1, keepdim=True) / FULL - m * m
    return (x - m) / (v + 1e-5).sqrt() * w + b


class Layer(nn.Module):
    def __init__(s):
        super().__init__()
        s.w1, s.b1 = nn.Parameter(torch.ones(D)), nn.Parameter(torch.zeros(D))
        s.w2, s.b2 = nn.Parameter(torch.ones(D)), nn.Parameter(torch.zeros(D))
        s.qkv, s.o = nn.Linear(D, 3 * D), nn.Linear(D, D)
        s.f1, s.f2 = nn.Linear(D, FF), nn.Linear(FF, D)
        for l in (s.qkv, s.o, s.f1, s.f2):
            nn.init.normal_(l.weight, std=.08); nn.init.zeros_(l.bias)
    def forward(s, x, mask):
        B, T, _ = x.shape
        q, k, v = s.qkv(ln(x, s.w1, s.b1)).view(B, T, 3, HEADS, D // HEADS).permute(2, 0, 3, 1, 4)
        a = (q @ k.transpose(-1, -2)) * (D // HEADS) ** -.5 + mask
        x = x + s.o((a.softmax(-1) @ v).transpose(1, 2).reshape(B, T, D))
        h = s.f1(ln(x, s.w2, s.b2))
        return x + s.f2(h * torch.sigmoid(1.702 * h))


class Text(nn.Module):
    def __init__(s, nvoc):
        super().__init__()
        s.nvoc = nvoc                               # incl. row 0 = unknown (zero)
        emb = torch.zeros(nvoc, D)
        emb[torch.arange(1, nvoc), torch.arange(nvoc - 1)] = 1.
        s.register_buffer('emb', emb)
        s.pos = nn.Parameter(torch.randn(77, D) * .1)
        s.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        s.fw, s.fb = nn.Parameter(torch.full((K,), .3)), nn.Parameter(torch.zeros(K))
    def forward(s, ids, eos):
        T = ids.shape[1]
        x = s.emb[ids] + s.pos[:T]
        mask = torch.full((T, T), float('-inf')).triu(1)
        for l in s.layers:
            x = l(x, mask)
        x = x[torch.arange(len(ids)), eos]
        m = x.sum(-1, keepdim=True) / FULL
        v = (x * x).sum(-1, keepdim=True) / FULL - m * m
        return (x[:, :K] - m) / (v + 1e-5).sqrt() * s.fw + s.fb


# ---------------------------------------------------------------- vocabulary and grammar
# word -> CLIP token ids, as the engine's own tokenizer gives them
TOK = {l.split('\t')[0]: [int(t) for t in l.split('\t')[1].split()] for l in open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'tokens.tsv'))}
# British spellings are part of what the model understands
SYN = {'gray': ['gray', 'gray', 'grey'], 'teal': ['teal', 'teal', 'turquoise', 'cyan'], 'purple': ['purple', 'purple', 'violet'],
       'circle': ['circle', 'circle', 'circle', 'disc', 'disk', 'ball', 'dot'], 'square': ['square', 'square', 'square', 'box'],
       'ring': ['ring', 'ring', 'ring', 'donut', 'hoop'], 'cross': ['cross', 'cross', 'plus'], 'diamond': ['diamond', 'diamond', 'rhombus'],
       'small': ['small', 'small', 'small', 'tiny', 'little'], 'big': ['big', 'big', 'large', 'large', 'huge']}
USED = sorted({t for w in TOK for t in TOK[w]})
IDX = {t: i + 1 for i, t in enumerate(USED)}
IDX[BOS] = len(USED) + 1; IDX[EOS] = len(USED) + 2
NVOC = len(USED) + 3
assert NVOC - 1 <= D, NVOC
R = random.Random(5)


def syn(w): return R.choice(SYN.get(w, [w]))


def prompt(a, k, drop=True):
    """one random phrasing of the attributes of sample k; returns (words, said) - said: which attributes are in the text"""
    c = R.choice
    bg, fg, sh = CNAMES[a['bg'][k]], CNAMES[a['fg'][k]], SHAPES[a['sh'][k]]
    size, x, y = int(a['size'][k]), int(a['x'][k]), int(a['y'][k])
    said = dict(bg=True, fg=True, sh=True)
    if drop and R.random() < .3:
        q = R.random()
        if q < .35: said['bg'] = False
        elif q < .55: said['fg'] = False
        elif q < .70: said['sh'] = False
        elif q < .85: said['bg'] = said['fg'] = False
        else: said['fg'] = said['sh'] = False
    sw = syn(['', 'small', 'big'][size])
    noun = syn(sh) if said['sh'] else ('shape' if said['fg'] or size or x or y else '')
    adj = [w for w in (sw, syn(fg) if said['fg'] else '') if w]
    if len(adj) == 2 and R.random() < .1: adj.reverse()
    if len(adj) == 2 and R.random() < .15: adj.insert(1, ',')
    if said['fg'] and R.random() < .06: adj.append(c(['colored', 'coloured']))
    art = lambda w: [] if R.random() < .3 else [c(['a', 'a', 'a', 'the', 'one']) if w[:1] not in 'aeiou' else c(['an', 'an', 'the', 'a'])]
    obj = []
    if noun:
        ws = adj + [noun]
        obj = art(ws[0]) + ws
        if said['fg'] and R.random() < .07:      # "a circle that is red", "a circle in red"
            rest = [w for w in adj if w not in SYN.get(fg, [fg]) and w not in (',', 'colored', 'coloured')]
            obj = art(noun) + rest + [noun] + c([['in'], ['that', 'is'], ['colored']]) + [syn(fg)]
    # position
    pos = []
    X, Y = ['', 'left', 'right'][x], ['', c(['top', 'top', 'upper']), c(['bottom', 'bottom', 'lower'])][y]
    if x and y:
        pos = c([['in', 'the', Y, X, 'corner'], ['in', 'the', Y, X], ['at', 'the', Y, X], ['on', 'the', Y, X], ['in', Y, X, 'corner'], [Y, X], [Y, X, 'corner'], ['at', 'the', Y, '-', X]])
    elif x:
        pos = c([['on', 'the', X], ['at', 'the', X], ['on', 'the', X, 'side'], ['to', 'the', X], ['at', 'left'] if x == 1 else ['at', 'right'], [X]])
    elif y:
        pos = c([['at', 'the', Y], ['on', 'the', Y], ['in', 'the', Y, 'part'], ['at', Y], [Y]])
    elif R.random() < .12:
        pos = c([['in', 'the', c(['center', 'centre', 'middle'])], ['in', 'the', 'middle', 'of', 'the', 'picture'], ['at', 'the', 'center']])
    bgw = []
    if said['bg']:
        b, g = syn(bg), c(['background'] * 6 + ['backdrop', 'bg', 'wall', 'field', 'ground', 'canvas'])
        form = R.random()
        core = art(b) + [b] + ([g] if R.random() < .93 or not noun else [])
        if form < .55 or not noun: tail = c([['on'], ['on'], ['on'], ['against'], ['over'], ['with'], ['in', 'front', 'of'], [',']]) + core
        elif form < .65: tail = [',', g, b] if R.random() < .5 else [',', 'the', g, 'is', b]
        elif form < .75: tail = c([[','], ['and'], [',', 'with']]) + core
        elif form < .8: tail = ['on', b]
        else: tail = None
        bgw = tail
        if tail is None:                         # background first
            first = c([core, core, [b, g], ['on'] + core, [g, b], ['the', g, 'is', b]])
            link = c([[','], [','], [], ['with'], ['and'], ['.']])
            out = first + link + obj + (pos if not pos or R.random() < .8 else [','] + pos)
        elif not noun:
            out = c([core, [b, g], [g, b], ['the', g, 'is', b]])
        elif pos and R.random() < .3: out = obj + tail + ([','] if R.random() < .3 else []) + pos
        else: out = obj + pos + tail
    else:
        out = obj + pos if R.random() < .85 or not pos else pos + [','] + obj
    if R.random() < .15:
        pre = c([['a', 'picture', 'of'], ['picture', 'of'], ['an', 'image', 'of'], ['a', 'photo', 'of'], ['a', 'drawing', 'of'], ['draw'], ['please', 'draw'], ['show', 'me'], ['draw', 'me'], ['there', 'is'], ['a', 'painting', 'of'], ['paint']])
        out = pre + out
    if R.random() < .12: out = out + c([['.'], ['!'], [',', 'simple'], [',', 'flat', 'icon'], ['please'], ['illustration']])
    return out, said


def tokens(words, unk=.04):
    ids = []
    for w in words:
        if R.random() < unk:
            ids += [0] * R.choice([1, 1, 2])     # an unknown word slipped in
        ids += [IDX[t] for t in TOK[w]]
    return ids


def text_batch(n, g, T=32):
    a = sample_attrs(n, g)
    tgt = code(a)
    ids = torch.full((n, T), IDX[EOS]); eos = torch.zeros(n, dtype=torch.long)
    for k in range(n):
        u = R.random()
        if u < .04:                              # nothing, or only unknown / filler words
            t = [] if R.random() < .5 else [R.choice([0, 0, IDX[R.choice(USED)]]) * 0 for _ in range(R.randint(1, 8))]
            if R.random() < .4: t = sum([[IDX[x] for x in TOK[R.choice(['a', 'the', 'picture', 'of', 'simple', 'flat', ',', 'image', 'photo', 'illustration'])]] for _ in range(R.randint(1, 5))], [])
            tgt[k] = 0
        else:
            w, said = prompt(a, k)
            t = tokens(w)
            if not said['bg']: tgt[k, OFF_BG:OFF_BG + NC] = 0
            if not said['fg']: tgt[k, OFF_FG:OFF_FG + NC] = 0
            if not said['sh']: tgt[k, OFF_SH:OFF_SH + NS] = 0
        t = [IDX[BOS]] + t[:T - 2] + [IDX[EOS]]
        ids[k, :len(t)] = torch.tensor(t); eos[k] = len(t) - 1
    return ids, eos, tgt
