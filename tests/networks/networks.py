"""Serves small configurations of networks of transformers as exported programs, and compares each bit with PyTorch's.

The package is installed into a folder of its own; weights are random ones.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim

import exported_suite
from exported_program import Program, floats, whole
from harness import REPO_ROOT, Server, connect_stub
from served_models import listed

PACKAGES = Path(__file__).with_name("packages.txt")
WORDS = 100
LAYERS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
TEXT = LAYERS | {"vocab_size": WORDS, "pad_token_id": 0}
IMAGES = LAYERS | {"image_size": 16, "patch_size": 4}
ENDS = {"bos_token_id": 1, "eos_token_id": WORDS - 1}
OPEN = {0: Dim("rows", min=2, max=64), 1: Dim("length", min=2, max=32)}


class Gives(nn.Module):
    """One of a network's results, of arguments by name."""

    def __init__(self, network: nn.Module, names: tuple[str, ...], result: str) -> None:
        super().__init__()
        self.network, self.names, self.result = network, names, result

    def forward(self, *arguments: Tensor) -> Tensor:
        return getattr(self.network(**dict(zip(self.names, arguments, strict=True))), self.result)


def text(rows: int, length: int) -> Tensor:
    return whole(rows, length, below=WORDS)


def install() -> None:
    folder = REPO_ROOT / "build/test-networks"
    stamp = folder / "installed"
    if not stamp.exists() or stamp.read_text() != PACKAGES.read_text():
        print("Installing transformers", flush=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        subprocess.run([*pip, "--upgrade", "--target", folder, "-r", PACKAGES], check=True)
        stamp.write_text(PACKAGES.read_text())
    sys.path.append(str(folder))  # Behind the environment's own: what both have is that of the environment.


def networks() -> dict[str, Program]:
    import transformers as hf

    def gives(result: str, names: str, network: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
        return lambda: Gives(network(), tuple(names.split()), result).eval()

    def clip() -> nn.Module:
        words = TEXT | ENDS | {"max_position_embeddings": 32}
        return hf.CLIPModel(hf.CLIPConfig(text_config=words, vision_config=IMAGES, projection_dim=16))

    def gpt2() -> nn.Module:
        sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "vocab_size": WORDS}
        return hf.GPT2LMHeadModel(hf.GPT2Config(**sizes, **ENDS, use_cache=False))

    def t5() -> nn.Module:
        sizes = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "vocab_size": WORDS}
        return hf.T5ForConditionalGeneration(hf.T5Config(**sizes, decoder_start_token_id=0, use_cache=False))

    def whisper() -> nn.Module:
        sizes = {"d_model": 32, "num_mel_bins": 8, "max_source_positions": 20, "vocab_size": WORDS, "pad_token_id": 0}
        for side in ("encoder", "decoder"):
            sizes |= {f"{side}_layers": 2, f"{side}_ffn_dim": 64, f"{side}_attention_heads": 4}
        config = hf.WhisperConfig(**sizes, **ENDS, max_target_positions=32, decoder_start_token_id=1, use_cache=False)
        return hf.WhisperForConditionalGeneration(config)

    def bert() -> nn.Module:
        return hf.BertModel(hf.BertConfig(**TEXT))

    def llama() -> nn.Module:
        return hf.LlamaForCausalLM(hf.LlamaConfig(**TEXT, **ENDS, use_cache=False))

    def vit() -> nn.Module:
        return hf.ViTModel(hf.ViTConfig(**IMAGES))

    def of_text(module: Callable[[], nn.Module]) -> Program:
        return Program(module, (text(3, 9),), ((OPEN,),), [(text(2, 2),), (text(5, 32),)])

    image, both = floats(3, 3, 16, 16), "decoder_input_ids"
    return {
        "bert": of_text(gives("last_hidden_state", "input_ids", bert)),
        "gpt2": of_text(gives("logits", "input_ids", gpt2)),
        "llama": of_text(gives("logits", "input_ids", llama)),
        "t5": Program(gives("logits", f"input_ids {both}", t5), (text(2, 9), text(2, 5))),
        "whisper": Program(gives("logits", f"input_features {both}", whisper), (floats(2, 8, 40), text(2, 5))),
        "clip": Program(gives("logits_per_image", "input_ids pixel_values", clip), (text(2, 9), image)),
        "vit": Program(gives("last_hidden_state", "pixel_values", vit), (image,)),
    }


def main() -> None:
    install()
    different = []
    with tempfile.TemporaryDirectory() as temporary:
        folder, programs = Path(temporary), networks()
        for name, program in programs.items():
            torch.manual_seed(0)
            torch.export.save(exported_suite.export(program), folder / f"{name}.pt2")
        with (
            Server("--model-dir", temporary, "--intra-op-threads", "1") as server,
            connect_stub(server.address) as stub,
        ):
            for name, program in programs.items():
                try:
                    answers = exported_suite.run(folder / f"{name}.pt2", program)
                    exported_suite.check(stub, listed(stub)[name]["1"], program, answers)
                    print(f"{name:<8} the same bits, asked {len(program.questions())} times")
                except AssertionError as error:
                    print(f"{name:<8} {str(error).splitlines()[0]}")
                    different.append(name)
    if different:
        sys.exit(f"{len(different)} of {len(programs)} networks do not answer with PyTorch's bits")


if __name__ == "__main__":
    main()
