"""How long a context fits: the model's own limit, the memory, and what the user asked for."""

from __future__ import annotations

from dataclasses import dataclass

from agent.errors import ModelUnavailable, UsageError
from agent.models.gguf import Header

CPU_DEFAULT = 32_768
SMALLEST = 2_048
STEP = 256
F16_BYTES = 2
# Compute buffers, logits, the Python process and what else the desktop wants to keep.
RESERVE = 768 << 20


@dataclass(frozen=True)
class Fit:
    """n_ctx in tokens; kv_bytes_per_token for an f16 cache; `reason` is one line for the user."""

    n_ctx: int
    kv_bytes_per_token: int
    reason: str


def _attention_layers(header: Header) -> list[int]:
    """Key/value heads of every layer that keeps a cache which grows with the context."""
    heads = list(header.head_count_kv)
    # The last layers of some files predict further tokens; they are not run in the main pass.
    heads = heads[: len(heads) - header.number("{arch}.nextn_predict_layers")]
    interval = header.number("{arch}.full_attention_interval")
    if interval > 1:
        # Hybrids: every interval-th layer attends, the others keep a state of fixed size.
        heads = [n for i, n in enumerate(heads, start=1) if i % interval == 0]
    return [n for n in heads if n > 0]


def kv_bytes_per_token(header: Header) -> int:
    """Bytes of an f16 cache for one token.

    An upper bound for sliding-window models. Multi-head latent attention keeps keys only: one
    latent vector a layer, with no value cache (llama.cpp, `llama_hparams::is_mla`).
    """
    layers = _attention_layers(header)
    mla = header.number("{arch}.attention.key_length_mla")
    if mla or (header.architecture == "deepseek2" and set(layers) == {1}):
        return len(layers) * header.key_length * F16_BYTES
    return sum(layers) * (header.key_length + header.value_length) * F16_BYTES


def memory_needed(header: Header, n_ctx: int) -> int:
    """Bytes for weights, cache and buffers at a context of `n_ctx` tokens."""
    return header.file_size + kv_bytes_per_token(header) * n_ctx + RESERVE


def weights_fit(size: int, available_bytes: int) -> bool:
    """Whether weights of `size` bytes can run in the memory that is free; 0 free is unknown."""
    return available_bytes == 0 or size + RESERVE <= available_bytes


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"


def fit(header: Header, *, available_bytes: int, gpu: bool, requested: int | None) -> Fit:
    """Choose the context length.

    `available_bytes` is the memory of the device that holds weights and cache; 0 means unknown.
    Without a request: what model and memory allow, on a CPU at most 32,768 tokens. A request is
    honoured even if memory looks short, and the reason says so. Raises UsageError when it exceeds
    what the model was made for, and ModelUnavailable when not even 2,048 tokens fit.
    """
    per_token = kv_bytes_per_token(header)
    limit = header.context_length
    room = max(0, available_bytes - header.file_size - RESERVE)
    fits = room // per_token // STEP * STEP if available_bytes and per_token else limit
    if requested is not None:
        return _requested(header, requested, fits, available_bytes)
    if fits < min(SMALLEST, limit):
        raise ModelUnavailable(
            f"{header.path.name} needs {_gib(memory_needed(header, min(SMALLEST, limit)))} of "
            f"memory and {_gib(available_bytes)} is free: close programs or take a smaller model"
        )
    choices = [(limit, "all the model has"), (fits, f"what {_gib(available_bytes)} holds")]
    if not gpu:
        choices.append((CPU_DEFAULT, "the default on a CPU"))
    n_ctx, reason = min(choices, key=lambda choice: choice[0])
    return Fit(n_ctx, per_token, f"{n_ctx:,} tokens: {reason}")


def _requested(header: Header, requested: int, fits: int, available: int) -> Fit:
    if requested < 1:
        raise UsageError(f"a context of {requested} tokens is not possible")
    if requested > header.context_length:
        raise UsageError(
            f"the model has a context of {header.context_length:,} tokens, not {requested:,}"
        )
    reason = f"{requested:,} tokens: as asked for"
    if requested > fits:
        need = _gib(memory_needed(header, requested))
        reason += f"; needs {need} and {_gib(available)} is free, so it may be slow or be killed"
    return Fit(requested, kv_bytes_per_token(header), reason)
