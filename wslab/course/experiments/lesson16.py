"""Lesson 16, build your endpoint: a stage for each of its parts, and then the whole endpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from ...live.errors import blame
from ...live.lab import Lab
from ..exercises import EndlessLoopError, Exercise, Outcome, Trial, exercise
from . import stage_mistakes as mistakes
from . import stages
from .conversations import Promise, keeps
from .endpoint import Endpoint
from .endpoint_kinds import RETURNS, HeldToKind, OtherKindError
from .endpoint_parts import RIGHT


async def _judged(part: str, promises: Sequence[Promise], answer: Any) -> list[Outcome]:
    """Have clients talk with an endpoint in which one part is a learner's, up to the first promise that breaks."""
    parts = RIGHT._replace(**{part: HeldToKind(part, answer)})
    try:
        return await _keeps_all(lambda: Endpoint(parts), promises)
    except OtherKindError as error:
        return [Outcome(f"what {part} returns", RETURNS[part][0], str(error), ok=False)]


async def _keeps_all(make: Callable[[], Any], promises: Sequence[Promise]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    async with Lab() as lab:
        for promise in promises:
            outcomes += await keeps(lab, make, promise)
            if not all(outcome.ok for outcome in outcomes):
                break
    return outcomes


@exercise(
    points=1,
    misconception=9,
    hints=["It is lesson 02's exercise: key and GUID, SHA-1, base64.", "`hashlib.sha1(text.encode()).digest()`"],
    foreseen=mistakes.KEY,
)
async def key_stage(answer: Any, trial: Trial) -> list[Outcome]:
    """The client's key is answered."""
    return await _judged("accept_key", stages.key_promises(trial), answer)


@exercise(
    points=2,
    hints=[
        'Make a text of it first, `head.decode("latin-1")`, and cut it into lines at `"\\r\\n"`.',
        "Make a dictionary of the lines: the name in small letters, the value without blanks around it.",
        "`Connection` is a list of words between commas, and one of them has to be Upgrade, in any case.",
    ],
    foreseen=mistakes.HEAD,
)
async def head_stage(answer: Any, trial: Trial) -> list[Outcome]:
    """A request is read, and refused if it asks for no WebSocket."""
    return await _judged("key_in", stages.head_promises(trial), answer)


@exercise(
    points=1,
    hints=["The first byte is FIN (0x80) and the opcode, the second is the length: `bytes([…, …]) + payload`."],
    foreseen=mistakes.FRAME,
)
async def frame_stage(answer: Any, trial: Trial) -> list[Outcome]:
    """Your words arrive."""
    return await _judged("short_frame", stages.frame_promises(trial), answer)


@exercise(
    points=1, hints=["It is lesson 04's exercise: `byte ^ key[place % 4]`, for each place."], foreseen=mistakes.MASK
)
async def mask_stage(answer: Any, trial: Trial) -> list[Outcome]:
    """The client's words arrive."""
    return await _judged("unmask", stages.mask_promises(trial), answer)


@exercise(
    points=1,
    misconception=19,
    hints=['`size.to_bytes(2, "big")` after 126, `size.to_bytes(8, "big")` after 127, where 2 bytes are too few.'],
    foreseen=mistakes.LENGTH,
)
async def length_stage(answer: Any, trial: Trial) -> list[Outcome]:
    """Long messages arrive."""
    return await _judged("long_frame", stages.length_promises(trial), answer)


@exercise(
    points=3,
    misconception=5,
    hints=[
        "Begin with lesson 05's `Parser`. New are MASK, the key between length and payload, and the form with 127.",
        "`masked = self.rest[1] >> 7`, and the key takes `4 * masked` bytes.",
        "Wait while `len(self.rest)` is less than the header, the key and the payload together.",
    ],
    foreseen=mistakes.FEED,
)
async def feed_stage(answer: Any, trial: Trial) -> list[Outcome]:
    """Frames are found, however the stream is cut."""
    return await _judged("FrameParser", stages.feed_promises(trial), answer)


@exercise(points=1, hints=["9 is a ping, 10 is a pong."], foreseen=mistakes.REPLY)
async def ping_stage(answer: Any, trial: Trial) -> list[Outcome]:
    """A ping gets its pong."""
    return await _judged("reply", stages.ping_promises(trial), answer)


@exercise(
    points=2,
    misconception=6,
    hints=[
        'Where nothing has begun, the frame\'s own opcode counts: `opcode, data = begun or (first & 0x0F, b"")`.',
        "FIN is `first & 0x80`. Without it return `(opcode, data), None`.",
    ],
    foreseen=mistakes.MESSAGE,
)
async def message_stage(answer: Any, trial: Trial) -> list[Outcome]:
    """Fragments become a message."""
    return await _judged("reassemble", stages.message_promises(trial), answer)


@exercise(points=1, misconception=8, hints=["The code is in the first two bytes."], foreseen=mistakes.CLOSE)
async def close_stage(answer: Any, trial: Trial) -> list[Outcome]:
    """A close frame is answered."""
    return await _judged("close_reply", stages.close_promises(trial), answer)


@exercise(
    points=4,
    misconception=7,
    hints=[
        "Take the rules one after another, those of the header first: RSV, MASK, opcode.",
        "Opcodes from 8 on need FIN, and have 125 bytes at most. Opcode 0 needs `begun`, and 1 and 2 forbid it.",
        "`bytes.decode()` raises UnicodeDecodeError where the bytes are no UTF-8.",
    ],
    foreseen=mistakes.FAIL,
)
async def fail_stage(answer: Any, trial: Trial) -> list[Outcome]:
    """What breaks a rule ends with 1002 or 1007."""
    return await _judged("fault", stages.fail_promises(trial), answer)


class BuildingStage(NamedTuple):
    """A stage: what it is about, and the part that a learner writes for it."""

    name: str
    part: str
    exercise: Exercise
    promises: Callable[[Trial], list[Promise]]
    foreseen: mistakes.Foreseen


STAGES = (
    BuildingStage("the key", "accept_key", key_stage, stages.key_promises, mistakes.KEY),
    BuildingStage("the head", "key_in", head_stage, stages.head_promises, mistakes.HEAD),
    BuildingStage("one frame", "short_frame", frame_stage, stages.frame_promises, mistakes.FRAME),
    BuildingStage("the mask", "unmask", mask_stage, stages.mask_promises, mistakes.MASK),
    BuildingStage("the lengths", "long_frame", length_stage, stages.length_promises, mistakes.LENGTH),
    BuildingStage("the stream", "FrameParser", feed_stage, stages.feed_promises, mistakes.FEED),
    BuildingStage("the ping", "reply", ping_stage, stages.ping_promises, mistakes.REPLY),
    BuildingStage("the message", "reassemble", message_stage, stages.message_promises, mistakes.MESSAGE),
    BuildingStage("the close", "close_reply", close_stage, stages.close_promises, mistakes.CLOSE),
    BuildingStage("the faults", "fault", fail_stage, stages.fail_promises, mistakes.FAIL),
)
"""In order: each is to be green before the next."""


async def climb(make: Callable[[], Any], trial: Trial) -> list[Outcome]:
    """Have a whole endpoint keep what each stage promises, in order, up to the first that it does not keep.

    Args:
        make: makes an ``Endpoint``, or what stands for one in another process.
        trial: chance, from a seed.

    Returns:
        An outcome for each stage. The last says what came instead, if something did.
    """
    outcomes: list[Outcome] = []
    async with Lab() as lab:
        for stage in STAGES:
            outcomes.append(await _reached(lab, make, stage.name, stage.promises(trial)))
            if not outcomes[-1].ok:
                return outcomes
        outcomes.append(await _reached(lab, make, "the article", stages.article_promises(trial)))
    return outcomes


async def _reached(lab: Lab, make: Callable[[], Any], stage: str, promises: Sequence[Promise]) -> Outcome:
    try:
        for promise in promises:
            for outcome in await keeps(lab, make, promise):
                if not outcome.ok:
                    return outcome._replace(sent=f"{stage}: {outcome.sent}")
    except (NotImplementedError, EndlessLoopError):
        raise
    except Exception as error:
        return Outcome(stage, "kept", f"the endpoint raised {blame(error)}", ok=False)
    return Outcome(stage, "kept", "kept", ok=True)


def stops_at(outcomes: Sequence[Outcome]) -> str:
    """The name of the stage at which an endpoint was caught; ``never`` where it was not."""
    return next((outcome.sent.partition(":")[0] for outcome in outcomes if not outcome.ok), "never")


def _of(part: str, test: Callable[[Any], object], endpoint: Any) -> object:
    return test(getattr(endpoint().parts, part))


@exercise(
    points=3,
    variants=1,
    hints=["Run the checks of the stages again, the first one first: a part may have changed since it was green."],
    foreseen=[(partial(_of, stage.part, test), said) for stage in STAGES for test, said in stage.foreseen],
)
async def article_stage(answer: Any, trial: Trial) -> list[Outcome]:
    """The whole endpoint keeps all promises, and serves the article's page."""
    return await climb(answer, trial)


@article_stage.reference
def right_endpoint() -> Endpoint:
    """An endpoint of the parts as they should be."""
    return Endpoint(RIGHT)


for _stage in STAGES:
    _stage.exercise.reference(getattr(RIGHT, _stage.part))
