"""What happens in a terminal while something else happens: keys of vi, stops, ends, two at once."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.e2e.conftest import Open
from tests.e2e.terminal import Terminal
from tests.e2e.test_repl import ANSWER, SLOW, events


def tag(name: str, **arguments: str) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def configure(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "CONFIG" / "ingle" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text, "utf-8")
    return path


def test_in_vi_mode_esc_leaves_insert_mode_first_and_stops_the_model_then(
    terminal: Open, tmp_path: Path
) -> None:
    configure(tmp_path, '[ui]\nediting = "vi"\n')
    seen = terminal(SLOW)
    seen.line("one?")
    seen.until("And then")
    seen.send("later words\x1b")
    seen.send("bdw")  # in normal mode these are commands
    seen.until(lambda: seen.text.count("later words") == 0 and "❯ later" in seen.text)
    assert "interrupted" not in seen.text
    seen.send("\x1b")
    seen.until("interrupted after")
    seen.until("❯ later")
    seen.send("Atwo?\r")
    seen.until("❯ later two?")
    seen.until("Two.")


@pytest.mark.parametrize("keys", ["emacs", "vi"])
def test_esc_does_nothing_while_nothing_is_done(terminal: Open, tmp_path: Path, keys: str) -> None:
    configure(tmp_path, f'[ui]\nediting = "{keys}"\n')
    seen = terminal(ANSWER)
    seen.until("scripted · auto")
    seen.send("a draft\x1b")
    seen.send("\x1b" if keys == "vi" else "")
    seen.send("Iwith \r" if keys == "vi" else "\x01with \r")
    seen.until("❯ with a draft")
    seen.until("done in")
    assert "stopping" not in seen.raw and "interrupted" not in seen.whole


def test_a_theme_is_kept(terminal: Open, tmp_path: Path) -> None:
    path = configure(tmp_path, '# mine\n[ui]\nediting = "emacs"\n')
    seen = terminal(ANSWER)
    seen.line("/theme light")
    seen.until("the theme is light from now on")
    assert path.read_text() == '# mine\n[ui]\ntheme = "light"\nediting = "emacs"\n'
    (tmp_path / "CONFIG/ingle/themes").mkdir()
    (tmp_path / "CONFIG/ingle/themes/odd.toml").write_text('red = "reddish"\n')
    seen.line("/theme odd")
    seen.until("'reddish' is no colour")
    seen.line("/theme nosuch")
    seen.until("there is no theme 'nosuch'")
    assert 'theme = "light"' in path.read_text()
    path.write_text('[ui]\ntheme = "odd"\n')
    again = terminal(ANSWER)
    again.until("'reddish' is no colour")
    again.line("why?")
    again.until("done in")


def test_compact_folds_the_conversation_and_the_export_says_so(terminal: Open) -> None:
    long = " ".join(f"word{n}" for n in range(700))
    seen = terminal(f"LINES = [{long!r}, {long!r}, {long!r}, 'Last.']\nN_CTX = 8192", rows=40)
    for text in ("one?", "two?", "three?"):
        seen.line(text)
    seen.until(lambda: seen.whole.count("done in") == 3)
    seen.line("/compact the words")
    seen.until("you asked for it")
    seen.until("folded: ")
    seen.line("at last?")
    seen.until("Last.")
    seen.line("/export x.md")
    seen.until("written to")
    text = (seen.work / "x.md").read_text("utf-8")
    assert "folded" in text and "you asked for it" in text
    seen.line("/export x.html")
    seen.until(lambda: seen.text.count("written to") == 2)
    assert "you asked for it" in (seen.work / "x.html").read_text("utf-8")


@pytest.mark.parametrize("key", ["\x1b", "\x03"], ids=["esc", "ctrl-c"])
def test_a_check_that_runs_is_stopped(terminal: Open, key: str) -> None:
    check = "echo $$ > pid; exec sleep 600"
    seen = terminal(ANSWER, "--sandbox", "off", "--check", check)
    seen.line("go")
    pid = seen.work / "pid"
    seen.until("● check")
    seen.until(lambda: pid.exists() and bool(pid.read_text().strip()))
    seen.send(key)
    seen.until("interrupted after")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    seen.line("/check off")
    seen.line("go on")
    seen.until("The first answer.")


def test_ctrl_c_at_a_question_is_no(terminal: Open) -> None:
    call = tag("write", path="a.py", content="x\n")
    seen = terminal(f"LINES = [{call!r}, 'After.']", "--approval", "ask")
    seen.line("write a.py")
    seen.until("[y] yes, once")
    seen.send("\x03")
    seen.until("interrupted after")
    assert not (seen.work / "a.py").exists()


@pytest.mark.parametrize("key", ["\x1b", "\x03"], ids=["esc", "ctrl-c"])
def test_a_prompt_that_is_read_is_stopped(terminal: Open, key: str) -> None:
    script = f"""
from agent.engine.base import Progress
from agent.engine.scripted import ScriptedEngine
generate = ScriptedEngine.generate
async def slow(self, request):
    if request.max_tokens and not self.asked:
        self._interrupted.clear()
        yield Progress("prefill", 100, 4000)
        await self._interrupted.wait()
        yield Finished("interrupted", Usage())
        return
    async for chunk in generate(self, request):
        yield chunk
from agent.engine.base import Finished
from agent.messages import Usage
ScriptedEngine.generate = slow
{ANSWER}
"""
    script = script.replace(
        "self._interrupted.clear()",
        "self._interrupted.clear(); self.asked.append(None); "
        "self._loop = asyncio.get_running_loop()",
    )
    seen = terminal(f"import asyncio\n{script}")
    seen.line("one?")
    seen.until("100 of 4,000 tokens")
    seen.send(key)
    seen.until("interrupted after")
    seen.line("two?")
    seen.until("The second.")


def test_after_kill_9_the_session_goes_on(terminal: Open) -> None:
    seen = terminal('LINES = ["One.", gated(FIFO, "It begins.\\n\\nAnd then", "!")]')
    seen.line("apple?")
    seen.until("done in")
    seen.line("pear?")
    seen.until("And then")
    seen.child.kill(signal.SIGKILL)
    seen.ended()
    again = terminal(ANSWER, "-c")
    again.until("scripted · auto · ctx")
    again.line("/export x.md")
    again.until("written to")
    text = (again.work / "x.md").read_text("utf-8")
    places = [text.index(words) for words in ("apple?", "One.", "pear?", "It begins.")]
    assert places == sorted(places)
    again.line("/rewind 2")
    again.until("❯ pear?")


def test_two_at_once_on_one_session_are_told(terminal: Open) -> None:
    one = terminal(ANSWER)
    one.line("why?")
    one.until("done in")
    other = terminal(ANSWER, "-c")
    other.until("is open in another process: this is a new session")
    other.until("another session is at work in this folder")
    other.line("and here?")
    other.until("The first answer.")
    one.line("still?")
    one.until("The second.")


def test_a_terminal_that_goes_away_ends_it(terminal: Open) -> None:
    seen = terminal(SLOW)
    seen.line("one?")
    seen.until("And then")
    seen.child.ptyproc.fileobj.close()
    seen.child.closed = seen.child.ptyproc.closed = True  # for the fixture, which would close it
    seen.child.ptyproc.wait()
    stops = [e["stop"] for e in events(seen.home) if e["type"] == "turn_ended"]
    assert stops == ["interrupted"]


def test_a_storm_of_resizes_at_a_question_and_while_completing(terminal: Open) -> None:
    call = tag("write", path="a.py", content="x = 1\n" * 30)
    seen = terminal(f"LINES = [{call!r}, 'After.']", "--approval", "ask")
    seen.send("/")
    seen.until("/context")
    storm(seen)
    seen.send("\x15write a.py\r")
    seen.until("[y] yes, once")
    storm(seen)
    seen.until("[y] yes, once")
    seen.send("y")
    seen.until("After.")
    assert (seen.work / "a.py").exists() and "Traceback" not in seen.raw


def storm(seen: Terminal) -> None:
    for n in range(40):
        seen.resize(4 + n % 30, 8 + (n * 37) % 140)
    seen.resize(30, 80)


def test_a_hook_that_hangs_is_a_notice_and_stops_nothing(terminal: Open, tmp_path: Path) -> None:
    configure(tmp_path, '[hooks]\nturn_end = ["sleep 600"]\n')
    seen = terminal(
        f"import agent.hooks\nagent.hooks.Hook.__init__.__defaults__ = (0.2,)\n{ANSWER}"
    )
    seen.line("one?")
    seen.until("The first answer.")
    seen.until(lambda: "sleep 600" in seen.text and "! " in seen.text)
    seen.line("two?")
    seen.until("The second.")


def test_the_first_screen_says_how_to_begin(terminal: Open) -> None:
    seen = terminal(ANSWER)
    seen.until("Ctrl-D leaves")
    text = " ".join(seen.text.split())
    for words in ("ingle in work", "Enter sends it", "Esc stops", "/help has the rest", "Ctrl-D"):
        assert words in text
    (seen.work / "test_a.py").write_text("import unittest\n")
    again = terminal(ANSWER)
    again.until("/check python3 -m unittest -q")


def test_a_session_that_cannot_be_had_is_named_and_a_new_one_begins(terminal: Open) -> None:
    seen = terminal(ANSWER, "--resume", "nosuch")
    # The folder's name is in the sentence, and may break it anywhere.
    seen.until(lambda: "this is a new session" in " ".join(seen.text.split()))
    seen.line("why?")
    seen.until("The first answer.")


def test_images_are_refused_with_a_reason(terminal: Open) -> None:
    seen = terminal(ANSWER)
    seen.paste("/tmp/a photo.PNG")
    seen.until("an image was pasted, and models here read text only")
    seen.send("x\x16")
    seen.until("images cannot be pasted: models here read text only")
    seen.until("❯ x")
