"""usage: export.py mmdit|clip_l|tae|all [folder]     work/*.pt -> demo-mmdit.gguf, demo-clip_l.gguf, demo-tae.gguf

The active part of each network is padded with zeros to the shapes the engine expects. The zeros get types of few
bits, to be small in memory; on disk they vanish in the compression.
"""
import os
import struct
import sys

import numpy as np
import torch

from files import WORK

F32, F16, Q4_0, Q8_0, Q2_K = 0, 1, 2, 8, 10
BLK = {F32: (1, 4), F16: (1, 2), Q4_0: (32, 18), Q8_0: (32, 34), Q2_K: (256, 84)}     # elements and bytes of a block


def enc(a, t):
    a = np.ascontiguousarray(a, np.float32)
    if t == F32: return a.tobytes()
    if t == F16: return a.astype(np.float16).tobytes()
    b = a.reshape(-1, 32)
    if t == Q8_0:
        d = (np.abs(b).max(1) / 127).astype(np.float16); f = d.astype(np.float32)
        q = np.where(f[:, None] > 0, np.rint(b / np.where(f == 0, 1, f)[:, None]), 0).clip(-127, 127).astype(np.int8)
        o = np.zeros((len(b), 34), np.uint8); o[:, :2] = d.view(np.uint8).reshape(-1, 2); o[:, 2:] = q.view(np.uint8)
        return o.tobytes()
    if t == Q4_0:
        m = b[np.arange(len(b)), np.abs(b).argmax(1)]; d = (m / -8).astype(np.float16); f = d.astype(np.float32)
        q = np.clip(np.floor(np.where(f[:, None] != 0, b / np.where(f == 0, 1, f)[:, None], 0) + 8.5), 0, 15).astype(np.uint8)
        o = np.zeros((len(b), 18), np.uint8); o[:, :2] = d.view(np.uint8).reshape(-1, 2); o[:, 2:] = q[:, :16] | (q[:, 16:] << 4)
        return o.tobytes()


def write(path, ts, kv=()):
    """ts: (name, torch-order shape, type, array or None = zeros)"""
    s = lambda x: struct.pack('<Q', len(x.encode())) + x.encode()
    head, off, blobs = b'', 0, []
    for n, sh, t, a in ts:
        if sh[-1] % BLK[t][0]: t = F16
        if a is None: b = bytes(int(np.prod(sh)) // BLK[t][0] * BLK[t][1]) if t != Q4_0 else enc(np.zeros(sh, np.float32), t)
        else:
            a = np.asarray(a, np.float32); assert a.shape == tuple(sh), (n, a.shape, sh); b = enc(a, t)
        head += s(n) + struct.pack('<I', len(sh)) + b''.join(struct.pack('<Q', x) for x in sh[::-1]) + struct.pack('<IQ', t, off)
        blobs.append(b); off += (len(b) + 31) // 32 * 32
    h = b'GGUF' + struct.pack('<IQQ', 3, len(ts), len(kv))
    for k, v in kv: h += s(k) + (struct.pack('<I', 8) + s(v) if isinstance(v, str) else struct.pack('<II', 4, v))
    h += head
    with open(path + '.tmp', 'wb') as f:
        f.write(h); f.write(b'\0' * (-len(h) % 32))
        for b in blobs: f.write(b); f.write(b'\0' * (-len(b) % 32))
    os.replace(path + '.tmp', path)
    print(path, os.path.getsize(path), len(ts), 'tensors')


def pad(a, *sh):
    o = np.zeros(sh, np.float32); o[tuple(slice(0, n) for n in a.shape)] = a; return o


def KV(name, arch, desc):
    return [('general.architecture', arch), ('general.name', name), ('general.description', desc), ('general.license', 'MIT'),
            ('general.quantization_version', 2), ('general.file_type', 1)]


def mmdit(out):
    import dit
    p = {k: v.float().numpy() for k, v in torch.load(WORK / 'dit.pt', map_location='cpu')['ema'].items()}
    H, HD, A, FF, NB = dit.H, dit.HD, dit.A, dit.FF, dit.NB
    side = int(round(len(p['pos']) ** .5))
    pe = np.zeros((192, 192, H), np.float32)
    o = (192 - side) // 2
    pe[o:o + side, o:o + side] = p['pos'].reshape(side, side, H)
    T = [('pos_embed', (1, 36864, H), Q8_0, pe.reshape(1, 36864, H)),
         ('x_embedder.proj.weight', (H, 16, 2, 2), F16, p['xe.weight']), ('x_embedder.proj.bias', (H,), F32, p['xe.bias'])]
    def lin(n, w, b, t): T.extend([(n + '.weight', w.shape, t, w), (n + '.bias', b.shape, F32, b)])
    def zl(n, o, i): T.extend([(n + '.weight', (o, i), Q4_0, None), (n + '.bias', (o,), F32, None)])
    lin('t_embedder.mlp.0', p['t0.weight'], p['t0.bias'], F16); lin('t_embedder.mlp.2', p['t2.weight'], p['t2.bias'], F16)
    lin('y_embedder.mlp.0', pad(p['y0.weight'], H, 2048), p['y0.bias'], F16); lin('y_embedder.mlp.2', p['y2.weight'], p['y2.bias'], F16)
    T.extend([('context_embedder.weight', (H, 4096), Q4_0, None), ('context_embedder.bias', (H,), F32, None)])
    where = [24 * i // NB for i in range(NB)]            # active blocks spread over the 24
    for b in range(24):
        for side_ in ('context_block', 'x_block'):
            n = f'joint_blocks.{b}.{side_}.'; last = side_ == 'context_block' and b == 23
            if side_ == 'x_block' and b in where:
                q = f'blocks.{where.index(b)}.'
                w, bb = p[q + 'qkv.weight'].reshape(3, A, H), p[q + 'qkv.bias'].reshape(3, A)
                lin(n + 'attn.qkv', pad(w, 3, H, H).reshape(3 * H, H), pad(bb, 3, H).reshape(-1), F16)
                T.extend([(n + 'attn.ln_q.weight', (HD,), F32, p[q + 'lq']), (n + 'attn.ln_k.weight', (HD,), F32, p[q + 'lk'])])
                lin(n + 'attn.proj', pad(p[q + 'proj.weight'], H, H), p[q + 'proj.bias'], F16)
                lin(n + 'adaLN_modulation.1', p[q + 'ada.weight'], p[q + 'ada.bias'], F16)
                lin(n + 'mlp.fc1', pad(p[q + 'fc1.weight'], 4 * H, H), pad(p[q + 'fc1.bias'], 4 * H), F16)
                lin(n + 'mlp.fc2', pad(p[q + 'fc2.weight'], H, 4 * H), p[q + 'fc2.bias'], F16)
            else:
                zl(n + 'attn.qkv', 3 * H, H)
                for l in 'qk': T.append((n + f'attn.ln_{l}.weight', (HD,), F32, np.ones(HD)))
                if not last: zl(n + 'attn.proj', H, H)
                zl(n + 'adaLN_modulation.1', (2 if last else 6) * H, H)
                if not last: zl(n + 'mlp.fc1', 4 * H, H); zl(n + 'mlp.fc2', H, 4 * H)
    lin('final_layer.linear', p['fl.weight'], p['fl.bias'], F16); lin('final_layer.adaLN_modulation.1', p['fa.weight'], p['fa.bias'], F16)
    write(out + '/demo-mmdit.gguf', T, KV('toy shapes demo', 'sd3', 'Tiny SD3.5-layout MMDiT trained from scratch on procedurally drawn shapes'))


def clip_l(out):
    import text
    m = text.Text(text.NVOC); m.load_state_dict(torch.load(WORK / 'text.pt', map_location='cpu'))
    p = {k: v.float().numpy() for k, v in m.state_dict().items()}
    D, FF, F = text.D, text.FF, 3072
    emb = np.zeros((49408, 768), np.float32)
    for t, i in text.IDX.items(): emb[t, :D] = p['emb'][i]
    T = [('text_model.embeddings.token_embedding.weight', emb.shape, Q4_0, emb),
         ('text_model.embeddings.position_embedding.weight', (77, 768), F32, pad(p['pos'], 77, 768))]
    for l in range(12):
        n = f'text_model.encoder.layers.{l}.'
        if l < text.LAYERS:
            q = f'layers.{l}.'
            w, b = p[q + 'qkv.weight'].reshape(3, D, D), p[q + 'qkv.bias'].reshape(3, D)
            for i, c in enumerate('qkv'):
                T += [(n + f'self_attn.{c}_proj.weight', (768, 768), F16, pad(w[i], 768, 768)), (n + f'self_attn.{c}_proj.bias', (768,), F32, pad(b[i], 768))]
            T += [(n + 'self_attn.out_proj.weight', (768, 768), F16, pad(p[q + 'o.weight'], 768, 768)), (n + 'self_attn.out_proj.bias', (768,), F32, pad(p[q + 'o.bias'], 768))]
            for k in '12':     # zero weight and bias outside the first D dims: those dims stay exactly 0
                T += [(n + f'layer_norm{k}.weight', (768,), F32, pad(p[q + 'w' + k], 768)), (n + f'layer_norm{k}.bias', (768,), F32, pad(p[q + 'b' + k], 768))]
            T += [(n + 'mlp.fc1.weight', (F, 768), F16, pad(p[q + 'f1.weight'], F, 768)), (n + 'mlp.fc1.bias', (F,), F32, pad(p[q + 'f1.bias'], F)),
                  (n + 'mlp.fc2.weight', (768, F), F16, pad(p[q + 'f2.weight'], 768, F)), (n + 'mlp.fc2.bias', (768,), F32, pad(p[q + 'f2.bias'], 768))]
        else:
            for c in ('q_proj', 'k_proj', 'v_proj', 'out_proj'):
                T += [(n + f'self_attn.{c}.weight', (768, 768), Q2_K, None), (n + f'self_attn.{c}.bias', (768,), F32, None)]
            for k in '12': T += [(n + f'layer_norm{k}.weight', (768,), F32, np.ones(768)), (n + f'layer_norm{k}.bias', (768,), F32, None)]
            T += [(n + 'mlp.fc1.weight', (F, 768), Q2_K, None), (n + 'mlp.fc1.bias', (F,), F32, None),
                  (n + 'mlp.fc2.weight', (768, F), Q2_K, None), (n + 'mlp.fc2.bias', (768,), F32, None)]
    T += [('text_model.final_layer_norm.weight', (768,), F32, pad(p['fw'], 768)), ('text_model.final_layer_norm.bias', (768,), F32, pad(p['fb'], 768))]
    write(out + '/demo-clip_l.gguf', T, KV('toy shapes text encoder', 'clip', 'CLIP-L layout, trained from scratch on about 100 words'))


def tae(out):
    s = torch.load(WORK / 'tae.pt', map_location='cpu')
    T = []; C = 64
    def cv(n, o, i, w=None, b=None, bias=True):
        T.append((n + '.weight', (o, i, 3, 3), F16, None if w is None else pad(w, o, i, 3, 3)))
        if bias: T.append((n + '.bias', (o,), F32, None if b is None else pad(b, o)))
    def blk(pre, n, p):
        for c in '024':
            k = f'l.{n}.c{c}.'
            if k + 'weight' in p: cv(f'{pre}{n}.conv.{c}', C, C, p[k + 'weight'], p[k + 'bias'])
            else: cv(f'{pre}{n}.conv.{c}', C, C, None, p.get(f'l.{n}.b') if c == '4' else None)
    p = {k: v.float().numpy() for k, v in s['E'].items()}; e = 'encoder.layers.'
    cv(e + '0', C, 3, p['l.0.weight'], p['l.0.bias']); blk(e, 1, p)
    for d, bs in ((2, (3, 4, 5)), (6, (7, 8, 9)), (10, (11, 12, 13))):
        cv(e + str(d), C, C, p[f'l.{d}.weight'], bias=False); [blk(e, x, p) for x in bs]
    cv(e + '14', 16, C, p['l.14.weight'], p['l.14.bias'])
    p = {k: v.float().numpy() for k, v in s['D'].items()}; e = 'decoder.layers.'
    cv(e + '0', C, 16, p['l.0.weight'], p['l.0.bias']); [blk(e, x, p) for x in (2, 3, 4)]
    for c, bs in ((6, (7, 8, 9)), (11, (12, 13, 14)), (16, (17,))):
        cv(e + str(c), C, C, p[f'l.{c}.weight'], bias=False); [blk(e, x, p) for x in bs]
    cv(e + '18', 3, C, p['l.18.weight'], p['l.18.bias'])
    write(out + '/demo-tae.gguf', T, KV('toy shapes autoencoder', 'tae', 'TAESD3 layout, trained from scratch on procedurally drawn shapes'))


if __name__ == '__main__':
    what = sys.argv[1]; out = sys.argv[2] if len(sys.argv) > 2 else str(WORK)
    for f in (mmdit, clip_l, tae):
        if what in ('all', f.__name__): f(out)
