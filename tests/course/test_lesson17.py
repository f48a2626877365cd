"""Lesson 17, Jupyter's own socket: its predictions, and what it tells its learners is so."""

from __future__ import annotations

import asyncio
import json
from functools import cache
from typing import Any

import pytest
from usual import check_usual

from wslab import Lab, Sender
from wslab.course.experiments.lesson17 import (
    AT_ONCE,
    KernelLadder,
    SmallJupyter,
    ask_this_kernel,
    before,
    beginning,
    crossed,
    hello,
    interrupted_by_questions,
    is_answer,
    kinds,
    outputs,
    printed,
    start_jupyter,
    streams,
    told,
)
from wslab.live.jupyter.jupyter_socket import SUBPROTOCOL, JupyterMessage, encode
from wslab.protocol.words import BINARY, TEXT


@cache
def ran() -> dict[str, Any]:
    """Every experiment of the lesson, with one small Jupyter server."""

    async def main() -> dict[str, Any]:
        async with Lab(seed=17) as lab:
            jupyter = await start_jupyter(lab)
            try:
                done = {
                    "asked": await jupyter.ask("kernel_info_request"),
                    "completed": await jupyter.ask("complete_request", {"code": "impor", "cursor_pos": 5}),
                    "cell": await hello(jupyter),
                    "print": await printed(jupyter),
                    "at once": await jupyter.run(AT_ONCE),
                    "channels": await interrupted_by_questions(jupyter),
                }
                assert repr(jupyter) == "<SmallJupyter>"
                return {**done, "jupyter": jupyter, "heads": lab.trace.heads(lab.trace.connections[0])}
            finally:
                await jupyter.close()

    return asyncio.run(main())


@pytest.mark.slow
def test_one_cell_is_one_message_up_and_five_down() -> None:
    ladder, outcome = ran()["cell"]
    assert [*outcome.values()] == [1, 5, "BINARY", "TEXT"]
    check_usual("17.cell", outcome)
    assert [(one.channel, one.type) for one in ladder.messages] == [
        ("shell", "execute_request"),
        ("iopub", "status"),
        ("iopub", "execute_input"),
        ("iopub", "stream"),
        ("shell", "execute_reply"),
        ("iopub", "status"),
    ]
    assert 'stream "Hello\\n"' in repr(ladder)
    assert "● page" in repr(ladder)


@pytest.mark.slow
def test_what_a_cell_prints_comes_while_it_runs() -> None:
    _, outcome = ran()["print"]
    assert [*outcome.values()] == [3, 1, "before the cell has ended"]
    check_usual("17.print", outcome)


@pytest.mark.slow
def test_shell_waits_for_the_cell_and_control_does_not() -> None:
    outcome = ran()["channels"]
    assert [*outcome.values()] == ["after the cell has ended", "before the cell has ended"]
    check_usual("17.channels", outcome)


@pytest.mark.slow
def test_other_recordings_give_other_words() -> None:
    asked, (slow, _), fast = ran()["asked"], ran()["print"], ran()["at once"]
    assert [*crossed(asked).values()] == [1, 3, "BINARY"]
    assert [*outputs(fast, slow).values()][:2] == [1, 3]
    assert before(slow, "execute_reply", slow, "stream") == "after the cell has ended"
    assert (streams(asked), kinds([TEXT]), kinds([BINARY, TEXT])) == (0, "TEXT", "TEXT and BINARY")


@pytest.mark.slow
def test_client_and_server_agree_on_the_subprotocol() -> None:
    assert [head.get("Sec-WebSocket-Protocol") for head in ran()["heads"]] == [[SUBPROTOCOL]] * 2


@pytest.mark.slow
def test_the_tab_key_is_a_request_too() -> None:
    ladder = ran()["completed"]
    assert 'complete_request "impor"' in repr(ladder)
    assert "complete_reply import" in repr(ladder)


@pytest.mark.slow
def test_the_small_server_ends() -> None:
    jupyter = ran()["jupyter"]
    assert isinstance(jupyter, SmallJupyter)
    assert jupyter.relay is not None
    assert jupyter.relay.closed


@pytest.mark.slow
def test_a_server_that_is_not_closed_ends_with_who_started_it() -> None:
    """The pipe is a leash: its end is noticed in the server."""

    async def main() -> int:
        async with Lab() as lab:
            jupyter = SmallJupyter(lab)
            process = jupyter.process
            del jupyter
            return process.wait(20)

    assert asyncio.run(main()) is not None


def test_the_table_says_where_each_part_begins() -> None:
    message = JupyterMessage(encode("control", "kernel_info_request"), Sender.CLIENT)
    shown = repr(beginning(message))
    assert "6 offsets: bytes 0 to 7; at 56: bytes 8 to 15; at 63: bytes 16 to 23" in shown
    assert "control" in shown
    assert message.data[56:63] == b"control"
    assert [int.from_bytes(message.data[at : at + 8], "little") for at in range(8, 56, 8)] == [*message.offsets]


def test_a_message_is_told_by_what_says_most() -> None:
    def said(kind: str, **content: Any) -> str:
        return told(JupyterMessage(encode("shell", kind, content)))

    assert said("status", execution_state="busy") == "status busy"
    assert said("complete_reply", matches=["print", "printed"], status="ok") == "complete_reply print, printed"
    assert said("execute_request", code="1 + 1") == 'execute_request "1 + 1"'
    assert said("execute_request", code="1 + 1\n2") == 'execute_request "1 + 1" …'
    assert said("history_request") == "history_request"


def test_an_answer_is_a_reply_with_the_questions_header() -> None:
    question = JupyterMessage(encode("control", "kernel_info_request"))
    assert not is_answer(question, question)


def test_headless_it_says_what_it_cannot_show() -> None:
    async def main() -> str:
        async with Lab() as lab:
            return await ask_this_kernel(lab)

    assert asyncio.run(main()).startswith("No Jupyter server runs this kernel.")


def test_messages_stand_in_the_order_of_their_dates() -> None:
    question = JupyterMessage(encode("shell", "kernel_info_request"), Sender.CLIENT)

    def answer(kind: str, date: str) -> bytes:
        header = {**question.header, "msg_type": kind, "msg_id": kind, "date": date}
        parts = [b"shell", *(json.dumps(part).encode() for part in (header, question.header, {}, {}))]
        ends = [56]
        for part in parts:
            ends.append(ends[-1] + len(part))
        return b"".join(number.to_bytes(8, "little") for number in (6, *ends)) + b"".join(parts)

    async def main() -> KernelLadder:
        async with Lab(carrier="memory") as lab:
            await lab.serve()
            async with lab.connect() as ws:
                for data in (question.data, answer("late", "2999-02-01"), answer("early", "2999-01-01")):
                    await ws.send(data)
                    await ws.recv()
            return KernelLadder(lab.trace, question)

    ladder = asyncio.run(main())
    assert [one.type for one in ladder.messages if one.sender is Sender.CLIENT] == [
        "kernel_info_request",
        "early",
        "late",
    ]
