"""The commands that every REPL has, as a list."""

from __future__ import annotations

import asyncio

from agent.commands.base import Actions, Command, Outcome, find, unknown
from agent.commands.past import diff, export, fork, rewind, undo
from agent.commands.state import context, mcp, permissions, plan, stats
from agent.errors import UsageError
from agent.ui.repl.host import Message, Said, Wish
from agent.ui.repl.keylist import KEYS

INIT = (
    "Look at this project: its layout, how it is built, how it is tested, its style. Then write "
    "AGENTS.md in its root, at most 40 lines of Markdown: what the project is, the commands to "
    "build, test and check it, where things are, and the rules that its code follows. Only what "
    "you have seen in the files. If AGENTS.md is there already, read it and improve it."
)
MOST_SESSIONS = 15


async def show_help(chat: Actions, argument: str) -> Outcome:
    if argument:
        command = find(chat.commands, argument.lstrip("/"))
        if command is None:
            raise UsageError(unknown(chat.commands, argument.lstrip("/")))
        return Said(f"/{command.name} {command.argument}".rstrip() + f"\n  {command.help}")
    rows = [(f"/{c.name} {c.argument}".rstrip(), c.help) for c in chat.commands]
    wide = max(len(left) for left, _ in [*rows, *KEYS])
    lines = [f"  {left:<{wide}}  {right}" for left, right in rows]
    keys = [f"  {left:<{wide}}  {right}" for left, right in KEYS]
    return Said("\n".join(["Commands", *lines, "", "Keys", *keys]))


async def model(chat: Actions, argument: str) -> Outcome:
    if argument:
        return Said(await chat.load(argument), "note")
    return Said(await asyncio.to_thread(_models, chat.model))


def _models(current: str) -> str:
    from agent.config import Folders
    from agent.models.catalogue import load_catalogue

    folder = Folders.from_env().models
    lines = []
    for entry in load_catalogue().entries:
        mark = "*" if entry.name == current else " "
        here = "here" if entry.path_in(folder).is_file() else f"{entry.size / 1e9:.1f} GB to fetch"
        lines.append(f"{mark} {entry.name:<22} {here}")
    return "\n".join([*lines, "/model NAME takes another one; the conversation begins anew."])


async def clear(chat: Actions, _argument: str) -> Outcome:
    return Said(await chat.clear(), "note")


async def compact(chat: Actions, argument: str) -> Outcome:
    return Said(await chat.compact(argument), "note")


async def resume(chat: Actions, argument: str) -> Outcome:
    if argument:
        return Said(await chat.resume(argument), "note")
    return Said(await asyncio.to_thread(_sessions, chat))


def _sessions(chat: Actions) -> str:
    from agent.session import list_sessions

    if chat.sessions_in is None:
        raise UsageError("sessions are not kept here")
    here = str(chat.root.resolve())
    lines: list[str] = []
    for session in list_sessions(chat.sessions_in):
        if session.workspace == here and session.id != chat.session_id:
            lines.append(f"  {session.id}  {session.title or session.task}")
        if len(lines) >= MOST_SESSIONS:
            break
    if not lines:
        return "there are no other sessions in this folder"
    return "\n".join([*lines, "/resume ID goes on with one; a part of its id is enough."])


async def check(chat: Actions, argument: str) -> Outcome:
    if argument == "off":
        chat.check_command = ""
        return Said("the check is off: messages end when the model says so", "note")
    chat.check_command = argument or chat.check_command
    if not chat.check_command:
        from agent.commands.suggest import likely_check

        likely = await asyncio.to_thread(likely_check, chat.root)
        hint = f"/check {likely}, for instance" if likely else "/check COMMAND"
        return Said(f"no check is set: {hint}", "note")
    return Said(
        f"messages are worked on until `{chat.check_command}` passes; /check off ends that", "note"
    )


async def tools(chat: Actions, _argument: str) -> Outcome:
    found = [(tool.name, tool.description.split(". ")[0]) for tool in chat.tools]
    wide = max((len(name) for name, _ in found), default=0)
    lines = [f"  {name:<{wide}} {text}" for name, text in found]
    return Said("\n".join(lines)) if lines else Said("nothing is loaded yet", "note")


async def init(_chat: Actions, _argument: str) -> Outcome:
    return Message(INIT)


async def copy(chat: Actions, _argument: str) -> Outcome:
    if not chat.totals.answer:
        raise UsageError("there is no answer to copy yet")
    return Wish("copy", chat.totals.answer)


async def theme(chat: Actions, argument: str) -> Outcome:
    if argument:
        return Wish("theme", argument)
    return Said(f"themes: {', '.join(chat.themes)}")


async def leave(_chat: Actions, _argument: str) -> Outcome:
    return Wish("exit")


BUILTIN = (
    Command("help", "[command]", "What can be typed here.", show_help, waits=False),
    Command("model", "[name]", "Show the models, or take another one.", model),
    Command("clear", "", "Begin a new session.", clear),
    Command("compact", "[focus]", "Fold old parts of the conversation away.", compact),
    Command("context", "", "What takes the context.", context, waits=False),
    Command("plan", "", "The model's plan.", plan, waits=False),
    Command("resume", "[id]", "Go on with an earlier session.", resume),
    Command("fork", "[id] [turn]", "Go on with a copy of this session, or of another.", fork),
    Command("rewind", "[N]", "Go back to before message N, files included.", rewind),
    Command("undo", "[N]", "Take back the last N turns, files included.", undo),
    Command("diff", "[N]", "What the last turn changed, or turn N.", diff, waits=False),
    Command("check", "[command|off]", "Work until this command passes.", check),
    Command("mcp", "", "The MCP servers and how they stand.", mcp, waits=False),
    Command("tools", "", "The tools of the model.", tools, waits=False),
    Command("permissions", "", "What may run, and why.", permissions, waits=False),
    Command("init", "", "Let the model write AGENTS.md for this project.", init),
    Command("export", "[file]", "Write this session to FILE.md, .html or .jsonl.", export),
    Command("copy", "", "Copy the last answer.", copy, waits=False),
    Command("stats", "[json]", "Tokens and seconds of this session.", stats, waits=False),
    Command("theme", "[name]", "Show the themes, or take another one.", theme, waits=False),
    Command("exit", "", "Leave.", leave, waits=False),
)
