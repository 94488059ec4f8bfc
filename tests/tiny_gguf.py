"""Write a tiny GGUF with random weights that llama.cpp loads in milliseconds.

    from tests.tiny_gguf import build
    path = build(tmp_path / "tiny.gguf")                     # full attention, ChatML, 4,096 tokens
    path = build(tmp_path / "tiny.gguf", arch="qwen35", layers=4)   # hybrid: no partial removal
    path = build(tmp_path / "tiny.gguf", arch="cohere2", ctx=262_144)  # sliding window: O(n)

The tokenizer is byte-level BPE: 256 bytes, a few merges, and the control tokens of Qwen2.5. The
chat template is the one of Qwen2.5-Coder. The same arguments give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from gguf import TokenType

TEMPLATE_FILE = Path(__file__).parent / "unit/models/data/qwen2.5-coder.jinja"

SPECIAL = (
    ("<|endoftext|>", TokenType.CONTROL),
    ("<|im_start|>", TokenType.CONTROL),
    ("<|im_end|>", TokenType.CONTROL),
    ("<tool_call>", TokenType.USER_DEFINED),
    ("</tool_call>", TokenType.USER_DEFINED),
    ("<tool_response>", TokenType.USER_DEFINED),
    ("</tool_response>", TokenType.USER_DEFINED),
    ("<think>", TokenType.USER_DEFINED),
    ("</think>", TokenType.USER_DEFINED),
)
MERGES = [
    *("t h", "th e", "i n", "e r", "a n", "o n", "r e", "Ġ the", "Ġ a", "f u", "fu n", "c t"),
    *("Ġ Ġ", "ĠĠ ĠĠ", "s e", "se l", "sel f", "d e", "de f", "r etu", "Ċ ĠĠĠĠ"),
]
SSM_STATE = 32  # the fused kernel of llama.cpp takes 16, 32, 64 or 128


@dataclass(frozen=True)
class Shape:
    """The architecture; lengths in elements, `ctx` and `window` in tokens."""

    arch: str = "qwen2"
    layers: int = 1
    embd: int = 32
    heads: int = 1
    heads_kv: int = 1
    head_dim: int = 0
    ff: int = 64
    ctx: int = 4096
    seed: int = 0
    interval: int = 2
    window: int = 512
    pooling: int = -1  # a gguf.PoolingType, of embedding models

    @property
    def head(self) -> int:
        return self.head_dim or self.embd // self.heads


def _bytes_to_printable() -> dict[int, str]:
    """GPT-2's map from bytes to printable characters."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {byte: chr(byte) for byte in plain}
    rest = [byte for byte in range(256) if byte not in table]
    return table | {byte: chr(256 + n) for n, byte in enumerate(rest)}


def vocabulary() -> tuple[list[str], list[TokenType], list[str]]:
    """(tokens, their types, merges); the tokens of SPECIAL come last, in order."""
    printable = _bytes_to_printable()
    tokens = [printable[byte] for byte in range(256)]
    merges = []
    for merge in MERGES:
        left, right = merge.split(" ")
        if left in tokens and right in tokens:
            merges.append(merge)
            tokens.append(left + right)
    types = [TokenType.NORMAL] * len(tokens) + [kind for _, kind in SPECIAL]
    return tokens + [text for text, _ in SPECIAL], types, merges


def _write_hyperparameters(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_name(f"tiny-{shape.arch}")
    writer.add_context_length(shape.ctx)
    writer.add_embedding_length(shape.embd)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ff)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads_kv)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_rope_dimension_count(shape.head)
    if shape.pooling >= 0:
        writer.add_pooling_type(gguf.PoolingType(shape.pooling))
    if shape.arch == "cohere2":
        writer.add_sliding_window(shape.window)
        writer.add_logit_scale(1.0)
        writer.add_layer_norm_eps(1e-5)
    if shape.arch == "qwen35":
        writer.add_rope_dimension_sections([shape.head // 4, shape.head // 4, 0, 0])
        writer.add_ssm_conv_kernel(4)
        writer.add_ssm_inner_size(SSM_STATE)
        writer.add_ssm_state_size(SSM_STATE)
        writer.add_ssm_time_step_rank(1)
        writer.add_ssm_group_count(1)
        writer.add_uint32("qwen35.full_attention_interval", shape.interval)


def _write_tokenizer(writer: gguf.GGUFWriter, shape: Shape, template: str) -> None:
    tokens, types, merges = vocabulary()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen35" if shape.arch == "qwen35" else "qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_pad_token_id(tokens.index("<|endoftext|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(template)


class _Weights:
    """Adds tensors; numpy shapes are the reverse of ggml's."""

    def __init__(self, writer: gguf.GGUFWriter, seed: int) -> None:
        self.writer = writer
        self.random = np.random.default_rng(seed)

    def matrix(self, name: str, rows: int, columns: int, std: float = 0.05) -> None:
        values = self.random.standard_normal((rows, columns)) * std
        self.writer.add_tensor(name, values.astype(np.float16))

    def vector(self, name: str, length: int, value: float = 1.0) -> None:
        self.writer.add_tensor(name, np.full(length, value, np.float32))


def _attention(weights: _Weights, block: str, shape: Shape) -> None:
    # qwen35 gates the output of the attention, with a second half of the query
    query = shape.heads * shape.head * (2 if shape.arch == "qwen35" else 1)
    key = shape.heads_kv * shape.head
    weights.matrix(block + "attn_q.weight", query, shape.embd)
    weights.matrix(block + "attn_k.weight", key, shape.embd)
    weights.matrix(block + "attn_v.weight", key, shape.embd)
    weights.matrix(block + "attn_output.weight", shape.embd, shape.heads * shape.head)
    if shape.arch == "qwen35":
        weights.vector(block + "attn_q_norm.weight", shape.head)
        weights.vector(block + "attn_k_norm.weight", shape.head)
    if shape.arch == "qwen2":
        weights.vector(block + "attn_q.bias", query, 0.0)
        weights.vector(block + "attn_k.bias", key, 0.0)
        weights.vector(block + "attn_v.bias", key, 0.0)


def _recurrent(weights: _Weights, block: str, shape: Shape) -> None:
    state = SSM_STATE
    weights.matrix(block + "attn_qkv.weight", 3 * state, shape.embd)
    weights.matrix(block + "attn_gate.weight", state, shape.embd)
    conv = weights.random.standard_normal((3 * state, 4)) * 0.1
    weights.writer.add_tensor(block + "ssm_conv1d.weight", conv.astype(np.float32))
    weights.vector(block + "ssm_dt.bias", 1)
    weights.vector(block + "ssm_a", 1, -1.0)
    weights.matrix(block + "ssm_beta.weight", 1, shape.embd)
    weights.matrix(block + "ssm_alpha.weight", 1, shape.embd)
    weights.vector(block + "ssm_norm.weight", state)
    weights.matrix(block + "ssm_out.weight", shape.embd, state)


def _write_weights(weights: _Weights, shape: Shape) -> None:
    tokens = len(vocabulary()[0])
    weights.matrix("token_embd.weight", tokens, shape.embd, std=0.5)
    weights.vector("output_norm.weight", shape.embd)
    if shape.arch != "cohere2":  # ties its embeddings
        weights.matrix("output.weight", tokens, shape.embd, std=0.5)
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        weights.vector(block + "attn_norm.weight", shape.embd)
        if shape.arch == "qwen35" and (layer + 1) % shape.interval:
            _recurrent(weights, block, shape)
        else:
            _attention(weights, block, shape)
        if shape.arch == "qwen35":
            weights.vector(block + "post_attention_norm.weight", shape.embd)
        if shape.arch == "qwen2":
            weights.vector(block + "ffn_norm.weight", shape.embd)
        weights.matrix(block + "ffn_gate.weight", shape.ff, shape.embd)
        weights.matrix(block + "ffn_up.weight", shape.ff, shape.embd)
        weights.matrix(block + "ffn_down.weight", shape.embd, shape.ff)


def build(path: Path, *, template: str | None = None, **shape: int | str) -> Path:
    """Write the model to `path` and return it; `shape` holds fields of Shape.

    arch: "qwen2" (full attention), "qwen35" (hybrid; `interval` says which layers attend),
    "cohere2" (sliding `window` in up to 3 layers). `template` replaces the chat template.
    """
    built = Shape(**shape)  # type: ignore[arg-type]
    text = TEMPLATE_FILE.read_text("utf-8") if template is None else template
    writer = gguf.GGUFWriter(path, built.arch)
    _write_hyperparameters(writer, built)
    _write_tokenizer(writer, built, text)
    _write_weights(_Weights(writer, built.seed), built)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
