"""From the name of a model to an engine and what goes with it, for every command that runs one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent.cli.models import progress_bar
from agent.config import Folders, is_offline
from agent.engine.base import Sampling
from agent.engine.llama import LlamaEngine
from agent.loading import llama_engine, open_blocks, plan_for, sampling_for, tries_for
from agent.models.plan import Wish
from agent.models.resolve import ResolvedModel, resolve


@dataclass(frozen=True)
class Built:
    """An engine that is not loaded yet, `plan` as a line about memory, and how it is steered."""

    engine: LlamaEngine
    plan: str
    tries: int
    sampling: Sampling


def find_model(name: str, folders: Folders) -> ResolvedModel:
    """The model file, fetched if need be, with its progress on stderr. Raises IngleError."""
    with progress_bar() as progress:
        return resolve(name, folders.models, offline=is_offline(), progress=progress)


def build(
    found: ResolvedModel,
    wish: Wish,
    folders: Folders,
    *,
    temperature: float | None = None,
    seed: int = 0,
    keep: bool = True,
    say: Callable[[str], None] = lambda _text: None,
) -> Built:
    """Plan the memory and make the engine; `keep` saves its state on disk. Raises IngleError."""
    plan = plan_for(found, wish)
    blocks = open_blocks(folders, say) if keep else None
    return Built(
        llama_engine(found, plan, blocks),
        plan.reason,
        tries_for(found),
        sampling_for(found, temperature, seed),
    )
