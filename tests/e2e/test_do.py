"""The real command with a real model, as a user starts it: work, output forms, faults, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from agent.config import Folders
from tests.tiny_gguf import build

AGENT = str(Path(sys.executable).with_name("agent"))
EXAMPLE = Path(__file__).parents[2] / "examples" / "cart"
CHECK = "python3 -m unittest -q"
WriteFiles = Callable[[dict[str, str]], Path]
pytestmark = pytest.mark.model


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Folders of its own; the models stay where they are, and so does HOME for python3's sake."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "INGLE_"))}
    folders = {f"XDG_{name}_HOME": str(tmp_path / name) for name in ("STATE", "CACHE", "CONFIG")}
    return {**kept, **folders, "INGLE_MODELS": str(Folders.from_env().models)}


def run(
    environment: dict[str, str], folder: Path, *arguments: str, piped: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [AGENT, "do", *arguments],
        cwd=folder,
        env=environment,
        input=piped,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_example_is_repaired_by_the_default_model(
    environment: dict[str, str], write_files: WriteFiles, default_model: Path
) -> None:
    files = {path.name: path.read_text("utf-8") for path in EXAMPLE.glob("*.py")}
    folder = write_files(files)
    done = run(
        environment, folder, "The tests fail. Fix cart.py.", "-m", str(default_model),
        "--check", CHECK, "--ctx", "4096", "--output", "json",
    )  # fmt: skip
    result = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert result["check"]["passed"] is True
    assert result["changed"] == ["cart.py"]
    assert (folder / "test_cart.py").read_text("utf-8") == files["test_cart.py"]
    check = subprocess.run([sys.executable, "-m", "unittest", "-q"], cwd=folder, check=False)
    assert check.returncode == 0
    listed = subprocess.run(
        [AGENT, "sessions", "list", "--json"], env=environment, capture_output=True, text=True
    )
    assert json.loads(listed.stdout.splitlines()[0])["stop"] == "check_passed"


def test_every_event_is_one_line_of_stream_json(
    environment: dict[str, str], write_files: WriteFiles, small_model: Path
) -> None:
    folder = write_files({"notes.txt": "ingle is the fire at home\n"})
    done = run(
        environment, folder, "-", "-m", str(small_model), "--ctx", "2048", "--max-tokens", "60",
        "--output", "stream-json", piped="What does notes.txt say?",
    )  # fmt: skip
    events = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["session_started", "task_given"]
    assert kinds[-1] == "turn_ended"
    assert events[1]["text"] == "What does notes.txt say?"
    assert "\x1b" not in done.stdout + done.stderr


def test_an_unknown_model_names_the_nearest(environment: dict[str, str], tmp_path: Path) -> None:
    done = run(environment, tmp_path, "hello", "-m", "qwen2.5-coder-1.5")
    assert done.returncode == 2
    assert "qwen2.5-coder-1.5b" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_model_while_offline(environment: dict[str, str], tmp_path: Path) -> None:
    nowhere = {**environment, "INGLE_MODELS": str(tmp_path / "none"), "INGLE_OFFLINE": "1"}
    done = run(nowhere, tmp_path, "hello")
    assert done.returncode == 69
    assert "agent models pull" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "task is empty"),
        (["   "], 2, "task is empty"),
        (["hello", "--dir", "/proc/nowhere"], 2, "not a folder"),
        (["hello", "--max-tiem", "5m"], 2, "--max-time"),
        (["hello", "--max-time", "soon"], 2, "45s"),
        (["hello", "--ctx", "9999999"], 2, "context"),
        (["hello", "--kv-type", "q4_0"], 2, "q8_0"),
        (["hello", "--gpu-layers", "most"], 2, "all or auto"),
        (["hello", "-f", "no-such-file"], 2, "no-such-file"),
    ],
)
def test_bad_input_is_one_line_and_a_code(
    environment: dict[str, str],
    tmp_path: Path,
    small_model: Path,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    done = run(environment, tmp_path, *arguments, "-m", str(small_model))
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("agent: error")]) == 1


def test_a_file_that_is_no_model_is_named(environment: dict[str, str], tmp_path: Path) -> None:
    page = tmp_path / "model.gguf"
    page.write_text("<!doctype html><html>login first</html>", "utf-8")
    done = run(environment, tmp_path, "hello", "-m", str(page))
    assert done.returncode == 69
    assert "HTML" in done.stderr


def test_a_model_larger_than_the_memory_is_not_loaded(
    environment: dict[str, str], tmp_path: Path
) -> None:
    large = build(tmp_path / "large.gguf")
    os.truncate(large, 1 << 40)  # a hole; its tensors are small
    done = run(environment, tmp_path, "hello", "-m", str(large))
    assert done.returncode == 69
    assert "large.gguf needs 1024.5 GiB of memory" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_cache_that_the_model_cannot_have(environment: dict[str, str], tmp_path: Path) -> None:
    odd = build(tmp_path / "odd.gguf", embd=48)
    done = run(environment, tmp_path, "hello", "-m", str(odd), "--kv-type", "q8_0")
    assert done.returncode == 2
    assert "multiple of 32" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_commands_are_refused_without_a_sandbox(
    environment: dict[str, str], tmp_path: Path, small_model: Path
) -> None:
    code = (
        "import sys; from tools.sandbox import bubblewrap; "
        "bubblewrap.find_program = lambda: None; "
        "from agent.cli.main import run; sys.exit(run(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "do", "hello", "--check", "true", "-m", str(small_model),
         "--ctx", "2048"],
        cwd=tmp_path, env=environment, input="", capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 77
    assert "bubblewrap" in done.stderr


def test_stdout_that_closes_early_ends_the_work_quietly(
    environment: dict[str, str], tmp_path: Path, small_model: Path
) -> None:
    command = (
        f"{AGENT} do 'Count from 1 to 500 in words.' -m {small_model} --ctx 4096 "
        "--output stream-json | head -n 1"
    )
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert json.loads(done.stdout)["type"] == "session_started"
    assert "Traceback" not in done.stderr


LONG = "Why is the sky blue? Explain it at great length, with many examples. Can you?"


def sessions(environment: dict[str, str]) -> list[Path]:
    return sorted(Path(environment["XDG_STATE_HOME"]).glob("ingle/sessions/*/events.jsonl"))


@pytest.mark.parametrize("stage", ["start", "prefill", "decode"])
def test_ctrl_c_ends_in_order(
    environment: dict[str, str], tmp_path: Path, small_model: Path, stage: str
) -> None:
    (tmp_path / "long.txt").write_text("some words to read " * 1500, "utf-8")
    arguments = ["do", LONG, "-m", str(small_model), "--ctx", "16384", "-f", "long.txt"]
    child = pexpect.spawn(
        AGENT, arguments, cwd=str(tmp_path), env=environment, encoding="utf-8", timeout=300
    )
    if stage == "start":
        # Before that, Python itself is still starting, and ends in ways of its own.
        maps = Path(f"/proc/{child.pid}/maps")
        while "libllama" not in maps.read_text():
            time.sleep(0.01)
    else:
        child.expect("reading")
    if stage == "decode":
        child.expect("sky")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    if stage == "decode":
        events = sessions(environment)[0].read_text("utf-8").splitlines()
        assert json.loads(events[-1])["type"] == "turn_ended"
        assert json.loads(events[-1])["stop"] == "interrupted"


def test_a_kill_during_decode_leaves_everything_up_to_there(
    environment: dict[str, str], tmp_path: Path, small_model: Path
) -> None:
    process = subprocess.Popen(
        [AGENT, "do", LONG, "-m", str(small_model), "--ctx", "4096", "--output", "stream-json"],
        cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    shown = ""
    for line in process.stdout:
        event = json.loads(line)
        if event["type"] == "text_delta":
            shown += event["text"]
        if len(shown) > 40:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    told = subprocess.run(
        [AGENT, "sessions", "show", "last"], env=environment, capture_output=True, text=True
    )
    assert told.returncode == 0
    flat = re.sub(r"\s", "", told.stdout)
    assert re.sub(r"\s", "", shown)[:40] in flat
    assert "unfinished" in told.stdout


def test_the_second_task_in_a_project_evaluates_none_of_the_fixed_prompt(
    environment: dict[str, str], write_files: WriteFiles, small_model: Path
) -> None:
    folder = write_files({"notes.txt": "ingle is the fire at home\n"})
    usages = []
    for task in ("Say hello.", "What is in notes.txt?"):
        done = run(
            environment, folder, task, "-m", str(small_model), "--ctx", "4096",
            "--max-tokens", "8", "--output", "json",
        )  # fmt: skip
        usages.append(json.loads(done.stdout)["usage"])
    assert usages[0]["reused"] == 0
    # 608 tokens of system text and tools (`bench.run prompt`).
    assert usages[1]["reused"] >= 600
    assert usages[1]["prompt"] < usages[0]["prompt"] - 500


def test_a_session_goes_on_in_another_process_with_the_tokens_of_before(
    environment: dict[str, str], write_files: WriteFiles, small_model: Path
) -> None:
    folder = write_files({"notes.txt": "ingle is the fire at home\n"})
    flags = ("-m", str(small_model), "--ctx", "4096", "--max-tokens", "30", "--output", "json")
    first = json.loads(run(environment, folder, "Say hello.", *flags).stdout)
    (log,) = sessions(environment)
    said = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    last = [event for event in said if event["type"] == "model_replied"][-1]
    again = json.loads(run(environment, folder, "--continue", "And again.", *flags).stdout)
    assert again["session"] == first["session"]
    assert first["usage"]["load_s"] > 0
    # The last token was only sampled.
    assert again["usage"]["reused"] >= last["start"] + len(last["tokens"]) - 1 > 600
    assert again["usage"]["prompt"] < 200
    other = run(environment, folder, "--continue", "Hello?", "-m", "qwen2.5-coder-1.5b")
    assert other.returncode == 2
    assert "was made with" in other.stderr and len(other.stderr.splitlines()) == 1


def test_attempts_are_written_together_and_the_check_decides(
    environment: dict[str, str], write_files: WriteFiles, default_model: Path
) -> None:
    files = {path.name: path.read_text("utf-8") for path in EXAMPLE.glob("*.py")}
    folder = write_files(files)
    done = run(
        environment, folder, "The tests fail. Fix cart.py.", "-m", str(default_model),
        "--check", CHECK, "--ctx", "4096", "--attempts", "3",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "3 attempts at once" in done.stderr
    assert "attempt " in done.stderr and "passes" in done.stderr
    check = subprocess.run([sys.executable, "-m", "unittest", "-q"], cwd=folder, check=False)
    assert check.returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == sorted(files)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--attempts", "2"), "--attempts needs --check"),
        (("--resume", "nonsense"), "there are no sessions"),
        (("--continue",), "no session in"),
        (("--continue", "--ephemeral"), "ephemeral"),
        (("--family", "qwen4"), "qwen3"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    environment: dict[str, str], write_files: WriteFiles, flags: tuple[str, ...], says: str
) -> None:
    done = run(environment, write_files({}), "go", *flags)
    assert done.returncode == 2
    assert says in done.stderr and len(done.stderr.strip().splitlines()) == 1
