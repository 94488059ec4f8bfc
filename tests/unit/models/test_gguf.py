"""The header reader on good files, on every kind of broken file, and under fuzzing."""

from __future__ import annotations

import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import gguf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import BrokenModelFile
from agent.models.gguf import MAX_LAYERS, TOKENS, Skipped, read_header
from agent.models.runnable import check_runnable
from tests.tiny_gguf import TEMPLATE_FILE, build, vocabulary

FUZZ = settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("gguf") / "tiny.gguf", layers=2, heads=2, ctx=8192)


def pair(key: str, kind: int, value: bytes) -> bytes:
    return struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", kind) + value


def text(key: str, value: str) -> bytes:
    return pair(key, 8, struct.pack("<Q", len(value)) + value.encode())


def number(key: str, value: int) -> bytes:
    return pair(key, 4, struct.pack("<I", value))


def tensor(name: str, shape: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    head = struct.pack("<Q", len(name)) + name.encode() + struct.pack("<I", len(shape))
    return head + struct.pack(f"<{len(shape)}QIQ", *shape, kind, offset)


def raw(*pairs: bytes, tensors: tuple[bytes, ...] = (), version: int = 3) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(pairs))
    return head + b"".join(pairs) + b"".join(tensors)


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    return path


MODEL = (
    text("general.architecture", "qwen2"),
    number("qwen2.block_count", 1),
    number("qwen2.context_length", 64),
    number("qwen2.embedding_length", 8),
    number("qwen2.attention.head_count", 1),
    pair("tokenizer.ggml.tokens", 9, struct.pack("<IQQ", 8, 1, 1) + b"a"),
)


def test_reads_what_the_writer_wrote(tiny: Path) -> None:
    header = read_header(tiny)
    check_runnable(header)
    assert header.version == 3
    assert header.architecture == "qwen2"
    assert (header.context_length, header.block_count, header.embedding_length) == (8192, 2, 32)
    assert (header.head_count, header.head_count_kv) == (2, (1, 1))
    assert (header.key_length, header.value_length) == (16, 16)
    assert header.chat_template == TEMPLATE_FILE.read_text("utf-8")
    assert header.tokenizer_pre == "qwen2"
    assert header.file_type == gguf.LlamaFileType.MOSTLY_F16
    tokens = vocabulary()[0]
    assert header.vocab_size == len(tokens)
    assert tokens[header.eos_token_id] == "<|im_end|>"


def test_agrees_with_the_gguf_package_about_every_tensor(tiny: Path) -> None:
    header = read_header(tiny)
    reference = gguf.GGUFReader(tiny)
    ours = {t.name: (t.shape, t.nbytes, header.data_offset + t.offset) for t in header.tensors}
    theirs = {
        t.name: (tuple(int(n) for n in t.shape), int(t.n_bytes), int(t.data_offset))
        for t in reference.tensors
    }
    assert ours == theirs
    assert header.expected_size == max(at + size for _, size, at in theirs.values())
    assert header.file_size - header.expected_size < 32


def test_big_arrays_are_counted_and_kept_only_on_request(tmp_path: Path) -> None:
    words = b"".join(struct.pack("<Q", 3) + b"%03d" % (n % 1000) for n in range(5000))
    floats = struct.pack("<IQ", 6, 3000) + bytes(12_000)
    path = write(
        tmp_path,
        raw(
            pair("words", 9, struct.pack("<IQ", 8, 5000) + words),
            pair("scores", 9, floats),
            number("after", 7),
        ),
    )
    header = read_header(path)
    assert header.metadata["words"] == Skipped(5000)
    assert header.metadata["scores"] == Skipped(3000)
    assert header.metadata["after"] == 7
    kept = read_header(path, keep={"words"}).metadata["words"]
    assert isinstance(kept, tuple)
    assert (len(kept), kept[1], kept[4999]) == (5000, "001", "999")


def test_skipping_strings_crosses_the_window(tmp_path: Path) -> None:
    words = b"".join(struct.pack("<Q", 700) + b"x" * 700 for _ in range(4000))
    path = write(
        tmp_path,
        raw(pair("words", 9, struct.pack("<IQ", 8, 4000) + words), number("after", 7)),
    )
    assert path.stat().st_size > 2 << 20
    assert read_header(path).metadata["after"] == 7


def test_version_2_is_read(tmp_path: Path) -> None:
    assert read_header(write(tmp_path, raw(number("x", 1), version=2))).version == 2


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html></html>", "HTML page"),
        (b"\n  <html>", "HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs pointer"),
        (bytes(4096), "begins with zeros"),
        (b"GG", "has only 2 bytes"),
        (b"PK\x03\x04 and so on", "zip archive"),
        (b"\x93NUMPY", "not a GGUF file"),
        (b"GGUF", "cut off"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
        (b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "version 9"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 40), "metadata keys"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 40, 0), "tensors"),
        (raw(pair("k", 99, bytes(8))), "unknown type 99"),
        (raw(pair("k", 8, struct.pack("<Q", 1 << 60) + bytes(64))), "claims"),
        (raw(pair("k", 8, struct.pack("<Q", 1000) + bytes(64))), "cut off"),
        (raw(pair("k", 9, struct.pack("<IQ", 9, 1) + bytes(64))), "array of arrays"),
        (raw(pair("k", 9, struct.pack("<IQ", 77, 1) + bytes(64))), "unknown type 77"),
        (raw(pair("k", 9, struct.pack("<IQ", 8, 1 << 60) + bytes(64))), "elements"),
        (raw(pair("k", 9, struct.pack("<IQ", 4, 1 << 20) + bytes(64))), "elements"),
        (raw(tensors=(tensor("t", (8,), kind=5),)), "type 5"),
        (raw(tensors=(tensor("t", (8,), kind=12),)), "multiple of 256"),
        (raw(tensors=(tensor("t", (8,), offset=1),)), "not aligned"),
        (raw(tensors=(tensor("t", (1,) * 5),)), "5 dimensions"),
        (raw(number("general.alignment", 0)), "power of two"),
        (raw(number("general.alignment", 48)), "power of two"),
    ],
)
def test_names_what_is_wrong_while_reading(tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises(BrokenModelFile) as caught:
        read_header(write(tmp_path, data))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def without(key: str, *more: bytes) -> tuple[bytes, ...]:
    return tuple(p for p in MODEL if key.encode() not in p) + more


@pytest.mark.parametrize(
    ("pairs", "tensors", "says"),
    [
        (MODEL, (), "no weights"),
        (without("architecture"), (tensor("t", (1,)),), "no architecture"),
        (without("tokens"), (tensor("t", (1,)),), "no vocabulary"),
        (without("block_count"), (tensor("t", (1,)),), "no layers"),
        (without("head_count"), (tensor("t", (1,)),), "no attention layer"),
        (
            (*MODEL, number("qwen2.attention.head_count_kv", 0)),
            (tensor("t", (1,)),),
            "no attention layer",
        ),
        (
            (*MODEL, pair("qwen2.attention.head_count_kv", 9, struct.pack("<IQI", 4, 1, 0))),
            (tensor("t", (1,)),),
            "no attention layer",
        ),
        (without("context"), (tensor("t", (1,)),), "0 tokens of context"),
        (
            without("block_count", pair("qwen2.block_count", 10, struct.pack("<Q", 1 << 62))),
            (tensor("t", (1,)),),
            "layers",
        ),
        # llama.cpp ends the process: its arrays have 512 layers; it divides by the interval.
        (without("block_count", number("qwen2.block_count", 513)), (tensor("t", (1,)),), "513"),
        (
            (*MODEL, number("qwen2.full_attention_interval", 0)),
            (tensor("t", (1,)),),
            "every 0th of its layers",
        ),
        (
            (*MODEL, number("qwen2.nextn_predict_layers", 2)),
            (tensor("t", (1,)),),
            "all its layers predict",
        ),
        ((*MODEL, number("split.count", 3)), (tensor("t", (1,)),), "split model"),
    ],
)
def test_names_what_cannot_be_run(
    tmp_path: Path, pairs: tuple[bytes, ...], tensors: tuple[bytes, ...], says: str
) -> None:
    header = read_header(write(tmp_path, raw(*pairs, tensors=tensors) + bytes(64)))
    with pytest.raises(BrokenModelFile, match=says):
        check_runnable(header)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("qwen2.attention.key_length", "keys have 8192 elements"),
        ("qwen2.attention.head_count", "attn_q of shape"),
        ("qwen2.attention.head_count_kv", "attn_k of shape"),
    ],
)
def test_a_shape_that_the_weights_do_not_have(
    tiny: Path, tmp_path: Path, key: str, says: str
) -> None:
    # llama.cpp asserts these when it builds the graph, and the process is gone.
    data = tiny.read_bytes()
    at = data.index(key.encode() + struct.pack("<I", 4)) + len(key) + 4
    changed = data[:at] + struct.pack("<I", 8192) + data[at + 4 :]
    with pytest.raises(BrokenModelFile, match=says):
        check_runnable(read_header(write(tmp_path, changed)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_an_epsilon_that_aborts_the_first_token(tiny: Path, tmp_path: Path, value: float) -> None:
    data = tiny.read_bytes()
    key = b"qwen2.attention.layer_norm_rms_epsilon" + struct.pack("<I", 6)
    at = data.index(key) + len(key)
    changed = data[:at] + struct.pack("<f", value) + data[at + 4 :]
    with pytest.raises(BrokenModelFile, match="layer_norm_rms_epsilon is"):
        check_runnable(read_header(write(tmp_path, changed)))


def test_a_bias_of_another_type(tiny: Path, tmp_path: Path) -> None:
    data = tiny.read_bytes()
    name = b"blk.0.attn_q.bias" + struct.pack("<IQ", 1, 32)
    at = data.index(name) + len(name)
    changed = data[:at] + struct.pack("<I", 1) + data[at + 4 :]
    with pytest.raises(BrokenModelFile, match=r"blk\.0\.attn_q\.bias is F16"):
        check_runnable(read_header(write(tmp_path, changed)))


def test_all_kept_strings_together_are_bounded(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.models.gguf.MAX_KEPT", 1000)
    with pytest.raises(BrokenModelFile, match="larger than 1,000 bytes"):
        read_header(tiny)


def test_a_claim_of_layers_costs_no_memory(tmp_path: Path) -> None:
    pairs = without("block_count", pair("qwen2.block_count", 10, struct.pack("<Q", 1 << 62)))
    header = read_header(write(tmp_path, raw(*pairs)))
    assert len(header.head_count_kv) == MAX_LAYERS


@pytest.mark.parametrize("arch", ["qwen2", "qwen35", "cohere2"])
def test_every_tiny_model_passes(tmp_path: Path, arch: str) -> None:
    path = build(tmp_path / "m.gguf", arch=arch, layers=2, heads=4, heads_kv=2)
    check_runnable(read_header(path, keep=(TOKENS,)))


def test_the_smallest_model_that_passes(tmp_path: Path) -> None:
    # The cases above differ from this one in one thing each.
    data = raw(*MODEL, tensors=(tensor("t", (1,)),)) + bytes(64)
    check_runnable(read_header(write(tmp_path, data)))


def test_a_token_that_is_there_twice(tmp_path: Path) -> None:
    # llama.cpp aborts the process: GGML_ASSERT(id_to_token.size() == token_to_id.size())
    def model(second: bytes) -> Path:
        strings = struct.pack("<Q", 1) + b"\xff" + struct.pack("<Q", 1) + second
        tokens = pair(TOKENS, 9, struct.pack("<IQ", 8, 2) + strings)
        pairs = without("tokens", tokens)
        return write(tmp_path, raw(*pairs, tensors=(tensor("t", (1,)),)) + bytes(64))

    check_runnable(read_header(model(b"\xfe"), keep=(TOKENS,)))
    with pytest.raises(BrokenModelFile, match="same token twice"):
        check_runnable(read_header(model(b"\xff"), keep=(TOKENS,)))


def test_a_cut_off_file_says_how_many_bytes_are_missing(tiny: Path, tmp_path: Path) -> None:
    whole = read_header(tiny)
    path = write(tmp_path, tiny.read_bytes()[: whole.expected_size - 1])
    with pytest.raises(BrokenModelFile) as caught:
        check_runnable(read_header(path), name="some-model")
    assert f"expected {whole.expected_size:,} bytes" in str(caught.value)
    assert f"has {whole.expected_size - 1:,}" in str(caught.value)
    assert "agent models pull some-model" in str(caught.value)


def test_folders_missing_files_and_unreadable_ones(tmp_path: Path) -> None:
    with pytest.raises(BrokenModelFile, match="is a folder"):
        read_header(tmp_path)
    with pytest.raises(BrokenModelFile, match="does not exist"):
        read_header(tmp_path / "no.gguf")
    with pytest.raises(BrokenModelFile, match="not a regular file"):
        read_header(Path("/dev/null"))


def test_a_real_zip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(BrokenModelFile, match="zip archive"):
        read_header(path)


def read_bounded(path: Path) -> None:
    """Read and check; only BrokenModelFile may come out, soon, and with little memory."""
    tracemalloc.start()
    start = time.perf_counter()
    try:
        header = read_header(path)
        check_runnable(header)
    except BrokenModelFile as error:
        assert "\n" not in str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert time.perf_counter() - start < 2
    assert peak < 8 << 20


@FUZZ
@given(data=st.binary(max_size=4096))
def test_random_bytes_behind_the_magic(tmp_path: Path, data: bytes) -> None:
    read_bounded(write(tmp_path, b"GGUF\x03\0\0\0" + data))


@FUZZ
@given(length=st.floats(0, 1))
def test_every_truncation(tiny: Path, tmp_path: Path, length: float) -> None:
    data = tiny.read_bytes()
    header_end = read_header(tiny).data_offset
    read_bounded(write(tmp_path, data[: int(length * header_end)]))


def test_no_truncated_header_is_taken_for_whole(tiny: Path, tmp_path: Path) -> None:
    data, header = tiny.read_bytes(), read_header(tiny)
    for length in range(0, header.data_offset, 37):
        with pytest.raises(BrokenModelFile):
            check_runnable(read_header(write(tmp_path, data[:length])))


@FUZZ
@given(
    changes=st.lists(
        st.tuples(st.floats(0, 0.999), st.sampled_from([b"\0", b"\xff", b"\x7f", b"\xff" * 8])),
        min_size=1,
        max_size=6,
    )
)
def test_mutated_headers(tiny: Path, tmp_path: Path, changes: list[tuple[float, bytes]]) -> None:
    data = bytearray(tiny.read_bytes())
    end = read_header(tiny).data_offset
    for where, value in changes:
        at = int(where * end)
        data[at : at + len(value)] = value
    read_bounded(write(tmp_path, bytes(data)))


@FUZZ
@given(where=st.integers(8, 600), value=st.integers(0, 2**64 - 1))
def test_mutated_lengths_near_the_start(tiny: Path, tmp_path: Path, where: int, value: int) -> None:
    data = bytearray(tiny.read_bytes())
    data[where : where + 8] = struct.pack("<Q", value)
    read_bounded(write(tmp_path, bytes(data)))
