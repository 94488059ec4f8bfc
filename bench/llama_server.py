"""ingle beside llama-server: the same model file, threads and window, the same conversation.

    python -m bench.llama_server_build      # once
    python -m bench.llama_server [--model NAME] [--turns 8] [--json]

An agent's session is scripted: a fixed prompt with tools, a task, then calls and their results.
Each side is asked for one token at each turn. Warm: it has what the conversation began with, and
the call before it. That call is given to the server in two ways: as its template renders it, which
is the best that can happen, and as a model writes it, with other spaces than the template's. A
restart is from the start of a process to the first token behind the user's next word.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from agent.context.prompt import system_text
from agent.dialects.base import Dialect
from agent.dialects.chatml import declaration
from agent.dialects.choose import choose_dialect
from agent.engine import native
from agent.engine.base import Request
from agent.engine.blockstore import BlockStore
from agent.engine.llama import LlamaEngine
from agent.errors import IngleError
from agent.loading import llama_engine, plan_for
from agent.messages import Message, Segment, System, ToolOutput, ToolSpec, User
from agent.models.machine import physical_cores
from agent.models.plan import Wish
from bench.common import resolved
from bench.llama_server_build import binary
from bench.timing import FILLER, to_end
from tools.catalog import default_tools

WINDOW = 8192
SLOT = "session.bin"
TASK = "Find out why area() is wrong for some shapes, and mend it."
GO_ON = "Go on."


@dataclass(frozen=True)
class Turn:
    """What is new, and the call that answers it, as JSON with the template's spaces."""

    new: Message
    call: dict[str, Any]

    @property
    def written(self) -> str:
        """The call in other spaces than the template's, as models often write it."""
        return json.dumps(self.call, separators=(",", ":"))


def script(turns: int) -> list[Turn]:
    found = [Turn(User(TASK), _read(0))]
    for i in range(1, turns):
        result = f"# part {i}\n{FILLER * (6 + i % 5)}"
        found.append(Turn(ToolOutput(f"{i}", "read", result), _read(i)))
    return found


def gone_on(turns: Sequence[Turn]) -> list[Turn]:
    """The user's next word behind them, as when a session is opened again."""
    return [*turns, Turn(User(GO_ON), _read(len(turns)))]


def _read(i: int) -> dict[str, Any]:
    return {"name": "read", "arguments": {"path": f"shapes/part_{i}.py", "first_line": 10 * i + 1}}


def tools() -> tuple[ToolSpec, ...]:
    return tuple(ToolSpec(t.name, t.description, t.parameters(), t.raw) for t in default_tools())


# --- ours ---------------------------------------------------------------------------------------


class Ours:
    """ingle's engine with the dialect of the model, and blocks in a folder."""

    def __init__(self, model: str, blocks: Path):
        found = resolved(model)
        store = BlockStore(blocks, 1 << 34, print)
        self._engine: LlamaEngine = llama_engine(found, plan_for(found, Wish(WINDOW)), store)
        self._dialect: Dialect

    async def start(self) -> None:
        await self._engine.load(lambda _progress: None)
        self._dialect = choose_dialect(self._engine.info.chat_template, blocks=False)

    async def ask(self, turn: Turn, *, first: bool) -> float:
        """Seconds to one token behind what is new; the token is taken back."""
        engine = self._engine
        started = time.perf_counter()
        tokens = engine.tokenize(self._rendered(turn, first=first))
        length = len(engine.log) + len(tokens)
        await to_end(engine, Request(tokens, 1))
        seconds = time.perf_counter() - started
        await engine.rewind(length)
        return seconds

    async def say(self, turn: Turn) -> None:
        """The model's answer, as if it had been sampled."""
        tokens = self._engine.tokenize(self._answer(turn))
        await to_end(self._engine, Request(tokens, 0))

    async def first_token(self, turns: Sequence[Turn]) -> None:
        """The whole session and one token behind it."""
        segments: list[Segment] = []
        for i, turn in enumerate(turns):
            segments += self._rendered(turn, first=i == 0)
            if i < len(turns) - 1:
                segments += self._answer(turn)
        await to_end(self._engine, Request(self._engine.tokenize(segments), 1))

    async def close(self) -> int:
        """Tokens of the session."""
        count = len(self._engine.log)
        await self._engine.close()
        return count

    def _rendered(self, turn: Turn, *, first: bool) -> list[Segment]:
        front = self._dialect.front(System(system_text(""), tools())) if first else []
        return [*front, *self._dialect.delta([turn.new], first=first, ended=True)]

    @staticmethod
    def _answer(turn: Turn) -> list[Segment]:
        body = f"<tool_call>\n{json.dumps(turn.call)}\n</tool_call>"
        return [Segment(body), Segment("<|im_end|>", control=True)]


async def ours_warm(model: str, turns: Sequence[Turn], blocks: Path) -> list[float]:
    side = Ours(model, blocks)
    await side.start()
    seconds = []
    for i, turn in enumerate(turns):
        seconds.append(await side.ask(turn, first=i == 0))
        await side.say(turn)
    await side.close()
    return seconds[1:]


async def ours_again(model: str, count: int, blocks: Path) -> None:
    """In a process of its own: loads, restores, and says when the first token is there, and how
    many tokens stand before it."""
    side = Ours(model, blocks)
    await side.start()
    await side.first_token(gone_on(script(count)))
    print("first token", flush=True)
    print(await side.close() - 1)


def ours_restart(model: str, count: int, blocks: Path) -> tuple[float, int]:
    command = [sys.executable, "-m", "bench.llama_server", "--again", str(blocks)]
    command += ["--turns", str(count), "--model", model]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = child.stdout.readline()
        seconds = time.perf_counter() - started
        tokens = child.stdout.read()
    if not said:
        raise IngleError("the process that restarts said nothing")
    return seconds, int(tokens)


# --- llama-server -------------------------------------------------------------------------------


class Server:
    """A running llama-server, spoken to as clients do."""

    def __init__(self, client: httpx.Client):
        self._client = client

    def messages(self, turns: Sequence[Turn]) -> list[dict[str, Any]]:
        """The conversation up to what is new in the last turn."""
        found: list[dict[str, Any]] = [{"role": "system", "content": system_text("")}]
        for i, turn in enumerate(turns):
            if isinstance(turn.new, ToolOutput):
                new = {"role": "tool", "tool_call_id": f"{i - 1}", "content": turn.new.text}
            else:
                assert isinstance(turn.new, User)
                new = {"role": "user", "content": turn.new.text}
            found.append(new)
            if i < len(turns) - 1:
                arguments = json.dumps(turn.call["arguments"])
                function = {"name": turn.call["name"], "arguments": arguments}
                calls = [{"id": f"{i}", "type": "function", "function": function}]
                found.append({"role": "assistant", "content": "", "tool_calls": calls})
        return found

    def ask(self, turns: Sequence[Turn]) -> tuple[float, int]:
        """Seconds to one token, and how many tokens the prompt has."""
        body = {**self._body(turns), "max_tokens": 1, "temperature": 0, "cache_prompt": True}
        started = time.perf_counter()
        answer = self._post("/v1/chat/completions", body)
        return time.perf_counter() - started, int(answer["usage"]["prompt_tokens"])

    def say(self, turns: Sequence[Turn], *, as_rendered: bool) -> None:
        """The model's answer to the last turn, as if it had been sampled."""
        prompt = self._post("/apply-template", self._body(turns))["prompt"]
        call = turns[-1].call
        body = json.dumps(call) if as_rendered else turns[-1].written
        prompt += f"<tool_call>\n{body}\n</tool_call><|im_end|>"
        self._post("/completion", {"prompt": prompt, "n_predict": 0, "cache_prompt": True})

    def slot(self, action: str) -> None:
        self._post(f"/slots/0?action={action}", {"filename": SLOT})

    def _body(self, turns: Sequence[Turn]) -> dict[str, Any]:
        declared = [declaration(tool) for tool in tools()]
        return {"messages": self.messages(turns), "tools": declared}

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        response = self._client.post(path, json=body)
        if response.is_error:
            raise IngleError(f"llama-server answers {path} with {response.text[:300]}")
        found: dict[str, Any] = response.json()
        return found


@contextmanager
def running(model: Path, folder: Path) -> Iterator[Server]:
    """A server with our settings, as soon as it has loaded; it is killed at the end."""
    address = folder / "llama-server.sock"
    address.unlink(missing_ok=True)
    threads = str(physical_cores())
    command = [str(binary()), "--model", str(model), "--host", str(address), "--no-warmup"]
    command += ["--ctx-size", str(WINDOW), "--parallel", "1", "--batch-size", "512"]
    command += ["--ubatch-size", "512", "--threads", threads, "--threads-batch", threads]
    command += ["--flash-attn", "auto", "--cache-type-k", "f16", "--cache-type-v", "f16"]
    command += ["--jinja", "--slot-save-path", str(folder), "--log-disable"]
    native.silence()
    if native.has_broken_amx():
        command.append("--no-repack")  # as our engine does
    transport = httpx.HTTPTransport(uds=str(address))
    with (
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process,
        httpx.Client(transport=transport, base_url="http://server", timeout=600) as client,
    ):
        try:
            _wait(client, process)
            yield Server(client)
        finally:
            process.kill()


def _wait(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            if client.get("/health").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.01)
    raise IngleError(f"llama-server ended with {process.returncode}")


def server_warm(server: Server, turns: Sequence[Turn], *, as_rendered: bool) -> list[float]:
    seconds = []
    for i in range(1, len(turns) + 1):
        seconds.append(server.ask(turns[:i])[0])
        server.say(turns[:i], as_rendered=as_rendered)
    return seconds[1:]


def server_restart(model: Path, turns: Sequence[Turn], folder: Path, *, saved: bool) -> float:
    started = time.perf_counter()
    with running(model, folder) as server:
        if saved:
            server.slot("restore")
        server.ask(turns)
        return time.perf_counter() - started


# --- side by side -------------------------------------------------------------------------------


def measure(name: str, count: int) -> dict[str, Any]:
    turns, model = script(count), resolved(name).path
    with tempfile.TemporaryDirectory(prefix="ingle-bench-") as place:
        folder, blocks = Path(place), Path(place) / "blocks"
        ours = asyncio.run(ours_warm(name, turns, blocks))
        again, tokens = ours_restart(name, count, blocks)
        with running(model, folder) as server:
            best = server_warm(server, turns, as_rendered=True)
            server.slot("save")
            theirs = server.ask(gone_on(turns))[1]
        saved = server_restart(model, gone_on(turns), folder, saved=True)
        cold = server_restart(model, gone_on(turns), folder, saved=False)
        with running(model, folder) as server:
            written = server_warm(server, turns, as_rendered=False)
        size = sum(file.stat().st_size for file in blocks.rglob("*") if file.is_file())
        slot = (folder / SLOT).stat().st_size
        shutil.rmtree(blocks)
    ours_s, best_s, written_s = map(statistics.median, (ours, best, written))
    return {
        "turns, tokens here, tokens there": [count, tokens, theirs],
        "warm turn, first token here (s)": round(ours_s, 3),
        "warm turn, llama-server / here": round(best_s / ours_s, 2),
        "the same, calls as models write them": round(written_s / ours_s, 2),
        "restart to first token here (s)": round(again, 2),
        "restart, llama-server / here": round(cold / again, 2),
        "restart, llama-server with its slot saved / here": round(saved / again, 2),
        "saved here, in the slot's file (MB)": [round(size / 1e6, 1), round(slot / 1e6, 1)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="", help="a name of the catalogue, or a file")
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--again", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.again:
        asyncio.run(ours_again(arguments.model, arguments.turns, arguments.again))
        return
    try:
        binary()
        figures = measure(arguments.model, arguments.turns)
    except IngleError as error:
        sys.exit(str(error))
    if arguments.json:
        print(json.dumps(figures, indent=1))
    else:
        for name, value in figures.items():
            print(f"{name:52s} {value}")


if __name__ == "__main__":
    main()
