"""Context that fits: the cache's size for every kind of attention, and who wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import ModelUnavailable, UsageError
from agent.models.fit import RESERVE, fit, kv_bytes_per_token, memory_needed, weights_fit
from agent.models.gguf import Header, Value

KIB, GIB = 1 << 10, 1 << 30


def header(arch: str, *, size: int = GIB, ctx: int = 262_144, **keys: Value) -> Header:
    metadata: dict[str, Value] = {"general.architecture": arch, f"{arch}.context_length": ctx}
    metadata |= {f"{arch}.{key.replace('__', '.')}": value for key, value in keys.items()}
    return Header(Path("m.gguf"), 3, size, metadata, (), 0, size)


def dense(**keys: Value) -> Header:
    shape: dict[str, Value] = {
        "block_count": 28,
        "embedding_length": 1536,
        "attention__head_count": 12,
        "attention__head_count_kv": 2,
    }
    return header("qwen2", **{"ctx": 32_768, **shape, **keys})  # type: ignore[arg-type]


HYBRID: dict[str, Value] = {"full_attention_interval": 4, "attention__head_count": 16}


@pytest.mark.parametrize(
    ("model", "kib"),
    [
        # The numbers of ENGINE.md, from the shapes that the makers publish.
        (dense(), 28),
        (
            dense(block_count=24, embedding_length=896, attention__head_count=14),
            12,
        ),
        (
            header(
                "qwen3moe",
                block_count=48,
                attention__head_count=32,
                attention__head_count_kv=4,
                attention__key_length=128,
                attention__value_length=128,
            ),
            96,
        ),
        (
            header(
                "qwen35moe",
                block_count=40,
                attention__head_count_kv=2,
                attention__key_length=256,
                attention__value_length=256,
                **HYBRID,
            ),
            20,
        ),
        (
            header(
                "qwen35",
                block_count=64,
                attention__head_count_kv=4,
                attention__key_length=256,
                attention__value_length=256,
                **HYBRID,
            ),
            64,
        ),
        (
            header(
                "qwen3next",
                block_count=48,
                attention__head_count_kv=2,
                attention__key_length=256,
                attention__value_length=256,
                **HYBRID,
            ),
            24,
        ),
        (
            header(
                "deepseek2",
                block_count=47,
                attention__head_count=20,
                attention__head_count_kv=1,
                attention__key_length=576,
                attention__value_length=512,
                attention__key_length_mla=256,
                attention__value_length_mla=256,
            ),
            52.875,
        ),
    ],
    ids=["1.5b", "0.5b", "coder-30b", "3.6-35b", "3.8-27b", "next", "glm-flash"],
)
def test_cache_bytes_of_a_token(model: Header, kib: float) -> None:
    assert kv_bytes_per_token(model) == kib * KIB


def test_layers_without_attention_cost_nothing() -> None:
    heads = (0, 2, 0, 2)
    assert kv_bytes_per_token(dense(block_count=4, attention__head_count_kv=heads)) == 2 * KIB


def test_layers_that_predict_further_tokens_are_not_counted() -> None:
    assert kv_bytes_per_token(dense(block_count=29, nextn_predict_layers=1)) == 28 * KIB


def test_all_of_the_model_when_there_is_room() -> None:
    got = fit(dense(), available_bytes=16 * GIB, gpu=False, requested=None)
    assert (got.n_ctx, got.kv_bytes_per_token) == (32_768, 28 * KIB)
    assert "all the model has" in got.reason


def test_a_cpu_stops_at_32k_and_a_gpu_does_not() -> None:
    model = dense(ctx=262_144)
    assert fit(model, available_bytes=64 * GIB, gpu=False, requested=None).n_ctx == 32_768
    assert fit(model, available_bytes=64 * GIB, gpu=True, requested=None).n_ctx == 262_144


def test_memory_decides_when_it_is_short() -> None:
    free = memory_needed(dense(), 10_000)
    got = fit(dense(), available_bytes=free, gpu=False, requested=None)
    assert got.n_ctx == 9_984  # 10,000 rounded down to a multiple of 256
    assert memory_needed(dense(), got.n_ctx) <= free
    assert "holds" in got.reason


def test_too_little_memory_is_said_with_numbers() -> None:
    with pytest.raises(ModelUnavailable, match=r"needs 1\.8 GiB.* 1\.5 GiB is free"):
        fit(dense(), available_bytes=3 * GIB // 2, gpu=False, requested=None)


def test_a_model_with_a_short_context_needs_no_more_than_that() -> None:
    model = dense(ctx=512)
    free = memory_needed(model, 512)
    assert fit(model, available_bytes=free, gpu=False, requested=None).n_ctx == 512


def test_unknown_memory_does_not_limit() -> None:
    assert fit(dense(), available_bytes=0, gpu=False, requested=None).n_ctx == 32_768


def test_a_request_is_taken_as_it_is() -> None:
    assert fit(dense(), available_bytes=16 * GIB, gpu=False, requested=5000).n_ctx == 5000


def test_a_request_beyond_the_memory_is_taken_with_a_warning() -> None:
    got = fit(dense(), available_bytes=GIB, gpu=False, requested=32_768)
    assert got.n_ctx == 32_768
    assert "1.0 GiB is free" in got.reason


@pytest.mark.parametrize("requested", [0, -1, 32_769])
def test_an_impossible_request_is_refused(requested: int) -> None:
    with pytest.raises(UsageError):
        fit(dense(), available_bytes=16 * GIB, gpu=False, requested=requested)


def test_weights_need_the_reserve_too() -> None:
    assert weights_fit(GIB, GIB + RESERVE)
    assert not weights_fit(GIB, GIB + RESERVE - 1)
    assert weights_fit(GIB, 0)
