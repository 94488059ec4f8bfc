"""MCP servers in the REPL: a server's question, its prompt as a command, its resource."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.e2e.conftest import Open
from tests.mcp_servers_used_in_tests.sessions import call
from tests.mcp_servers_used_in_tests.use import PLAIN


def test_a_servers_question_prompt_and_resource(terminal: Open, tmp_path: Path) -> None:
    (tmp_path / "CONFIG/ingle").mkdir(parents=True)
    servers = {"plain": {"command": sys.executable, "args": [PLAIN], "allow": True}}
    (tmp_path / "CONFIG/ingle/mcp.json").write_text(json.dumps({"mcpServers": servers}))
    lines = [call("plain__ask"), "It is blue.", "Reviewed.", "Milk."]
    seen = terminal(f"LINES = {lines!r}", "--sandbox", "off", columns=120)
    seen.line("ask me with @plain")
    seen.until("the MCP server plain asks: Which colour?")
    seen.until("[d] blue")
    seen.send("d")
    seen.until("It is blue.")
    seen.line("/plain:review C")
    seen.until("Review this C code.")
    seen.until("Reviewed.")
    seen.line("/plain:review")
    seen.until("it needs a value for language")
    seen.line("what is in @plain:notes://today ?")
    seen.until("Milk.")
    seen.line("/mcp")
    seen.until("web search, and web pages as text: write @web")
    assert "ready, 7 tools" in seen.text
