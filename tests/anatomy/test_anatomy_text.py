"""Text views: 80 columns, nothing lost, nothing hostile, large things cut with a count."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from anatomy_samples import CLIENT, CONVERSATION, HOSTILE, REPORTS, SERVER, explanations, frame, head, record, records
from hypothesis import given, settings
from hypothesis import strategies as st
from showing import (
    closing_text,
    dump_text,
    explanation_html,
    explanation_text,
    handshake_text,
    ladder_text,
    pairs_text,
    records_text,
    ruler_text,
    table_text,
)  # fmt: skip

from wslab.anatomy.explanation import Explanation
from wslab.anatomy.field import Field, Violation
from wslab.anatomy.record import CloseReport, Kind, Record
from wslab.drawing.visible import cells, shows

HELLO_RULER = """\
      0                   1                   2                   3
      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
     +-+-+-+-+-------+-+-------------+-------------------------------+
   0 |F|R|R|R| opcode|M| Payload len |          Masking-key          |
     |I|S|S|S|       |A|             |                               |
     |N|V|V|V|       |S|             |                               |
     | |1|2|3|       |K|             |                               |
     |1|0|0|0|0 0 0 1|1|0 0 0 0 1 0 1|       37              fa      |
     | | | | |  = 1  | |     = 5     |                               |
     +-+-+-+-+-------+-+-------------+-------------------------------+
   4 |    Masking-key (continued)    |          Payload data         |
     |       21              3d      |       7f              9f      |
     +-------------------------------+ - - - - - - - +---------------+
   8 |            Payload data (continued)           |
     |       4d              51              58      |
     +-----------------------------------------------+"""


def assert_fits(text: str, width: int) -> None:
    """Every line is at most ``width`` columns wide and holds nothing that acts or hides."""
    for line in text.split("\n"):
        assert cells(line) <= width, line
        assert shows(line), ascii(line)


def test_the_ruler_is_the_figure_of_the_rfc() -> None:
    assert ruler_text(frame()) == HELLO_RULER


def test_the_dump_marks_where_fields_begin() -> None:
    assert dump_text(frame()) == "     0 |81|85|37 fa 21 3d|7f 9f 4d 51 58|                 ··7·!=··MQX"


def test_an_explanation_shows_bytes_fields_broken_rules_and_facts() -> None:
    broken = Violation("mask-required", "RFC 6455 5.1", "a client MUST mask all frames", "MASK is 0", 8, 1)
    text = explanation_text(frame(violations=(broken,)))
    assert text == str(frame(violations=(broken,))) == repr(frame(violations=(broken,)))
    assert text.startswith("TEXT frame\n● client, 11 bytes from byte 140 of its stream\n")
    assert HELLO_RULER in text
    assert "unmasked  48 65 6c 6c 6f  Hello" in text
    assert '48–87  Payload data  "Hello"' in text
    assert (
        "1 rule broken\n! mask-required, RFC 6455 5.1\n    “a client MUST mask all frames”\n    MASK is 0\n"
        "    bit 8, MASK\n    10000101\n    ^" in text
    )
    assert text.endswith("message  number 0")


@given(explanations(), st.sampled_from([80, 100, 132]), st.booleans())
@settings(max_examples=30)
def test_every_line_of_an_explanation_fits_and_is_harmless(one: Explanation, width: int, reveal: bool) -> None:
    assert_fits(explanation_text(one, width=width, reveal=reveal), width)


@given(st.lists(records, max_size=8), st.sampled_from([60, 80, 100]))
@settings(max_examples=30)
def test_every_line_of_records_fits_and_is_harmless(some: list[Record], width: int) -> None:
    for text in (records_text(some, width=width), ladder_text(some, width=width), closing_text(some, width=width)):
        assert_fits(text, width)


@given(explanations())
@settings(max_examples=30)
def test_the_dump_loses_no_byte(one: Explanation) -> None:
    text = dump_text(one, head=1000, reveal=True)
    read = b"".join(bytes.fromhex(line[7:55].replace("|", " ")) for line in text.splitlines())
    assert read == one.data


def cells_of(ruler: str) -> Iterator[tuple[int, str]]:
    """Each cell of a ruler's text: its first bit, and the bits in it. Each bit takes two columns."""
    for row, drawn in enumerate(re.split(r"\n {5}\+.*", ruler)[1:-1]):
        *_, crossed = [line for line in drawn.split("\n") if "=" not in line]
        bit = 32 * row
        for cell in crossed[6:-1].split("|"):
            pieces = cell.split()
            yield bit, "".join(f"{int(piece, 16):08b}" if len(piece) == 2 else piece for piece in pieces)
            bit += (len(cell) + 1) // 2


@given(explanations())
@settings(max_examples=100)
@pytest.mark.lengthy
def test_the_ruler_has_a_cell_for_each_field_it_reaches(one: Explanation) -> None:
    """A field has a cell in each row; the bits and bytes in the cells, read in order, are the first 16 bytes."""
    found = list(cells_of(ruler_text(one, reveal=True)))
    end = min(128, 8 * len(one.data))
    begin = {field.start for field in one.fields if field.width and field.start < end}
    assert [bit for bit, _ in found] == sorted(begin | {*range(0, end, 32)})
    assert "".join(bits for _, bits in found) == "".join(f"{byte:08b}" for byte in one.data[:16])


@pytest.mark.parametrize("length", [96, 97, 1000, 1_000_000])
def test_of_large_payloads_the_dump_says_how_much_it_leaves_out(length: int) -> None:
    data = bytes(index % 251 for index in range(length))
    one = Explanation("large", data, (Field("Payload data", 0, length * 8, data, data, "many bytes", "RFC 6455 5.2"),))
    text = dump_text(one)
    left_out = sum(int(number.replace(",", "")) for number in re.findall(r"… ([\d,]+) bytes not shown …", text))
    lines = [line for line in text.splitlines() if "not shown" not in line]
    assert sum(len(line[7:55].replace("|", " ").split()) for line in lines) + left_out == length
    assert (left_out == 0) == (length <= 96)
    started = time.perf_counter()
    assert len(explanation_text(one)) < 4000
    assert time.perf_counter() - started < 0.5
    assert f"… {length:,} bytes" in " ".join(explanation_text(one).split())


def test_a_head_reads_as_its_lines() -> None:
    text = explanation_text(head(("Host", "127.0.0.1:1234"), ("X-Evil", "<b>\x1b[31m")))
    assert text.split("\n", 2)[2] == (
        "\nGET /chat HTTP/1.1\n    says GET /chat HTTP/1.1 [RFC 6455 4.1]\n"
        "Host: 127.0.0.1:1234\n    says 127.0.0.1:1234 [RFC 6455 4.1]\n"
        "X-Evil: <b>\\x1b[31m\n    says <b>\\x1b[31m [RFC 6455 4.1]\n"
        "(blank line)\n    says  [RFC 6455 4.1]"
    )
    assert text in handshake_text(head(("Host", "127.0.0.1:1234"), ("X-Evil", "<b>\x1b[31m")), None)


def test_a_head_of_any_size_is_cut_with_counts() -> None:
    long = head(("N" * 50_000, "v" * 50_000), *((f"X-{index}", "1") for index in range(1000)))
    for show in (explanation_text, explanation_html):
        assert len(show(long)) < 60_000
        assert "… 875 lines not shown …" in show(long)
    assert "… 100,004 bytes" in explanation_text(long, width=10_000)
    assert "… 50,005 characters" in explanation_text(long, width=10_000)
    assert long.to_json()["fields"][1]["name"] == "N" * 80 + "… 50,000 characters"


def test_records_as_a_table() -> None:
    assert records_text(CONVERSATION[:5]) == (
        "5 records of connection 0\n"
        "#  from  kind      flags      length   !  summary\n"
        "─  ────  ────────  ─────────  ──────  ──  ──────────────────────────────────────\n"
        "0  ● C   request                          GET /chat\n"
        "1  ■ S   response                         101 Switching Protocols\n"
        '2  ● C   frame     FIN MASK       13      TEXT "Hello server!"\n'
        '3  ■ S   frame     FIN            13      TEXT "Hello client!"\n'
        "4  ● C   frame     RSV1 MASK      20  !2  BINARY 00 00 00 00 00 00 00 00 … 20\n"
        "                                          bytes, not final, RSV1"
    )


def test_several_connections_are_told_apart() -> None:
    two = [record(number=0), record(number=1, connection=1)]
    assert "  conn  " in records_text(two)
    assert "  conn  " not in records_text(two[:1])
    assert "1 c1 ├─" in ladder_text(two)
    assert "c0" not in ladder_text(two[:1])


def test_the_ladder() -> None:
    assert ladder_text(CONVERSATION, width=60) == (
        "   ● client                                         ■ server\n"
        " 0 ├─ GET /chat ──────────────────────────────────────────►│\n"
        " 1 │◄──────────────────────────── 101 Switching Protocols ─┤\n"
        ' 2 ├─ TEXT "Hello server!" ───────────────────────────────►│\n'
        ' 3 │◄─────────────────────────────── TEXT "Hello client!" ─┤\n'
        " 4 ├─ !2 BINARY 00 00 00 00 00 00 00 00 … 20 bytes, … ────►│\n"
        " 5 │                        error: ValueError: <b>\\x1b[31m │\n"
        ' 6 ├─ CLOSE 1000 "bye" ───────────────────────────────────►│\n'
        ' 7 │◄─────────────────────────────────── CLOSE 1000 "bye" ─┤\n'
        " 8 │◄─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ FIN, end of stream ─┤\n"
        " 9 ├─ RST, connection reset ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ×│\n"
        '10 ├─ no frame: "GET / HTTP/1" ───────────────────────────?│\n'
        "11 │~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~ bend: delay 0.2 s ~┤"
    )


def test_an_http_body_reaches_the_other_lane_as_its_head_does() -> None:
    body = record(kind=Kind.UNREAD, first=1, preview=b"Not found", length=9)
    assert ladder_text([body], width=60).splitlines()[1].endswith("►│")
    assert "body" in records_text([body])
    assert "unread" not in records_text([body])


def test_of_many_records_the_first_and_last_are_shown_and_the_rest_counted() -> None:
    many = [record(number=number) for number in range(1000)]
    for text in (records_text(many), ladder_text(many)):
        assert "… 940 records not shown …" in text
        assert text.count('TEXT ""') == 60
    assert records_text([]) == ladder_text([]) == "no records"


def test_closing_tells_who_was_first_and_what_each_end_reports() -> None:
    text = closing_text(CONVERSATION, REPORTS)
    assert "GET /chat" not in text
    assert text.split("\n\n")[1] == (
        'first Close     ● client: CLOSE 1000 "bye"\n'
        'the other\'s     ■ server: CLOSE 1000 "bye"\n'
        "client reports  1006, though the server's Close frame says 1000\n"
        'server reports  1000 "bye", as the client\'s Close frame says\n'
        "TCP ended by    ■ server with FIN, then ● client with RST"
    )


@pytest.mark.parametrize(
    ("some", "report", "said"),
    [
        ([], CloseReport(CLIENT, None), "client reports  nothing"),
        ([], CloseReport(CLIENT, 1006), "client reports  1006, since no Close frame came from the server"),
        (
            [record(Kind.FRAME, SERVER, first=0x88)],
            CloseReport(CLIENT, 1005),
            "client reports  1005, since the server's Close frame has no code",
        ),
        ([record(Kind.FIN, CLIENT)], CloseReport(SERVER, 1006), "TCP ended by    ● client with FIN"),
        ([record(Kind.FRAME, SERVER, first=0x88)], CloseReport(CLIENT, 1005), "the other's     none"),
    ],
)
def test_closings_that_went_otherwise(some: list[Record], report: CloseReport, said: str) -> None:
    assert said in closing_text(some, [report])


@given(
    st.lists(st.tuples(st.text(max_size=60), st.text(max_size=60), st.sampled_from(HOSTILE)), max_size=5),
    st.sampled_from([30, 80]),
)
@settings(max_examples=50)
def test_any_table_fits(rows: list[tuple[str, str, str]], width: int) -> None:
    assert_fits(table_text(["one", "two", "three"], rows, width=width, caption="what it is"), width)
    assert_fits(pairs_text([(one, two) for one, two, _ in rows], width=width), width)


def test_a_table_holds_wide_characters_in_line() -> None:
    text = table_text(["a", "b"], [("中文", "x"), ("é", "y")])
    assert [cells(line.split("x")[0].split("y")[0]) for line in text.splitlines()[2:]] == [6, 6]
