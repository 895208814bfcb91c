"""What the text encoders make of a prompt: as Stability's sd3_infer.py and ComfyUI put it together."""
import torch

from models import CLIP_EOS

BOS, WINDOW = 49406, 77


def clip_chunks(tokenizer, text):
    """Windows of 75 ids between begin and end, padded with the end, as ComfyUI's SDTokenizer (a text without weights and embeddings is one piece)."""
    ids, room = tokenizer(text), WINDOW - 2
    parts = [ids[at : at + room] for at in range(0, len(ids), room)] or [[]]
    return [[BOS, *part] + [CLIP_EOS] * (WINDOW - 1 - len(part)) for part in parts]


class Conditions:
    def __init__(self, tokens, clip=None, t5=None):
        self.tokens, self.clip, self.t5 = tokens, clip, t5

    @torch.no_grad()
    def __call__(self, text, t5_text=None, clip_skip=2):
        """Context [1, tokens, 4096] and pooled [1, 2048]. A missing encoder's part is zeros: of 77 tokens for T5."""
        states, pooled = torch.zeros(1, WINDOW, 4096), torch.zeros(1, 2048)
        if self.clip is not None:
            outputs = [self.clip(torch.tensor([chunk]), output_hidden_states=True) for chunk in clip_chunks(self.tokens.clip, text)]
            own = torch.cat([output.hidden_states[-clip_skip] for output in outputs], 1)
            states = torch.nn.functional.pad(own, (0, 4096 - own.shape[2]))
            pooled[:, : own.shape[2]] = outputs[0].text_embeds
        more = torch.zeros(1, WINDOW, 4096)
        if self.t5 is not None:
            ids = self.tokens.t5(text if t5_text is None else t5_text) + [1]
            more = self.t5(torch.tensor([ids + [0] * (WINDOW - len(ids))])).last_hidden_state
        return torch.cat([states, more], 1), pooled
