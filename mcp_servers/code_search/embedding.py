"""An embedding model through llama.cpp, in a context of its own.

Source of the facts: ``llama_cpp/llama_cpp.py`` of llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_servers.code_search.vectors import Embedder, EmbeddingFailed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONTEXT = 512  # tokens of one text; what is longer is cut
# What Qwen3-Embedding and its like were trained with; encoders find less with it.
INSTRUCTION = "Instruct: Given a question or a bug report, find the code that it is about\nQuery: "


def load_embedder(path: Path) -> Embedder:
    """Load a GGUF embedding model; it stays in memory as long as the value.

    Raises:
        ValueError: llama.cpp cannot load it; the text says so in one line.
    """
    model = _Model(path)
    query = INSTRUCTION if model.instructed else ""
    return Embedder(f"{path.name} {path.stat().st_size}", model.embed, query)


def _threads() -> int:
    """As many as there are processors for us: more would wait for each other at every layer."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, min(8, len(os.sched_getaffinity(0))))
    return max(1, min(8, (os.cpu_count() or 2) // 2))


class _Model:
    """Weights and one context; calls wait for each other."""

    def __init__(self, path: Path):
        import llama_cpp.llama_cpp as library
        from llama_cpp._logger import set_verbose

        set_verbose(False)  # what llama.cpp tells would stand between results
        c: Any = library
        self._c = c
        self._lock = threading.Lock()
        self._context = None
        c.llama_backend_init()
        weights = c.llama_model_default_params()
        # Kernels that crash on some machines: llama.cpp's pull request 26954.
        weights.use_extra_bufts = b"AMX_INT8 = 1" not in c.llama_print_system_info()
        self._model = c.llama_model_load_from_file(bytes(path), weights)
        if not self._model:
            raise ValueError(f"{path} cannot be used as an embedding model: llama.cpp refuses it")
        shape = c.llama_context_default_params()
        shape.n_ctx = shape.n_batch = shape.n_ubatch = CONTEXT
        shape.embeddings = True
        shape.n_threads = shape.n_threads_batch = _threads()
        self._context = c.llama_init_from_model(self._model, shape)
        if not self._context:
            raise ValueError(f"{path} cannot be used as an embedding model: no memory for it")
        self._vocab = c.llama_model_get_vocab(self._model)
        self._width = c.llama_model_n_embd_out(self._model)
        pooling = c.llama_pooling_type(self._context)
        if pooling == c.LLAMA_POOLING_TYPE_RANK:
            raise ValueError(f"{path} is a reranking model: name an embedding model")
        self._pooled = pooling != c.LLAMA_POOLING_TYPE_NONE
        # Those that read from left to right are asked by an instruction.
        self.instructed = pooling in (c.LLAMA_POOLING_TYPE_NONE, c.LLAMA_POOLING_TYPE_LAST)

    def __del__(self) -> None:
        if getattr(self, "_context", None):
            self._c.llama_free(self._context)
        if getattr(self, "_model", None):
            self._c.llama_model_free(self._model)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row for each text; zeros where there is nothing to embed."""
        import numpy as np

        rows = np.zeros((len(texts), self._width), np.float32)
        with self._lock:
            for row, text in zip(rows, texts, strict=True):
                tokens, count = self._tokens(text)
                if count:
                    row[:] = self._vector(tokens, count)
        return rows

    def _tokens(self, text: str) -> tuple[Any, int]:
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        tokens = (self._c.llama_token * room)()
        # Text of a project is never read as control tokens.
        count = self._c.llama_tokenize(self._vocab, data, len(data), tokens, room, True, False)
        if count > CONTEXT:
            tokens[CONTEXT - 1] = tokens[count - 1]  # an end token counts
        return tokens, max(0, min(count, CONTEXT))

    def _vector(self, tokens: Any, count: int) -> NDArray[np.float32]:
        import numpy as np

        c = self._c
        memory = c.llama_get_memory(self._context)
        if memory:
            c.llama_memory_clear(memory, True)
        batch = c.llama_batch_get_one(tokens, count)
        outputs = (ctypes.c_int8 * count)(*[1] * count)
        batch.logits = outputs
        if c.llama_decode(self._context, batch) != 0:
            raise EmbeddingFailed("the embedding model failed on a text")
        found = (
            c.llama_get_embeddings_seq(self._context, 0)
            if self._pooled
            else c.llama_get_embeddings_ith(self._context, -1)  # the last has seen them all
        )
        array = ctypes.cast(found, ctypes.POINTER(ctypes.c_float * self._width)).contents
        return np.frombuffer(array, np.float32).copy()
