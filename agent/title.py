"""A session's name, from a side call that leaves the conversation as it is."""

from __future__ import annotations

from agent.context.prompt import prompt_text
from agent.engine.base import Sampling
from agent.exchange import Exchange
from agent.messages import User
from agent.speech import Ask

# At most six words, so that a title is one short line whatever the model thinks of.
TITLE = r"""start: /[A-Za-z0-9][A-Za-z0-9'_-]{0,20}( [A-Za-z0-9][A-Za-z0-9'_.-]{0,20}){1,5}/ "\n"
"""
TITLE_TOKENS = 32


async def make_title(exchange: Exchange) -> str:
    """What the model calls this conversation; empty where there was no room or no time."""
    ask = Ask(TITLE_TOKENS, Sampling(), answer=TITLE)
    reply = await exchange.aside([User(prompt_text("title"))], ask)
    return "" if reply is None or reply.reason == "interrupted" else reply.text
