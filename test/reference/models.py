"""The parts of a model in diffusers' and transformers' classes, single precision, with the weights that models.ts writes."""
import json
import os
import re
import subprocess

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, SD3Transformer2DModel
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint, convert_sd3_transformer_checkpoint_to_diffusers
from diffusers.models.autoencoders.vae import Decoder
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, T5Config, T5EncoderModel

from weights import expand

HERE = os.path.dirname(os.path.abspath(__file__))
CLIP_EOS = 49407


def layouts():
    return json.loads(subprocess.check_output(["node", "--import", "tsx", os.path.join(HERE, "layouts.ts")], cwd=os.path.join(HERE, "..", "..")))


def tensors(layout):
    return {name: torch.from_numpy(expand(name, shape, mean, std)) for name, shape, mean, std in layout}


def load(model, state):
    """All tensors have to have a place, and all places a tensor."""
    missing, unexpected = model.load_state_dict(state, strict=False)
    missing = [name for name in missing if not name.endswith("position_ids")]
    assert not missing and not unexpected, (missing[:3], unexpected[:3])
    return model.eval()


def transformer(state):
    state = dict(state)
    hidden = state["x_embedder.proj.bias"].shape[0]
    depth = 1 + max(int(re.match(r"joint_blocks\.(\d+)", name)[1]) for name in state if name.startswith("joint_blocks"))
    dual = sorted({int(name.split(".")[1]) for name in state if "attn2" in name})
    model = SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=16, out_channels=16, num_layers=depth, attention_head_dim=hidden // depth, num_attention_heads=depth,
        joint_attention_dim=4096, caption_projection_dim=hidden, pooled_projection_dim=2048, qk_norm="rms_norm",
        pos_embed_max_size=int(state["pos_embed"].shape[1] ** 0.5), dual_attention_layers=tuple(dual),
    )  # fmt: skip
    return load(model, convert_sd3_transformer_checkpoint_to_diffusers(state))


def clip(state):
    width = state["text_model.final_layer_norm.weight"].shape[0]
    layers = 1 + max(int(found[1]) for name in state if (found := re.search(r"layers\.(\d+)", name)))
    config = CLIPTextConfig(
        vocab_size=49408, hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers, num_attention_heads=width // 64,
        hidden_act="quick_gelu" if width == 768 else "gelu", projection_dim=width, eos_token_id=CLIP_EOS, bos_token_id=49406,
    )  # fmt: skip
    model = CLIPTextModelWithProjection(config)
    identity = {"text_projection.weight": torch.eye(width)}  # of CLIP-L, whose files have none (Stability's sd3_impls.py: SDClipModel)
    return load(model, identity | state)


def t5(state):
    ff, width = state["encoder.block.0.layer.1.DenseReluDense.wi_0.weight"].shape
    config = T5Config(
        vocab_size=state["shared.weight"].shape[0], d_model=width, d_kv=64, d_ff=ff, num_heads=width // 64, num_layers=1, feed_forward_proj="gated-gelu",
    )  # fmt: skip
    return load(T5EncoderModel(config), {**state, "encoder.embed_tokens.weight": state["shared.weight"]})


def vae(state):
    widths = [128, 256, 512, 512]
    blocks = {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
    model = AutoencoderKL(
        **blocks, block_out_channels=widths, layers_per_block=2, latent_channels=16, scaling_factor=1.5305, shift_factor=0.0609,
        use_quant_conv=False, use_post_quant_conv=False,
    )  # fmt: skip
    width = state["decoder.norm_out.weight"].shape[0]
    model.decoder = Decoder(16, 3, blocks["up_block_types"], [width, 2 * width, 4 * width, 4 * width], layers_per_block=2, norm_num_groups=32)
    return load(model, convert_ldm_vae_checkpoint(dict(state), blocks))


def taesd(state):
    return load(AutoencoderTiny(latent_channels=16), state)
