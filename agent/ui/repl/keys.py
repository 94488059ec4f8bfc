"""The keys of the REPL; what each does is a method of :class:`agent.ui.repl.app.Repl`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_toolkit.application import get_app
from prompt_toolkit.filters import (
    Condition,
    Filter,
    has_completions,
    has_focus,
    in_paste_mode,
    is_searching,
    vi_insert_mode,
    vi_mode,
)
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

from agent.ui.repl.draft import IMAGES, NO_EYES

if TYPE_CHECKING:
    from agent.ui.repl.app import Repl


def make_keys(repl: Repl) -> KeyBindings:
    """The bindings; prompt-toolkit's own for emacs or vi lie below them."""
    keys = KeyBindings()
    asking = Condition(lambda: repl.asking.current is not None)
    _work_keys(keys, repl, has_focus(repl.draft) & ~asking)
    _leave_keys(keys, repl, has_focus(repl.draft) & ~asking)
    _edit_keys(keys, repl, has_focus(repl.draft) & ~asking)
    _question_keys(keys, repl, asking & has_focus(repl.draft), has_focus(repl.reason))
    return keys


def _work_keys(keys: KeyBindings, repl: Repl, at_draft: Filter) -> None:
    sending = at_draft & ~is_searching & ~in_paste_mode

    @keys.add("enter", filter=sending)
    def _enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        state = buffer.complete_state
        if state and state.current_completion is not None:
            buffer.complete_state = None
            if not buffer.text.startswith("/"):
                return
        buffer.cancel_completion()
        repl.enter()

    @keys.add("c-s", filter=sending)
    def _steer(_event: KeyPressEvent) -> None:
        repl.steer()

    @keys.add(
        "escape", filter=at_draft & ~is_searching & ~has_completions & ~(vi_mode & vi_insert_mode)
    )
    def _escape(_event: KeyPressEvent) -> None:
        repl.escape()

    @keys.add("escape", filter=at_draft & has_completions & ~vi_mode)
    def _no_completion(event: KeyPressEvent) -> None:
        event.current_buffer.cancel_completion()

    @keys.add("s-tab", filter=at_draft & ~has_completions)
    def _mode(_event: KeyPressEvent) -> None:
        repl.host.next_mode()

    @keys.add("c-o")
    def _unfold(_event: KeyPressEvent) -> None:
        repl.unfold()


def _leave_keys(keys: KeyBindings, repl: Repl, at_draft: Filter) -> None:
    @keys.add("c-c")
    def _interrupt(_event: KeyPressEvent) -> None:
        repl.interrupt()

    @keys.add("<sigint>")
    def _sigint(_event: KeyPressEvent) -> None:
        repl.interrupt()

    @keys.add("c-d", filter=at_draft & Condition(lambda: not repl.draft.text))
    def _leave(_event: KeyPressEvent) -> None:
        repl.leave()

    @keys.add("c-l")
    def _clear(event: KeyPressEvent) -> None:
        event.app.renderer.clear()

    @keys.add("c-z", filter=~vi_mode | vi_insert_mode)
    def _suspend(event: KeyPressEvent) -> None:
        event.app.suspend_to_background()


def _edit_keys(keys: KeyBindings, repl: Repl, at_draft: Filter) -> None:
    @keys.add("c-j", filter=at_draft & ~is_searching)
    @keys.add("escape", "enter", filter=at_draft & ~is_searching)
    def _newline(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    @keys.add("c-g", filter=at_draft & ~is_searching)
    def _editor(_event: KeyPressEvent) -> None:
        repl.edit()

    @keys.add("tab", filter=at_draft & ~has_completions)
    def _complete(event: KeyPressEvent) -> None:
        event.current_buffer.start_completion(insert_common_part=True)

    @keys.add("up", filter=at_draft & Condition(lambda: bool(repl.status.queued))
              & Condition(lambda: not repl.draft.text))  # fmt: skip
    def _take_back(_event: KeyPressEvent) -> None:
        repl.take_back()

    @keys.add(Keys.BracketedPaste, filter=at_draft)
    def _paste(event: KeyPressEvent) -> None:
        text = event.data
        if "\n" not in text.strip() and text.strip().strip("'\"").lower().endswith(tuple(IMAGES)):
            repl.hint = f"an image was pasted, and {NO_EYES}"
            return
        event.current_buffer.insert_text(repl.pastes.add(text))

    @keys.add("c-v", filter=at_draft & ~vi_mode)
    def _image(_event: KeyPressEvent) -> None:
        repl.hint = f"images cannot be pasted: {NO_EYES}"


def _question_keys(keys: KeyBindings, repl: Repl, at_question: Filter, at_reason: Filter) -> None:
    @keys.add(Keys.Any, filter=at_question, eager=True)
    def _answer(event: KeyPressEvent) -> None:
        repl.answer(event.data)

    @keys.add("c-c", filter=at_question, eager=True)
    def _interrupt(_event: KeyPressEvent) -> None:
        repl.interrupt()

    @keys.add("enter", filter=at_question, eager=True)
    def _nothing(_event: KeyPressEvent) -> None:
        repl.asking.key_pressed()

    @keys.add("escape", filter=at_question, eager=True)
    def _stop(_event: KeyPressEvent) -> None:
        repl.escape()

    @keys.add("enter", filter=at_reason, eager=True)
    def _reason(_event: KeyPressEvent) -> None:
        repl.reject()

    @keys.add("escape", filter=at_reason)
    def _back(_event: KeyPressEvent) -> None:
        repl.asking.rejecting = None
        get_app().layout.focus(repl.draft)
