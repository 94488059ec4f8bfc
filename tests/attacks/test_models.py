"""A model's file is a stranger's: what its header claims must cost nothing, and end nothing.

Each control is a reader that believes the claim, or llama.cpp itself, which it ends.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import BrokenModelFile
from agent.models.gguf import read_header
from agent.models.runnable import check_runnable
from tests.tiny_gguf import build

HEAD = b"GGUF" + struct.pack("<I", 3)
BOMB = 1 << 60
# Loads a file with nobody looking at it first, as other programs do.
BARE = """
import sys
from llama_cpp import Llama
model = Llama(sys.argv[1], n_ctx=64, verbose=False)
model.eval(model.tokenize(b"x"))
"""


def string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def believing(data: bytes) -> int:
    """How many bytes a reader asks for that takes the first claim at its word."""
    tensors, keys = struct.unpack("<QQ", data[8:24])
    if max(tensors, keys) > 1000:
        return int(max(tensors, keys))
    at = 24 + 8 + struct.unpack("<Q", data[24:32])[0]
    kind = struct.unpack("<I", data[at : at + 4])[0]
    size = data[at + 4 : at + 12] if kind == 8 else data[at + 8 : at + 16]
    return int(struct.unpack("<Q", size)[0])


@pytest.mark.parametrize(
    "body",
    [
        struct.pack("<QQ", 0, BOMB),
        struct.pack("<QQ", BOMB, 0),
        struct.pack("<QQ", 0, 1) + string(b"k") + struct.pack("<IQ", 8, BOMB) + bytes(64),
        struct.pack("<QQ", 0, 1) + string(b"k") + struct.pack("<IIQ", 9, 8, BOMB) + bytes(64),
        struct.pack("<QQ", 0, 1) + string(b"k") + struct.pack("<IIQ", 9, 4, BOMB) + bytes(64),
    ],
    ids=["keys", "tensors", "a string", "an array of strings", "an array of numbers"],
)
def test_a_claim_of_a_billion_gigabytes_is_refused(tmp_path: Path, body: bytes) -> None:
    with pytest.raises((MemoryError, OverflowError)):
        bytearray(believing(HEAD + body))
    path = tmp_path / "bomb.gguf"
    path.write_bytes(HEAD + body)
    with pytest.raises(BrokenModelFile) as caught:
        read_header(path)
    assert "\n" not in str(caught.value)


def test_a_header_without_an_end_is_refused(tmp_path: Path) -> None:
    """Arrays in arrays: a reader that calls itself for each is at the end of its stack."""
    depth = 100_000
    nested = string(b"k") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * depth
    path = tmp_path / "deep.gguf"
    path.write_bytes(HEAD + struct.pack("<QQ", 0, 1) + nested)

    def believe(at: int) -> int:
        kind, _count = struct.unpack_from("<IQ", nested, at)
        return believe(at + 12) if kind == 9 else at

    with pytest.raises(RecursionError):
        believe(13)
    with pytest.raises(BrokenModelFile, match="array of arrays"):
        read_header(path)


@pytest.mark.parametrize("kind", ["heads", "shape"])
def test_a_file_that_ends_llama_cpp_is_refused(tmp_path: Path, kind: str) -> None:
    """It asserts while it builds its graph: the whole process is gone, with the session."""
    good = build(tmp_path / "good.gguf", heads=2, heads_kv=2)
    data = good.read_bytes()
    key = {"heads": b"qwen2.attention.head_count", "shape": b"qwen2.attention.key_length"}[kind]
    mark = key + struct.pack("<I", 4)
    assert mark in data
    at = data.index(mark) + len(mark)
    evil = tmp_path / "evil.gguf"
    evil.write_bytes(data[:at] + struct.pack("<I", 8192) + data[at + 4 :])
    check_runnable(read_header(good))
    command = [sys.executable, "-c", BARE]
    assert subprocess.run([*command, str(good)], capture_output=True, check=False).returncode == 0
    assert subprocess.run([*command, str(evil)], capture_output=True, check=False).returncode != 0
    with pytest.raises(BrokenModelFile):
        check_runnable(read_header(evil))
