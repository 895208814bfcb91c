"""usage: restore.py FOLDER     FOLDER/demo-{mmdit,clip_l,tae}.gguf -> work/{dit,text,tae}.pt

The way back from `export.py`: cuts the active part of each network out of the padded tensors, so that training can
go on from the shipped files (`unpack.mjs` unpacks them).
"""
import re
import struct
import sys
from pathlib import Path

import numpy as np


def read_gguf(path):
    """name -> array in torch's order of dimensions; only the types that hold active weights"""
    f = open(path, 'rb')
    def u(form): return struct.unpack('<' + form, f.read(struct.calcsize('<' + form)))[0]
    def text(): return f.read(u('Q')).decode()
    assert f.read(4) == b'GGUF' and u('I') == 3, f'{path} is no GGUF file of version 3'
    count, pairs = u('Q'), u('Q')
    for _ in range(pairs):
        text()
        if u('I') == 8: text()
        else: u('I')
    infos = []
    for _ in range(count):
        name = text()
        shape = [u('Q') for _ in range(u('I'))]
        infos.append((name, shape[::-1], u('I'), u('Q')))
    start = (f.tell() + 31) // 32 * 32
    tensors = {}
    for name, shape, kind, offset in infos:
        n = int(np.prod(shape))
        f.seek(start + offset)
        if kind == 0: a = np.frombuffer(f.read(4 * n), np.float32)
        elif kind == 1: a = np.frombuffer(f.read(2 * n), np.float16).astype(np.float32)
        elif kind == 8:
            b = np.frombuffer(f.read(n // 32 * 34), np.uint8).reshape(-1, 34)
            a = b[:, :2].copy().view(np.float16).astype(np.float32) * b[:, 2:].copy().view(np.int8)
        else: continue
        tensors[name] = a.reshape(shape)
    return tensors


def crop(a, shape): return np.ascontiguousarray(a[tuple(slice(0, n) for n in shape)])


def stacked(parts, shape):
    """q, k and v, each cut to a third of the rows"""
    return np.concatenate([crop(p, (shape[0] // 3, *shape[1:])) for p in parts])


def dit_weights(t, shapes):
    blocks = 1 + max(int(k.split('.')[1]) for k in shapes if k.startswith('blocks.'))
    side = round(shapes['pos'][0] ** .5)
    o = (192 - side) // 2
    table = t['pos_embed'].reshape(192, 192, -1)
    plain = {'xe': 'x_embedder.proj', 't0': 't_embedder.mlp.0', 't2': 't_embedder.mlp.2', 'y0': 'y_embedder.mlp.0', 'y2': 'y_embedder.mlp.2',
             'fl': 'final_layer.linear', 'fa': 'final_layer.adaLN_modulation.1'}
    inside = {'proj': 'attn.proj', 'ada': 'adaLN_modulation.1', 'fc1': 'mlp.fc1', 'fc2': 'mlp.fc2'}
    out = {}
    for k, shape in shapes.items():
        if k == 'pos':
            out[k] = table[o:o + side, o:o + side].reshape(shape)
            continue
        if not k.startswith('blocks.'):
            part, what = k.split('.')
            out[k] = crop(t[f'{plain[part]}.{what}'], shape)
            continue
        _, i, part, *what = k.split('.')
        n = f'joint_blocks.{24 * int(i) // blocks}.x_block.'
        if part in ('lq', 'lk'): out[k] = crop(t[f'{n}attn.ln_{part[1]}.weight'], shape)
        elif part == 'qkv': out[k] = stacked(np.split(t[f'{n}attn.qkv.{what[0]}'], 3), shape)
        else: out[k] = crop(t[f'{n}{inside[part]}.{what[0]}'], shape)
    return out


def text_weights(t, shapes):
    """all but `emb`, the fixed one-hot table"""
    inside = {'o': 'self_attn.out_proj', 'f1': 'mlp.fc1', 'f2': 'mlp.fc2'}
    names = {'pos': 'text_model.embeddings.position_embedding.weight', 'fw': 'text_model.final_layer_norm.weight', 'fb': 'text_model.final_layer_norm.bias'}
    out = {}
    for k, shape in shapes.items():
        if k == 'emb': continue
        if k in names:
            out[k] = crop(t[names[k]], shape)
            continue
        _, i, part, *what = k.split('.')
        n = f'text_model.encoder.layers.{i}.'
        if part == 'qkv': out[k] = stacked([t[f'{n}self_attn.{c}_proj.{what[0]}'] for c in 'qkv'], shape)
        elif part in inside: out[k] = crop(t[f'{n}{inside[part]}.{what[0]}'], shape)
        else: out[k] = crop(t[f'{n}layer_norm{part[1]}.{"weight" if part[0] == "w" else "bias"}'], shape)
    return out


def tae_weights(t, side, shapes):
    out = {}
    for k, shape in shapes.items():
        n = re.sub(r'\.b$', '.conv.4.bias', re.sub(r'\.c(\d)\.', r'.conv.\1.', k.replace('l.', f'{side}.layers.', 1)))
        out[k] = crop(t[n], shape)
    return out


def main(folder):
    import torch
    import dit
    import tae
    import text
    from files import save

    def shapes(m): return {k: tuple(v.shape) for k, v in m.state_dict().items()}
    def tensors(weights): return {k: torch.from_numpy(np.array(v, np.float32)) for k, v in weights.items()}
    t = read_gguf(folder / 'demo-tae.gguf')
    save(dict(E=tensors(tae_weights(t, 'encoder', shapes(tae.Enc()))), D=tensors(tae_weights(t, 'decoder', shapes(tae.Dec())))), 'tae.pt')
    m = text.Text(text.NVOC)
    save({**tensors(text_weights(read_gguf(folder / 'demo-clip_l.gguf'), shapes(m))), 'emb': m.emb}, 'text.pt')
    w = tensors(dit_weights(read_gguf(folder / 'demo-mmdit.gguf'), shapes(dit.DiT())))
    save(dict(w=w, ema={k: v.clone() for k, v in w.items()}, step=0), 'dit.pt')


if __name__ == '__main__': main(Path(sys.argv[1]))
