"""A small vocabulary with a family's control tokens, and what its parser's grammars take there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import gguf
from gguf import TokenType

from agent.engine import native
from agent.engine.constrain import Constrainer
from agent.messages import Constrain, Directive
from tests.tiny_gguf import vocabulary

Accepts = Callable[[Directive, str], bool]


@contextmanager
def tokenizer(path: Path, pre: str, special: Sequence[str]) -> Iterator[native.Model]:
    """A tokenizer without weights, written to `path`; the first of `special` begins a text, the
    second ends one."""
    writer = gguf.GGUFWriter(path, "llama")
    tokens, types, merges = vocabulary()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([*tokens, *special])
    writer.add_token_types([*types, *[TokenType.CONTROL] * len(special)])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(len(tokens))
    writer.add_eos_token_id(len(tokens) + 1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    native.silence()
    loaded = native.Model(path, progress=lambda _: True, vocab_only=True)
    yield loaded
    loaded.free()


def acceptor(model: native.Model) -> Accepts:
    """Whether a text is all of what a parser's grammar asks for, as the engine runs it."""
    constrainer = Constrainer(model)

    def check(directive: Directive, written: str) -> bool:
        assert isinstance(directive, Constrain)
        constraint = constrainer.start(directive.lark, directive.seen)
        assert constraint is not None
        for token in model.tokenize(written, control=True):
            if constraint.done() or not constraint.allows(token):
                return False
            constraint.accept(token)
        complete = constraint.done()
        assert complete == constraint._matcher.is_accepting(), "it may end here, and go on"
        return complete

    return check
