"""The draft is read while it is typed, in a terminal."""

from __future__ import annotations

import os
import select
from pathlib import Path

from tests.e2e.conftest import Open
from tests.e2e.terminal import PATIENCE_S, Terminal
from tests.e2e.test_repl import events

# What is read without an answer is written to a FIFO, with the length of what stands there then.
WATCHED = """
from agent.engine.scripted import ScriptedEngine
generate = ScriptedEngine.generate
async def watched(self, request):
    async for chunk in generate(self, request):
        yield chunk
    if not request.max_tokens:
        with open(READ, "w") as file:
            print(repr(self.words()), file=file)
ScriptedEngine.generate = watched
"""


def watched(terminal: Open, tmp_path: Path, lines: str) -> tuple[Terminal, int]:
    os.mkfifo(tmp_path / "read")
    fifo = os.open(tmp_path / "read", os.O_RDWR)
    return terminal(f"READ = {str(tmp_path / 'read')!r}\n{WATCHED}\n{lines}"), fifo


def read_until(fifo: int, wanted: str) -> str:
    text = ""
    while wanted not in text:
        assert select.select([fifo], [], [], PATIENCE_S)[0], f"never read: {wanted} in {text}"
        text += os.read(fifo, 1 << 20).decode()
    return text


def test_a_draft_is_read_while_it_is_typed_and_enter_only_adds_the_rest(
    terminal: Open, tmp_path: Path
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "notes.md").write_text("the notes of everybody\n" * 40)
    seen, fifo = watched(terminal, tmp_path, 'LINES = ["One.", "Two."]')
    seen.send("what do the notes in @notes.md say about eve")
    text = read_until(fifo, "notes.md say")
    assert "the notes of everybody" in text and "eve'" not in text
    seen.until("say about eve")
    assert "prefill" not in seen.whole
    seen.line("rybody?")
    seen.until("One.")
    replied = [e for e in events(seen.home) if e["type"] == "model_replied"]
    assert replied[0]["usage"]["prompt"] < 24  # type: ignore[index]
    seen.line("/exit")
    assert seen.ended() == 0


def test_commands_are_not_read_and_a_draft_that_is_taken_back_leaves_nothing(
    terminal: Open, tmp_path: Path
) -> None:
    seen, fifo = watched(terminal, tmp_path, 'LINES = ["One.", "Two."]')
    read_until(fifo, "<|im_end|>")  # the fixed prompt
    seen.send("!my secret words are ")
    seen.send("\x15/help with secret words ")
    seen.send("\x15the draft of nobody at all ")
    text = read_until(fifo, "of nobody")
    assert "secret" not in text
    seen.send("\x15another thought or two ")
    read_until(fifo, "another thought")
    seen.line("at last?")
    seen.until("One.")
    seen.line("/exit")
    assert seen.ended() == 0
    for path in tmp_path.rglob("*"):
        if path.is_file() and "work" not in path.parts:
            assert b"draft of nobody" not in path.read_bytes(), path


def test_a_draft_of_a_running_turn_is_read_when_it_is_over(terminal: Open, tmp_path: Path) -> None:
    lines = 'LINES = [gated(FIFO, "It begins.\\n\\nAnd then", " it ends."), "Two."]'
    seen, fifo = watched(terminal, tmp_path, lines)
    read_until(fifo, "<|im_end|>")
    seen.line("one?")
    seen.until("And then")
    seen.send("the next question is this ")
    seen.until("❯ the next question is this")
    os.set_blocking(fifo, False)
    try:
        early = os.read(fifo, 1 << 20).decode()
    except BlockingIOError:
        early = ""
    os.set_blocking(fifo, True)
    assert "next question" not in early
    seen.go()
    text = read_until(fifo, "the next question is")
    assert "it ends." in text
