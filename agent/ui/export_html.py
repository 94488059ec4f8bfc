"""A session as one HTML page: nothing is loaded, nothing runs, all text is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from agent.ui.story import FAILED, OK, UNKNOWN, Block, Story

# Shorter output is shown at once.
OPEN_LINES = 20
_MARKS = {OK: "●", FAILED: "✗", UNKNOWN: "?"}
_CSS = """
:root { color-scheme: light dark; --text: #1f2328; --dim: #59636e; --page: #ffffff; --box: #f6f8fa;
  --line: #d1d9e0; --good: #1a7f37; --bad: #cf222e; --blue: #0969da; --plus: #dafbe1;
  --minus: #ffebe9; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --dim: #9198a1; --page: #0d1117;
  --box: #151b23; --line: #3d444d; --good: #3fb950; --bad: #f85149; --blue: #4493f8;
  --plus: #12361f; --minus: #3c1618; } }
body { max-width: 54rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; background: var(--page);
  color: var(--text); font: 16px/1.55 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; color: var(--dim);
  font-size: .9rem; margin: 0 0 1.5rem; }
dt, dd { margin: 0; }
pre, code { font: .875rem/1.45 ui-monospace, monospace; }
code { background: var(--box); padding: .1em .3em; border-radius: 4px; }
pre { background: var(--box); border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0;
  padding: .6rem .8rem; overflow-x: auto; }
pre code { background: none; padding: 0; }
pre span { display: block; min-height: 1.45em; }
.prose { white-space: pre-wrap; margin: .8rem 0; }
.task { border-left: 4px solid var(--blue); background: var(--box); padding: .6rem 1rem;
  margin: 2rem 0 1rem; white-space: pre-wrap; border-radius: 0 6px 6px 0; }
.with, .aside, .note, .end { color: var(--dim); font-size: .875rem; }
.end { border-top: 1px solid var(--line); padding-top: .5rem; margin-top: 1rem; }
details { margin: .4rem 0; }
summary { cursor: pointer; font: .9rem ui-monospace, monospace; }
.flat { font: .9rem ui-monospace, monospace; margin: .4rem 0 .4rem 1rem; }
.thinking { color: var(--dim); }
.ok b { color: var(--good); } .failed b { color: var(--bad); } .unknown b { color: var(--dim); }
.plus { background: var(--plus); } .minus { background: var(--minus); } .hunk { color: var(--dim); }
"""
_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{css}</style>
</head>
<body>
<h1>{title}</h1>"""
_FENCE = re.compile(
    r"^[ ]{0,3}(`{3,}|~{3,})[^\n]*\n(.*?)(?:^[ ]{0,3}\1[`~]*[ ]*$\n?|\Z)", re.M | re.S
)


def to_html(told: Story) -> Iterator[str]:
    """Lines without their line ends."""
    yield _HEAD.format(title=escape(told.title), css=_CSS)
    yield "<dl>"
    yield from (f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in told.facts)
    yield "</dl>"
    for block in told.blocks:
        yield _block(block)
    yield "</body>\n</html>"


def _block(block: Block) -> str:
    match block.kind:
        case "task":
            files = f'<div class="with">with {escape(block.aside)}</div>' if block.aside else ""
            return f'<div class="task">{escape(block.text)}{files}</div>'
        case "answer":
            return _prose(block.text)
        case "thinking":
            body = f'<div class="prose">{escape(block.text)}</div>'
            return f'<details class="thinking"><summary>thinking</summary>{body}</details>'
        case "note" | "end":
            return f'<div class="{block.kind}">{escape(block.head)}</div>{_pre(block.text)}'
    return _card(block)


def _card(block: Block) -> str:
    """A call or a check: a line that opens."""
    mark = f"<b>{_MARKS.get(block.state, '·')}</b> "
    kind = "check " if block.kind == "check" else ""
    aside = "outcome unknown" if block.state == UNKNOWN else block.aside
    head = f'{mark}{kind}{escape(block.head)} <span class="aside">{escape(aside)}</span>'
    body = _pre(block.given) + _diff(block.diff) + _pre(block.text)
    if not body:
        return f'<div class="flat {block.state}">{head}</div>'
    lines = sum(text.count("\n") + 1 for text in (block.given, block.diff, block.text) if text)
    shown = " open" if block.diff or lines <= OPEN_LINES else ""
    return f'<details class="{block.state}"{shown}><summary>{head}</summary>{body}</details>'


def _pre(text: str) -> str:
    return f"<pre>{escape(text)}</pre>" if text else ""


def _diff(diff: str) -> str:
    if not diff:
        return ""
    lines = [line for line in diff.split("\n") if not line.startswith(("+++ ", "--- "))]
    return f"<pre>{''.join(map(_diff_line, lines))}</pre>"


def _diff_line(line: str) -> str:
    name = {"+": "plus", "-": "minus", "@": "hunk"}.get(line[:1], "")
    return f'<span class="{name}">{escape(line)}</span>' if name else f"<span>{escape(line)}</span>"


def _prose(text: str) -> str:
    """Text with its blocks and spans of code; the rest of Markdown reads well as it is."""
    parts: list[str] = []
    end = 0
    for match in _FENCE.finditer(text):
        parts += [_paragraphs(text[end : match.start()]), _pre(match[2].rstrip("\n"))]
        end = match.end()
    return "\n".join(part for part in [*parts, _paragraphs(text[end:])] if part)


def _paragraphs(text: str) -> str:
    if not text.strip():
        return ""
    pieces = re.split(r"`([^`\n]+)`", escape(text.strip("\n"), quote=False))
    marked = [f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(pieces)]
    return f'<div class="prose">{"".join(marked)}</div>'
