"""The part of llama.cpp's C interface that we use, with Python types and without policy.

Source of the facts: ``llama_cpp/llama_cpp.py`` of llama-cpp-python 0.3.36. Everything here must be
called from one thread, except :func:`silence`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as C
import numpy as np
import numpy.typing as npt

from agent.errors import BrokenModelFile, IngleError

_ERROR_LEVEL = 4


class _LogTail:
    """Keeps llama.cpp's last error lines for our own messages and prints nothing."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        # ctypes callbacks must outlive every call into the library.
        self.callback = C.llama_log_callback(self._take)
        C.llama_log_set(self.callback, ctypes.c_void_p(0))

    def _take(self, level: int, text: bytes, _data: object) -> None:
        if level == _ERROR_LEVEL:
            self.errors = [*self.errors[-7:], text.decode("utf-8", "replace").strip()]


_log: _LogTail | None = None


def silence() -> None:
    """Start the library with its log in memory. Idempotent: the library is process-wide."""
    global _log
    if _log is None:
        _log = _LogTail()
        C.llama_backend_init()


def last_errors() -> str:
    return "; ".join(_log.errors) if _log else ""


def supports_gpu() -> bool:
    return bool(C.llama_supports_gpu_offload())


def system_info() -> str:
    """llama.cpp's own line about the instruction sets it was compiled for."""
    line: bytes = C.llama_print_system_info()
    return line.decode("utf-8", "replace")


def has_broken_amx() -> bool:
    """True when the build uses AMX tiles, whose kernels crash on some machines.

    Source: llama.cpp pull request 26954 (the compiler drops the tile settings, and each thread
    would have to ask the kernel for the tiles). Such a build runs without repacked weights
    instead; with and without, prefill and decode were the same here within noise.
    """
    return "AMX_INT8 = 1" in system_info()


class Model:
    """Weights and vocabulary of one GGUF file."""

    def __init__(self, path: Path, *, progress: Callable[[float], bool], vocab_only: bool = False):
        """Load `path`; `progress` gets 0.0 to 1.0 and returns False to stop.

        Raises:
            BrokenModelFile: llama.cpp refuses the file.
            InterruptedError: `progress` said stop.
        """
        params = C.llama_model_default_params()
        params.n_gpu_layers = -1 if supports_gpu() else 0
        params.vocab_only = vocab_only
        params.use_extra_bufts = not has_broken_amx()
        stopped = False

        def on_progress(done: float, _data: object) -> bool:
            nonlocal stopped
            stopped = stopped or not progress(done)
            return not stopped

        self._progress = C.llama_progress_callback(on_progress)
        params.progress_callback = self._progress
        self.pointer = C.llama_model_load_from_file(str(path).encode(), params)
        if not self.pointer:
            if stopped:
                raise InterruptedError("loading was interrupted")
            raise BrokenModelFile(f"llama.cpp cannot load {path}: {last_errors() or 'no reason'}")
        self.vocab = C.llama_model_get_vocab(self.pointer)
        self.n_vocab: int = C.llama_vocab_n_tokens(self.vocab)
        self._piece_buffer = ctypes.create_string_buffer(512)

    def chat_template(self) -> str:
        raw = C.llama_model_chat_template(self.pointer, None)
        return raw.decode("utf-8", "replace") if raw else ""

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        """Token ids of `text`; `control` lets control tokens be recognised in it."""
        raw = text.encode("utf-8", "surrogatepass")
        if not raw:
            return []
        room = len(raw) + 8
        tokens = (C.llama_token * room)()
        count = C.llama_tokenize(self.vocab, raw, len(raw), tokens, room, False, control)
        if count < 0:
            raise IngleError(f"cannot tokenise {len(raw)} bytes: llama.cpp wants {-count} tokens")
        return list(tokens[:count])

    def piece(self, token: int) -> bytes:
        """The bytes of one token, control tokens spelled out."""
        size = len(self._piece_buffer)
        count = C.llama_token_to_piece(self.vocab, token, self._piece_buffer, size, 0, True)
        if count < 0:
            self._piece_buffer = ctypes.create_string_buffer(-count)
            return self.piece(token)
        return self._piece_buffer.raw[:count]

    def is_end(self, token: int) -> bool:
        return bool(C.llama_vocab_is_eog(self.vocab, token))

    def free(self) -> None:
        if self.pointer:
            C.llama_model_free(self.pointer)
            self.pointer = None


@dataclass(frozen=True)
class ContextSettings:
    """Sizes in tokens; `n_batch` is also the step in which prefill reports progress."""

    n_ctx: int
    threads: int
    n_batch: int = 512


class Context:
    """A KV cache with one sequence, and the logits of the last evaluated token."""

    def __init__(self, model: Model, settings: ContextSettings):
        params = C.llama_context_default_params()
        params.n_ctx = settings.n_ctx
        params.n_batch = params.n_ubatch = settings.n_batch
        params.n_threads = params.n_threads_batch = settings.threads
        params.n_outputs_max = 1  # one row of logits; the default keeps n_batch rows
        params.flash_attn_type = C.LLAMA_FLASH_ATTN_TYPE_AUTO
        params.no_perf = True
        self.pointer = C.llama_init_from_model(model.pointer, params)
        if not self.pointer:
            raise IngleError(
                f"llama.cpp cannot make a context of {settings.n_ctx} tokens "
                f"({last_errors() or 'no reason given'}): try a smaller --ctx"
            )
        self.n_ctx: int = C.llama_n_ctx(self.pointer)
        self.n_batch = settings.n_batch
        self._n_vocab = model.n_vocab
        self._memory = C.llama_get_memory(self.pointer)
        self._batch = C.llama_batch_init(settings.n_batch, 0, 1)
        self._abort: Any = None

    def decode(self, tokens: Sequence[int], position: int, *, logits: bool) -> bool:
        """Evaluate at most `n_batch` tokens from `position` on; False when it was aborted.

        Raises:
            IngleError: no room in the cache, or the computation failed.
        """
        batch = self._batch
        for i, token in enumerate(tokens):
            batch.token[i] = token
            batch.pos[i] = position + i
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = 0
            batch.logits[i] = 0
        batch.logits[len(tokens) - 1] = int(logits)
        batch.n_tokens = len(tokens)
        code = C.llama_decode(self.pointer, batch)
        if code in (0, 2):
            return bool(code == 0)
        reason = "the context is full" if code == 1 else f"code {code} {last_errors()}"
        raise IngleError(f"llama.cpp cannot evaluate {len(tokens)} tokens at {position}: {reason}")

    def on_abort(self, check: Callable[[], bool] | None) -> None:
        """Ask `check` between graph nodes; CPU and Metal only, other backends ignore it."""
        if check is None:
            C.llama_set_abort_callback(self.pointer, C.ggml_abort_callback(), None)
            self._abort = None
        else:
            self._abort = C.ggml_abort_callback(lambda _data: check())
            C.llama_set_abort_callback(self.pointer, self._abort, None)

    def logits(self) -> npt.NDArray[np.float32]:
        """The last row of logits, shape [n_vocab], as a writable view into llama.cpp's memory."""
        return np.ctypeslib.as_array(C.llama_get_logits_ith(self.pointer, -1), (self._n_vocab,))

    def length(self) -> int:
        """How many positions are in the cache."""
        return int(C.llama_memory_seq_pos_max(self._memory, 0)) + 1

    def truncate(self, length: int) -> bool:
        """Drop the positions from `length` on; False where the model cannot (hybrids)."""
        return bool(C.llama_memory_seq_rm(self._memory, 0, length, -1))

    def clear(self) -> None:
        C.llama_memory_clear(self._memory, True)

    def free(self) -> None:
        if self.pointer:
            C.llama_batch_free(self._batch)
            C.llama_free(self.pointer)
            self.pointer = None
