"""What a task says of the functions and classes that it names, as docstrings.

A small model that writes a function far behind the task writes one of that name; with what the task
says of it right above the first line, it writes the one that was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from keyword import iskeyword
from textwrap import wrap

MOST_CHARS = 600
_WIDTH = 88
# Named with its parameters, or as a class.
_NAMED = re.compile(
    r"(?<![\w.])(?:class (?P<class>[A-Z]\w*)|(?P<function>[a-z_]\w*)\([^()]{0,80}\))"
)
# With what it is said to do, up to the end of the clause.
_RUNS = re.compile(r"\bpython[\d.]* -m ([A-Za-z_]\w*)(?:(?!\.\s|\.$)[^;\n]){0,240}")
# A subcommand, or the names of arguments.
_GIVEN = re.compile(r"python[\d.]* -m \w+((?: [a-z]+(?= [A-Z]+\b))?(?: [A-Z][A-Z_]*(?![\w.]))+)")
_BETWEEN = re.compile(r",? and |, ")  # those of which the same is said
_END = re.compile(r";|\.\s|\.$|\n")
_VERB = re.compile(r"\),? (?:which|that) (\w+)")
_WHICH = re.compile(r",? (?:which|that) ")


def uses(task: str) -> dict[str, str]:
    """The modules that a task runs with ``python -m``, each with the first that it says of it."""
    found: dict[str, str] = {}
    for match in _RUNS.finditer(task):
        found.setdefault(match[1], match[0].strip())
    return found


def sayings(task: str) -> dict[str, str]:
    """For each function and class that a task names, what it says of it; the first time counts."""
    found: dict[str, str] = {}
    for clause in _END.split(task):
        mentions = list(_NAMED.finditer(clause))
        if mentions and mentions[0]["class"]:  # with its methods
            found.setdefault(mentions[0]["class"], _tidy(clause[mentions[0].start() :]))
            continue
        groups = _groups(clause, mentions)
        starts = [group[0].start() for group in groups]
        for group, start, end in zip(groups, starts, [*starts[1:], len(clause)], strict=False):
            _note(found, [each["function"] or each["class"] for each in group], clause[start:end])
    return found


def _groups(clause: str, mentions: Sequence[re.Match[str]]) -> list[list[re.Match[str]]]:
    """The mentions of a clause, those together of which the same is said."""
    groups: list[list[re.Match[str]]] = []
    for mention in mentions:
        if groups and _BETWEEN.fullmatch(clause[groups[-1][-1].end() : mention.start()]):
            groups[-1].append(mention)
        else:
            groups.append([mention])
    return groups


def said_first(task: str, path: str, name: str) -> str:
    """What the body of a definition of the file `path` begins with: a docstring of what the task
    says of it, as far as that can stand there, and for main() the arguments that it is given."""
    if name != "main":
        return _docstring(sayings(task).get(name, ""), name)
    use = uses(task).get(path.partition("/")[0].removesuffix(".py"), "")
    return _docstring(use, name) + _arguments(use, sayings(task))


def _docstring(said: str, name: str) -> str:
    alone = said.partition(")")[2] if said.startswith(f"{name}(") else ""
    which = _WHICH.match(alone)
    text = f"{alone[which.end()].upper()}{alone[which.end() + 1 :]}" if which else said
    if not text or text.endswith((")", '"')) or '"""' in text or "\\" in text:
        return ""
    lines = wrap(f'"""{text}."""', _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "".join(f"    {line}\n" for line in lines)


def _arguments(use: str, taken: Collection[str]) -> str:
    """The line that takes the arguments of a command line, as in ``python -m NAME FILE``; '' where
    they would be no names, or hide those that are taken."""
    given = _GIVEN.match(use)
    words = given[1].split() if given else []
    if words and words[0].islower():  # a subcommand
        return "    command, *arguments = sys.argv[1:]\n"
    names = [word.lower() for word in words]
    if len({*names}) < len(names) or any(iskeyword(name) or name in taken for name in names):
        return ""
    if len(names) == 1:
        return f"    {names[0]} = sys.argv[1]\n"
    return f"    {', '.join(names)} = sys.argv[1:]\n" if names else ""


def _note(found: dict[str, str], names: list[str], text: str) -> None:
    # `a() and b(), which gives` is said of the last one, `which give` of both.
    which = _VERB.search(text)
    is_of_last = which is not None and which[1].endswith("s")
    for name in names[-1:] if is_of_last else names:
        found.setdefault(name, _tidy(text[text.rindex(f"{name}(") :] if is_of_last else text))


def _tidy(text: str) -> str:
    text = re.sub(r"[\s,]+(?:and)?\s*$", "", text)
    return " ".join(text.split())[:MOST_CHARS]
