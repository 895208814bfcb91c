"""What the text encoders make of a prompt: as Stability's sd3_infer.py and ComfyUI put it together."""
import torch

from models import CLIP_EOS

BOS, WINDOW = 49406, 77


def clip_chunks(tokenizer, text, padding):
    """Windows of 75 ids between begin and end, padded with the end (CLIP-L) or 0 (CLIP-G), as ComfyUI's SDTokenizer (a text without weights and embeddings is one piece)."""
    ids, room = tokenizer(text), WINDOW - 2
    parts = [ids[at : at + room] for at in range(0, len(ids), room)] or [[]]
    return [[BOS, *part, CLIP_EOS] + [padding] * (room - len(part)) for part in parts]


class Conditions:
    def __init__(self, tokens, clip_l=None, clip_g=None, t5=None):
        self.tokens, self.clips, self.t5 = tokens, [(clip_l, 768, CLIP_EOS), (clip_g, 1280, 0)], t5

    @torch.no_grad()
    def __call__(self, text, t5_text=None, clip_skip=2):
        """Context [1, tokens, 4096] and pooled [1, 2048]. A missing encoder's part is zeros: of 77 tokens for T5."""
        states, pooled = [], []
        for clip, width, padding in self.clips:
            chunks = clip_chunks(self.tokens.clip, text, padding)
            if clip is None:
                states.append(torch.zeros(1, WINDOW * len(chunks), width))
                pooled.append(torch.zeros(1, width))
                continue
            outputs = [clip(torch.tensor([chunk]), output_hidden_states=True) for chunk in chunks]
            states.append(torch.cat([output.hidden_states[-clip_skip] for output in outputs], 1))
            pooled.append(outputs[0].text_embeds)
        context, more = torch.cat(states, 2), torch.zeros(1, WINDOW, 4096)
        if self.t5 is not None:
            ids = self.tokens.t5(text if t5_text is None else t5_text) + [1]
            more = self.t5(torch.tensor([ids + [0] * (WINDOW - len(ids))])).last_hidden_state
        context = torch.nn.functional.pad(context, (0, 4096 - context.shape[2]))
        return torch.cat([context, more], 1), torch.cat(pooled, 1)
