"""Writes test/reference/conditions.jsonl: what the diffusion model reads of some prompts, by ComfyUI's rules and Hugging Face's encoders.

The encoders are the random ones of the tests, CLIP-L and T5 (test/helpers/checkpoints.ts makes them: run test/model/conditions.test.ts first, which
then fails), in F32. Of each position one number is kept: the sum of its 4096 with fixed signs. ComfyUI's rules, in words: a text is split where
the weight changes; a part of fewer than 8 tokens is not split between two chunks of CLIP; T5 reads all in one, at least 77 tokens; a weighted
token's state is moved from what an empty text of the same length has in its place; CLIP's states come first.

    pip install torch transformers sentencepiece protobuf gguf
    python test/reference/conditions.py [folder of the models]
"""
import json
import os
import re
import sys
import tempfile

import gguf
import numpy as np
import torch
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from tokens import Reference  # noqa: E402

CHUNK, LONG_PART, WIDTH = 77, 8, 4096
BEGIN, END = 49406, 49407
PROMPTS = [
    "",
    "a lighthouse in a storm",
    "a (red:1.5) circle on (blue:0.6) paper, (nothing else:-1)",
    "naïve café, 日本語 (灯台:1.3) and ½ ﬁsh\nin two lines",
    # A part of 7 tokens where 5 have room, one of 12 where 10 have, and 240 tokens of T5.
    "red " * 70 + "(a cat on a mat by day:1.2)" + " blue" * 58 + " (one two three four five six seven eight nine ten eleven twelve:0.8)" + " green" * 90,
]


def parts_of(prompt):
    parts = re.split(r"\(([^():]*):([-0-9.]+)\)", prompt)
    pairs = [(parts[i], 1.0) if i % 3 == 0 else (parts[i], float(parts[i + 1])) for i in range(len(parts)) if i % 3 != 2]
    return [pair for pair in pairs if pair[0]]


def clip_chunks(parts, ids_of):
    chunks = [[(BEGIN, 1.0)]]
    for text, weight in parts:
        tokens = [(token, weight) for token in ids_of(text)]
        is_long = len(tokens) >= LONG_PART
        while tokens:
            room = CHUNK - 1 - len(chunks[-1])
            take = len(tokens) if len(tokens) <= room else room if is_long else 0
            chunks[-1] += tokens[:take]
            tokens = tokens[take:]
            if tokens:
                chunks.append([(BEGIN, 1.0)])
    return [chunk + [(END, 1.0)] * (CHUNK - len(chunk)) for chunk in chunks]


def t5_tokens(parts, ids_of):
    tokens = [(token, weight) for text, weight in parts for token in ids_of(text)] + [(1, 1.0)]
    return tokens + [(0, 1.0)] * (CHUNK - len(tokens))


def weighted(states, empty, weights):
    weights = torch.tensor(weights)[:, None]
    return torch.where(weights == 1, states, (states - empty) * weights + empty)


def weights_of(name, folder):
    reader = gguf.GGUFReader(os.path.join(folder, name))
    return {t.name: torch.from_numpy(np.array(gguf.dequantize(t.data, t.tensor_type)).astype(np.float32)) for t in reader.tensors}


def load(model, weights):
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and all("embed_tokens" in name or "position_ids" in name for name in missing), (missing, unexpected)
    return model.eval()


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(tempfile.gettempdir(), "node-sd-cpp-test-models")
    reference = Reference()
    config = CLIPTextConfig(vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
    clip_weights = weights_of("clip-l-v1.gguf", folder)
    clip_model = CLIPTextModel(config)
    if not any(name.startswith("text_model.") for name in clip_model.state_dict()):  # transformers 5 has no such part
        clip_weights = {name.removeprefix("text_model."): tensor for name, tensor in clip_weights.items()}
    clip = load(clip_model, clip_weights)
    t5 = T5EncoderModel(
        T5Config(vocab_size=32128, d_model=WIDTH, d_kv=64, num_heads=64, d_ff=64, num_layers=1, feed_forward_proj="gated-gelu", dropout_rate=0)
    )
    t5_weights = weights_of("t5-small-v1.gguf", folder)
    t5 = load(t5, {**t5_weights, "encoder.embed_tokens.weight": t5_weights["shared.weight"]})
    signs = torch.tensor([1.0 if (i * 2654435761 >> 16) & 1 else -1.0 for i in range(WIDTH)])

    def clip_states(ids):
        return clip(torch.tensor([ids]), output_hidden_states=True).hidden_states[-2][0]

    def t5_states(ids):
        return t5(torch.tensor([ids])).last_hidden_state[0]

    results = []
    with torch.no_grad():
        empty_clip = clip_states([BEGIN] + [END] * (CHUNK - 1))
        for prompt in PROMPTS:
            parts = parts_of(prompt)
            rows = []
            for chunk in clip_chunks(parts, reference.clip):
                ids, weights = zip(*chunk)
                rows.append(torch.nn.functional.pad(weighted(clip_states(ids), empty_clip, weights), (0, WIDTH - 768)))
            ids, weights = zip(*t5_tokens(parts, reference.t5))
            rows.append(weighted(t5_states(ids), t5_states([1] + [0] * (len(ids) - 1)), weights))
            sums = (torch.cat(rows) @ signs).tolist()
            results.append({"prompt": prompt, "t5": len(ids), "sums": [round(value, 3) for value in sums]})
    with open(os.path.join(HERE, "conditions.jsonl"), "w", encoding="utf-8") as file:
        file.writelines(json.dumps(result) + "\n" for result in results)


if __name__ == "__main__":
    main()
