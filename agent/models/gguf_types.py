"""Tables for agent/models/gguf.py: tensor types, and what a file is that is not a GGUF."""

from __future__ import annotations

# Number -> (name, elements a block, bytes a block); ggml.h and ggml-common.h of llama.cpp.
# The missing numbers were removed from the format.
TENSOR_TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 36),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
}

_KINDS = (
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x7fELF", "a program"),
    (b"ggml", "a file of the old ggml format"),
    (b"ggjt", "a file of the old ggml format"),
    (b"FUGG", "a big-endian GGUF"),
)


def describe_other_file(start: bytes, size: int) -> str:
    """Say what a file is that does not begin with the GGUF magic.

    `start` is its first bytes (up to 512), `size` its length in bytes.
    """
    again = "delete it and download it again"
    if size == 0:
        return f"is empty; {again}"
    if start.startswith(b"version https://git-lfs"):
        return "is a git-lfs pointer, not the model: run `git lfs pull` or download the file"
    if start.lstrip()[:1] == b"<":
        return f"is an HTML page, perhaps of a login or an error; {again}"
    if not start.strip(b"\0"):
        return f"begins with zeros: the download did not finish; {again}"
    if b"GGUF".startswith(start):
        return f"has only {size} bytes; {again}"
    for magic, kind in _KINDS:
        if start.startswith(magic):
            return f"is {kind}, not a GGUF file"
    return f"is not a GGUF file (it begins with {start[:4].hex(' ')})"
