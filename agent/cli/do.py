"""`agent do "task"`: one task to its end, then exit with a code that says how it went."""

from __future__ import annotations

import re
import sys
from typing import Any

import click


class Duration(click.ParamType[float]):
    """Seconds from texts like 90, 45s, 5m or 1h."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", str(value))
        if match is None or float(match[1]) <= 0:
            self.fail(f"{value!r} is no duration: write 90, 45s, 5m or 1h", param, ctx)
        return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


class GpuLayers(click.ParamType[int | None]):
    """A number of layers, all (-1) or auto (None)."""

    name = "layers"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        words = {"auto": None, "all": -1}
        if str(value) in words:
            return words[str(value)]
        if not re.fullmatch(r"[0-9]{1,4}", str(value)):
            self.fail(f"{value!r} is no number of layers: write 0, 20, all or auto", param, ctx)
        return int(str(value))


@click.command()
@click.argument("task", nargs=-1)
@click.option(
    "-m",
    "--model",
    metavar="NAME",
    help="Catalogue name, path to a .gguf, or hf:owner/repo/file.gguf.",
)
@click.option(
    "--family",
    metavar="NAME",
    default="",
    help="How the model is spoken to; else its template says.",
)
@click.option("-d", "--dir", metavar="FOLDER", default=".", help="The folder to work in.")
@click.option("-f", "--file", metavar="FILE", multiple=True, help="Show this file to the model.")
@click.option("--continue", "goes_on", is_flag=True, help="Go on with the last session here.")
@click.option("--resume", default="", metavar="ID", help="Go on with this session.")
@click.option("--check", metavar="COMMAND", default="",
              help="Has to pass; its failures go back.")  # fmt: skip
@click.option("--attempts", metavar="N", type=click.IntRange(1, 4), default=1, show_default=True,
              help="Answers that are written at once; --check decides.")  # fmt: skip
@click.option("--ctx", metavar="N", type=click.IntRange(min=512),
              help="Context length in tokens.")  # fmt: skip
@click.option("--kv-type", type=click.Choice(["auto", "f16", "q8_0"]), default=None,
              help="Type of the cache; q8_0 takes half the memory.")  # fmt: skip
@click.option("--gpu-layers", type=GpuLayers(), default="auto", help="A number, auto or all.")
@click.option("--temperature", metavar="N", type=click.FloatRange(0, 2), default=None,
              help="Default: 0 for small models, the maker's value for others.")  # fmt: skip
@click.option("--seed", metavar="N", type=int, default=0, show_default=True,
              help="Of what is left to chance.")  # fmt: skip
@click.option("--max-turns", metavar="N", type=click.IntRange(min=1), default=30, show_default=True,
              help="Messages of the model.")  # fmt: skip
@click.option("--max-time", type=Duration(), default=0.0, help="Wall time: 45s, 5m, 1h.")
@click.option("--max-tokens", metavar="N", type=click.IntRange(min=1), default=None,
              help="Generated tokens.")  # fmt: skip
@click.option("--max-tool-calls", metavar="N", type=click.IntRange(min=1), default=None,
              help="Calls that the model may make.")  # fmt: skip
@click.option("--input", type=click.Choice(["text", "stream-json"]), default="text",
              help="stream-json: a program drives it (docs/headless.md).")  # fmt: skip
@click.option("--output", type=click.Choice(["text", "json", "stream-json"]), default="text",
              help="json: one object at the end; stream-json: each event.")  # fmt: skip
@click.option("-o", "--output-file", type=click.Path(dir_okay=False), help="Answer goes here too.")
@click.option(
    "--json-schema", type=click.Path(dir_okay=False), help="The answer is JSON that fits this file."
)
@click.option("--annotations", type=click.Choice(["auto", "github", "none"]), default="auto",
              help="Tell a GitHub workflow what failed; auto: only in one.")  # fmt: skip
@click.option("--approval", type=click.Choice(["ask", "auto", "never"]), default=None,
              help="ask before writes and commands; auto: what no sandbox holds.")  # fmt: skip
@click.option("--sandbox", type=click.Choice(["auto", "read-only", "workspace", "off"]),
              default="auto", help="Where commands may write; off: anywhere.")  # fmt: skip
@click.option("--trust", is_flag=True, help="Use this folder's own settings from now on.")
@click.option("--ephemeral", is_flag=True, help="Keep no session on disk.")
def do(**given: Any) -> None:
    """Do TASK in this folder and exit. `-` reads the task from stdin; piped text is added to it."""
    from agent.cli.task import Options, run

    sys.exit(run(Options(**given)))
