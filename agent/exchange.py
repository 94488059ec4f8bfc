"""A conversation with one model: render what is new, generate, read the answer while it comes.

Owns the conversation's place in the token log. Nothing that stands in the log is rendered again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from agent.context.ledger import Stretch
from agent.dialects.base import Dialect, TurnParser
from agent.dialects.opening import words_first
from agent.dialects.structured import answer_parser
from agent.engine.ahead import Ahead, same_beginning
from agent.engine.base import Chunk, Engine, Finished, Piece, Progress, Request
from agent.events import Event, LogSet, ModelReplied, Part, WorkProgress
from agent.messages import Constrain, Directive, Message, Segment, System, ToolSpec, Usage, User
from agent.parts import front_parts, parts_of
from agent.speech import Ask, Reply, Speech


@dataclass(frozen=True)
class Mark:
    """A point between two messages: the length of the log, and whether the last one had ended."""

    length: int
    ended: bool


class Exchange:
    """A conversation with one model; `emit` gets what a user can see of it.

    `tokens` is the log of an earlier session that goes on, `ended` says that its last message
    ended with its own end token, and `replies` is how many the model gave. `late` are the tools
    that were declared in a message since the session began; `front` is the length of the fixed
    prompt that the earlier session began with, where that is known.
    """

    def __init__(
        self,
        engine: Engine,
        dialect: Dialect,
        system: System,
        emit: Callable[[Event], None],
        *,
        tokens: Sequence[int] = (),
        ended: bool = True,
        replies: int = 0,
        late: Callable[[], Sequence[ToolSpec]] = lambda: (),
        front: int = 0,
    ):
        self._engine = Ahead(engine)
        self._dialect = dialect
        self._system = system
        self._told = len(tokens)  # so many tokens of the log are known to who reads the events
        self._emit = self._telling(emit)
        self._late = late
        self._front = front or len(engine.tokenize(dialect.front(system)))
        self._ends = frozenset(token for text in dialect.end_tokens for token in self._token(text))
        self._own_end = None if dialect.own_end is None else self._token(dialect.own_end)
        self._ended = ended
        self._replies = replies
        self._carried = list(tokens)  # of an adopted message or session, not in the log yet
        # What earlier answers to the same prompt said: the next ones will say much of it again.
        self._hints: list[tuple[int, ...]] = []
        self._parts: tuple[Part, ...] = ()  # of the last delta

    @property
    def front(self) -> int:
        """Tokens of the fixed prompt, which every session of a project begins with."""
        return self._front

    @property
    def counted(self) -> int:
        """How many tokens of the next delta :attr:`room` counts as used already."""
        return len(self._carried) or (0 if self._engine.log else self._front)

    @property
    def tools(self) -> Sequence[ToolSpec]:
        """All that can be called now."""
        return (*self._system.tools, *self._late())

    @property
    def branches(self) -> int:
        """How many answers can be written at once."""
        return self._engine.forks.most if self._engine.forks else 1

    @property
    def room(self) -> int:
        """Tokens that are free in the window."""
        used = len(self._engine.log) + len(self._carried) or self._front
        return self._engine.info.n_ctx - used

    async def prepare(self) -> None:
        """Evaluate the fixed prompt if nothing was said yet, or what an earlier session left."""
        if self._carried:
            await self._engine.read(self._carried, self._front, lambda: True, self._tell)
        if self._engine.log or self._carried:
            return
        tokens = self._engine.tokenize(self._dialect.front(self._system))
        self._parts = parts_of(self._engine, [], len(tokens), self._front_parts())
        self._put(0, tokens)
        request = Request(tokens, 0, mark=self._front)
        async with aclosing(self._engine.generate(request)) as chunks:
            async for chunk in chunks:
                self._tell(chunk)

    def _tell(self, chunk: Chunk) -> None:
        if isinstance(chunk, Progress):
            self._emit(WorkProgress(chunk.stage, chunk.done, chunk.total))

    async def forget_draft(self) -> None:
        """Nothing of what was read ahead is left."""
        await self._engine.drop()

    async def read_ahead(self, text: str, most: int, go_on: Callable[[], bool]) -> None:
        """Evaluate what the user's next message begins with, if it begins with `text`.

        `most` tokens of it, and as long as `go_on` says so. The conversation stays as it is.
        """
        parts = self._parts
        # What two endings have in common stands before the end of the message.
        one, other = (self.delta([User(text + end)]) for end in ("", " a"))
        self._parts = parts
        certain = one[: same_beginning(one, other)]
        if len(certain) - self.counted <= most:
            await self._engine.read(certain, self._front, go_on)

    def delta(self, messages: Sequence[Message]) -> list[int]:
        """The tokens that `messages` would add to the log, generation prompt included."""
        first = not self._engine.log and not self._carried
        front = self._dialect.front(self._system) if first else []
        only_front = first or len(self._engine.log) + len(self._carried) == self._front
        behind = self._dialect.delta(messages, first=only_front, ended=self._ended)
        tokens = self._engine.tokenize([*front, *behind])
        fixed = self._front_parts() if first else []
        self._parts = parts_of(self._engine, messages, len(tokens), fixed)
        return [*self._carried, *tokens]

    def _front_parts(self) -> list[Part]:
        return front_parts(self._engine, self._dialect, self._system, self._front)

    def rendered(self, messages: Sequence[Message], start: int, *, ended: bool) -> Stretch:
        """`messages` as they would stand behind the first `start` tokens of the log."""
        behind = self._dialect.delta(messages, first=start == self._front, ended=ended)
        tokens = tuple(self._engine.tokenize(behind))
        return Stretch(start, tokens, parts=parts_of(self._engine, messages, len(tokens)))

    async def place(self, start: int, stretches: Sequence[Stretch], *, ended: bool) -> None:
        """Behind the first `start` tokens of the log there stand from now on the `stretches`.

        Their tokens are evaluated with the next delta; none of them is rendered again. `ended` is
        that of the message before them.
        """
        log = len(self._engine.log)
        before = self._carried[: max(0, start - log)]
        await self._engine.rewind(min(start, log))
        self._carried = [*before, *(token for s in stretches for token in s.tokens)]
        self._hints = []
        self._ended = stretches[-1].ended if stretches else ended
        if not stretches:
            self._emit(LogSet(start, (), ended))
        for stretch in stretches:
            self._emit(
                LogSet(start, stretch.tokens, stretch.ended, stretch.parts, stretch.is_reply)
            )
            start += len(stretch.tokens)

    async def reply(self, delta: Sequence[int], ask: Ask) -> Reply:
        """Evaluate `delta` and read the model's next message to its end."""
        start = len(self._engine.log)
        self._put(start, delta)
        self._hints = []
        begun = self._begun(ask)
        tokens = [piece.token for piece in begun]
        return await self._read([*delta, *tokens], ask, begun, start + len(delta))

    def _begun(self, ask: Ask) -> list[Piece]:
        """What is said for the model."""
        tokens = self._engine.tokenize([Segment(ask.begin)]) if ask.begin else []
        return [Piece(token, self._engine.text(token)) for token in tokens]

    def _put(self, start: int, delta: Sequence[int]) -> None:
        """Tell what of `delta` is new in the log: it goes to the engine now."""
        if self._told < start:
            # A reply that was cut off hard: its tokens stay, and nobody has told of them.
            cut_off = tuple(self._engine.log[self._told : start])
            self._emit(LogSet(self._told, cut_off, parts=(("text", "", len(cut_off)),), reply=True))
        carried = len(self._carried)
        self._emit(LogSet(start + carried, tuple(delta[carried:]), parts=self._parts))
        self._carried, self._parts = [], ()

    def _telling(self, emit: Callable[[Event], None]) -> Callable[[Event], None]:
        def tell(event: Event) -> None:
            if isinstance(event, LogSet | ModelReplied):
                self._told = event.start + len(event.tokens)
            emit(event)

        return tell

    async def branch(self, reply: Reply, kept: Sequence[Piece], token: int, ask: Ask) -> Reply:
        """Another message in place of `reply`: begin with `kept` and `token`, then go on."""
        self._hints.append(reply.tokens)
        # `kept` may be of an older message than the one in the log.
        said = self._engine.log[reply.start :]
        same = next((i for i, p in enumerate(kept) if said[i : i + 1] != [p.token]), len(kept))
        await self._engine.rewind(reply.start + same)
        begun = [*kept, Piece(token, self._engine.text(token))]
        return await self._read([p.token for p in begun[same:]], ask, begun, reply.start)

    async def answers(
        self, delta: Sequence[int], asks: Sequence[Ask], heard: Callable[[int, Reply], None]
    ) -> tuple[list[Reply], Usage]:
        """Several answers to one prompt, written at once, and what reading the prompt cost.

        They all begin with what the first of `asks` says for the model. `heard` gets each with its
        number as soon as it is complete. :meth:`take` makes one of them stand.
        """
        forks = self._engine.forks
        assert forks is not None, "ask `branches` first"
        start = len(self._engine.log)
        self._put(start, delta)
        begun = self._begun(asks[0])
        whole = [*delta, *(piece.token for piece in begun)]
        prefill = Request(whole[:-1], 0, mark=self._front)
        talk = Speech(self._parser(asks[0]), self._emit)
        async with aclosing(self._engine.generate(prefill)) as chunks:
            async for chunk in chunks:
                talk.hear(chunk)
        at = len(self._engine.log)
        speeches = [Speech(self._parser(ask), lambda _event: None) for ask in asks]
        for speech in speeches:
            speech.begin_with(begun)
        requests = [
            s.request(whole[-1:], a, self._ends) for s, a in zip(speeches, asks, strict=True)
        ]
        replies: dict[int, Reply] = {}
        async with aclosing(forks.grow(at, requests)) as numbered:
            written = 0
            async for number, chunk in numbered:
                if not speeches[number].hear(chunk):
                    forks.stop(number)
                if isinstance(chunk, Piece):
                    written += 1
                    self._emit(WorkProgress("attempts", written, len(asks)))
                if isinstance(chunk, Finished):
                    self._replies += 1
                    tokens = [piece.token for piece in speeches[number].pieces]
                    reply = speeches[number].reply(self._replies, start + len(delta), tokens)
                    replies[number] = reply
                    heard(number, reply)
        return [replies[number] for number in range(len(asks))], talk.finished.usage

    def stop_answers(self) -> None:
        """Cut off the answers that are still being written."""
        if self._engine.forks is not None:
            for number in range(self._engine.forks.most):
                self._engine.forks.stop(number)

    async def take(self, number: int, reply: Reply) -> Reply:
        """Answer `number` of :meth:`answers` stands: it is the message in the log now."""
        forks = self._engine.forks
        assert forks is not None
        await forks.adopt(number)
        self._ended = await self._has_ended(reply.reason)
        tokens = tuple(self._engine.log[reply.start :])
        reply = replace(reply, tokens=tokens, ended=self._ended)
        self._said(reply, reply.text)
        return reply

    async def aside(self, messages: Sequence[Message], ask: Ask) -> Reply | None:
        """A question beside the conversation, which stays as it is: none of its tokens is evaluated
        again. None where the engine has no forks, or nothing was said yet."""
        forks = self._engine.forks
        log = self._engine.log
        if forks is None or not log or self._carried:
            return None
        behind = self._dialect.delta(messages, first=False, ended=self._ended)
        delta = [log[-1], *self._engine.tokenize(behind)]
        speech = Speech(self._parser(ask), lambda _event: None)
        request = speech.request(delta, ask, self._ends)
        try:
            async with aclosing(forks.grow(len(log) - 1, [request])) as numbered:
                async for _, chunk in numbered:
                    speech.hear(chunk)
        finally:
            await forks.drop()
        return speech.reply(0, len(log), [piece.token for piece in speech.pieces])

    def mark(self) -> Mark:
        """This point of the conversation, for :meth:`back_to`."""
        return Mark(len(self._engine.log) + len(self._carried), self._ended)

    async def back_to(self, mark: Mark) -> None:
        """Forget what was said since; what stands before is not evaluated again."""
        await self.place(mark.length, [], ended=mark.ended)

    async def take_back(self, reply: Reply) -> list[int]:
        """Forget `reply`; the delta that lets the model answer there again.

        Only the last token of the prompt is evaluated again, since its logits are gone.
        """
        last = self._engine.log[reply.start - 1]
        self._parts = ()
        await self._engine.rewind(reply.start - 1)
        return [last]

    async def adopt(self, reply: Reply) -> None:
        """Make `reply` the last message again, after branches of it were tried.

        Its tokens are evaluated again with the next delta; nothing is rendered again.
        """
        await self._engine.rewind(reply.start)
        self._carried = list(reply.tokens)
        self._ended = reply.ended
        self._emit(LogSet(reply.start, reply.tokens, self._ended))

    def _parser(self, ask: Ask) -> TurnParser:
        usual = self._dialect.parser(self.tools, must_act=ask.must_act, not_paths=ask.not_paths)
        usual = words_first(usual, ask.opening) if ask.opening else usual
        return answer_parser(usual, ask.answer) if ask.answer else usual

    async def _read(
        self, delta: Sequence[int], ask: Ask, begun: Sequence[Piece], start: int
    ) -> Reply:
        speech = await self._listen(delta, ask, begun)
        if (misnamed := speech.misnamed) is not None:
            kept = speech.before(misnamed)
            spent, at = speech.finished.usage, start + len(kept)
            last = self._engine.log[at - 1]
            await self._engine.rewind(at - 1)
            speech = await self._listen([last], ask, kept, Constrain(misnamed.lark))
            usage = replace(speech.finished.usage, prompt=0, reused=0)
            usage.add(spent)
            speech.finished = replace(speech.finished, usage=usage)
        self._replies += 1
        self._ended = await self._has_ended(speech.finished.reason)
        tokens = self._engine.log[start:]
        reply = speech.reply(self._replies, start, tokens, ended=self._ended)
        self._said(reply, speech.raw_text)
        return reply

    async def _listen(
        self,
        delta: Sequence[int],
        ask: Ask,
        begun: Sequence[Piece],
        first: Directive = None,
    ) -> Speech:
        """One message to its end, of which `begun` stands there already; where `first` steers what
        comes next, it was shown already."""
        speech = Speech(self._parser(ask), self._emit, shown_as=ask.shown_as)
        speech.begin_with(begun, show=not first)
        request = speech.request(
            delta, ask, self._ends, mark=self._front, hints=self._hints, first=first
        )
        self._ended = False  # until the model says so
        async with aclosing(self._engine.generate(request)) as chunks:
            async for chunk in chunks:
                if not speech.hear(chunk):
                    self._engine.interrupt()
        await self._engine.rewind(len(self._engine.log))  # waits for the engine to stand still
        return speech

    def _said(self, reply: Reply, text: str) -> None:
        frame = len(reply.tokens) - sum(count for _, _, count in reply.parts)
        parts = (*reply.parts, ("frame", "", frame)) if frame > 0 else reply.parts
        self._emit(
            ModelReplied(
                text, reply.tokens, reply.reason, reply.usage, reply.start, reply.ended, parts
            )
        )

    async def _has_ended(self, reason: str) -> bool:
        """Whether the message ended with the token that the template writes there.

        Any other end token is taken out again: it is sampled and not evaluated, and the next
        message begins with what the template writes.
        """
        if reason != "end":
            return False
        if self._own_end is None or self._engine.log[-1] in self._own_end:
            return True
        await self._engine.rewind(len(self._engine.log) - 1)
        return False

    def _token(self, text: str) -> frozenset[int]:
        """The one control token that `text` is; none where the vocabulary has no such token."""
        tokens = self._engine.tokenize([Segment(text, control=True)]) if text else []
        return frozenset(tokens) if len(tokens) == 1 else frozenset()
