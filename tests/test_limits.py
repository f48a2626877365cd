"""The page of limits tells every limit of the package, with the default that the code has."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from test_house import MODULES, PACKAGE, ROOT
from test_rails import DOTTED
from websockets.asyncio.client import connect

from wslab import Lab, Trace
from wslab.protocol.connection import Connection
from wslab.recording.derive import RECORDS_EACH

PAGE = (ROOT / "docs/limits.md").read_text(encoding="utf-8")
LINES = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| What |", "| **"))
]
ROWS = [line for line in LINES if "`" in line[3]]
CALLED: dict[str, Callable[..., Any]] = {
    "Trace": Trace,
    "Connection": Connection,
    "lab.serve": connect.__init__,  # websockets gives both ends the same defaults
    "lab.connect": connect.__init__,
    "lab.settled": Lab.settled,
}
L, R, P, C = "live/test_live_limits.py", "recording/test_recording_limits.py", "panels/test_panel_limits.py", "course"
G, H, T = f"{C}/test_course_limits.py", f"{C}/test_hands.py", "recording/test_trace.py"
D, F, B = "protocol/test_deflate.py", "recording/test_damaged_files.py", "panels/test_browser_panel_messages.py"
# For each line of the table, the test that reaches the limit, and that holds what the line says of it.
REACHED = {
    "open connections": f"{L}::test_open_files_end_the_number_of_connections_and_no_lab",
    "length of a message that is received": f"{L}::test_a_longer_message_is_refused_with_1009",
    "messages that wait for `recv()`": "live/test_raw.py::test_back_pressure",
    "fragments of a message": f"{L}::test_a_message_in_too_many_fragments_is_refused",
    "pings that wait for a pong": f"{L}::test_pings_wait_as_long_as_one_likes_and_nothing_is_forgotten",
    "bytes that wait to be sent": f"{L}::test_send_waits_where_too_much_waits_to_be_sent",
    "line of an opening handshake, and how many header lines": f"{L}::test_a_handshake_that_is_too_large_is_refused",
    "time for the opening handshake": f"{L}::test_a_handshake_that_does_not_come_is_given_up",
    "time for the closing handshake": f"{L}::test_a_close_that_nobody_answers_is_given_up_with_1006",
    "a raw endpoint's wait": f"{L}::test_a_raw_endpoint_says_what_did_not_come",
    "silence that ends `recv_until_quiet`": f"{L}::test_a_raw_endpoint_says_what_did_not_come",
    "HTTP head that a raw endpoint waits for": f"{L}::test_a_raw_endpoint_gives_a_long_head_up",
    "time that a peer or a handler has at the end": "live/test_live_lab.py::test_a_peer_that_never_answers_is_cut_off",
    "wait for bytes on their way": f"{L}::test_settled_says_what_is_still_on_its_way",
    "line of a request's head, at a server with a secret": (
        "live/test_secret.py::test_a_line_that_is_too_long_is_not_waited_for"
    ),
    "a judge's wait for an answer to a handshake": f"{L}::test_a_judge_counts_no_answer_as_silence",
    "a judge's wait for the goodbye": f"{L}::test_a_judge_counts_no_answer_as_silence",
    "one read in memory, and what may wait there": f"{L}::test_one_read_in_memory_takes_so_much_and_the_writer_pauses",
    "bytes of traffic that are kept": f"{R}::test_a_record_that_is_no_longer_kept_says_so",
    "records that are kept, and twice as many writes and reads": (
        f"{T}::test_a_bounded_trace_counts_what_it_drops_and_keeps_offsets"
    ),
    "inflated payloads that are kept": f"{R}::test_the_oldest_inflated_payloads_are_dropped_and_their_records_stay",
    "connections that are over and still kept": (
        "recording/test_bounds.py::test_records_go_with_the_connections_before_all_that_are_kept"
    ),
    "new connections of which nobody has looked at a byte": (
        "recording/test_bounds.py::test_a_writer_helps_where_very_many_connections_are_new"
    ),
    "records that wait for a peer whose reads are not seen": (
        "recording/test_received.py::test_what_is_never_read_does_not_pile_up"
    ),
    "times of reading that are told to a panel later": (
        f"{R}::test_times_of_reading_beyond_the_limit_are_not_told_later"
    ),
    "records and chunks around one that `lanes` looks through": f"{R}::test_lanes_look_no_farther",
    "a recording's file, unpacked": f"{R}::test_a_file_that_would_unpack_to_too_much_is_refused",
    "HTTP head": "protocol/test_dissector.py::test_what_follows_depends_on_what_came",
    "line between two chunks of an HTTP body": (f"{R}::test_a_long_line_between_two_chunks_ends_the_reading_of_a_body"),
    "bytes without a meaning that are kept": (
        "protocol/test_dissector.py::test_unread_bytes_are_counted_and_the_first_are_kept"
    ),
    "payload whose text or compression is checked": (
        "protocol/test_connection.py::test_text_longer_than_keep_is_not_checked_and_says_so"
    ),
    "the same behind the other end's close frame": (
        "protocol/test_connection.py::test_what_its_receiver_has_given_up_is_not_gathered"
    ),
    "message after inflating": f"{D}::test_a_bomb_is_given_up_at_the_limit",
    "blocks with BFINAL in a compressed message": (
        f"{D}::test_more_blocks_with_bfinal_are_given_up_soon_and_said_to_be_lawful"
    ),
    "payload of a record that is kept with it": f"{R}::test_a_summary_holds_as_much_of_a_payload_as_its_record",
    "bytes of an explanation that go to a page or into JSON": (
        "anatomy/test_transport.py::test_a_large_payload_is_cut_and_its_length_told"
    ),
    "lines of a head that are shown": "anatomy/test_anatomy_text.py::test_a_head_of_any_size_is_cut_with_counts",
    "things in a list that a view shows": (
        "protocol/test_dissection.py::test_a_cell_shows_a_bounded_part_of_many_frames_and_str_all"
    ),
    "things that an error names, such as connections": (
        f"{T}::test_no_connection_of_that_number_is_told_with_those_there_are"
    ),
    "pushes to the page": "panels/test_lab_panel_messages.py::test_many_records_come_in_few_messages_in_order",
    "records in one push": (
        "panels/test_lab_panel_messages.py::test_more_than_one_batch_is_sent_without_being_asked_again"
    ),
    "records up to which the stored text is kept up to date": (
        f"{P}::test_the_stored_text_stays_as_it_was_where_there_are_too_many_records"
    ),
    "text that the notebook keeps of a panel": (
        "panels/test_lab_panel_messages.py::test_the_snapshot_is_bounded_and_says_where_it_was_cut"
    ),
    "connections whose earlier states a push carries": (
        f"{P}::test_a_push_carries_the_earlier_states_of_so_many_connections"
    ),
    "rows of the table before it scrolls": (
        "browser/test_lab_panel.py::test_a_panel_that_one_reads_never_jumps_and_counts_what_is_new"
    ),
    "bytes of a record that the page shows": f"{P}::test_a_page_shows_the_first_bytes_of_a_record",
    "chunks around a record": (
        "panels/test_lanes_messages.py::test_of_many_chunks_the_first_are_sent_and_the_rest_counted"
    ),
    "payload in the composer": "panels/test_composer_messages.py::test_what_makes_no_bytes_is_told_in_words",
    "fragments in the composer": f"{P}::test_the_composer_takes_so_many_fragments",
    "ends that the composer offers": f"{P}::test_the_composer_offers_the_newest_ends",
    "close reason in the composer": f"{P}::test_a_close_reason_that_is_too_long_is_refused",
    "sendings that the composer remembers": f"{P}::test_the_composer_remembers_so_many_sendings",
    "records shown as an answer": f"{P}::test_of_many_answers_the_first_are_shown_and_the_rest_counted",
    "payload in the frame builder": (
        "panels/test_frame_builder_messages.py::test_what_cannot_be_written_is_refused_in_words"
    ),
    "hex in the frame builder": f"{P}::test_of_a_large_payload_the_builder_shows_the_first_hex_and_a_short_call",
    "characters of the frame builder's Python call": (
        f"{P}::test_of_a_large_payload_the_builder_shows_the_first_hex_and_a_short_call"
    ),
    "hex in the byte inspector's field": (
        "panels/test_byte_inspector_messages.py::test_long_data_is_read_whole_though_its_text_is_cut"
    ),
    "frames that the byte inspector offers": f"{P}::test_the_byte_inspector_offers_the_first_frames",
    "body of a response in the workbench": f"{P}::test_a_long_body_of_a_response_is_cut_and_its_length_told",
    "connections that the closing panel offers": (
        f"{P}::test_the_closing_panel_offers_the_newest_connections_and_forgets_the_oldest"
    ),
    "connections that the closing panel remembers": (
        f"{P}::test_the_closing_panel_offers_the_newest_connections_and_forgets_the_oldest"
    ),
    "code in the browser panel": f"{P}::test_code_that_a_page_sends_is_cut",
    "events of a run in the browser panel": f"{B}::test_a_flood_is_bounded_and_counted",
    "messages that are tied to their records": (
        f"{P}::test_a_message_that_is_older_than_the_last_thousand_has_no_record"
    ),
    "one text that a page tells": f"{B}::test_a_flood_is_bounded_and_counted",
    "events that a TimeoutError names": f"{P}::test_a_timeout_names_so_many_events_and_counts_the_rest",
    "time for the head of a first request": "live/test_relay.py::test_half_a_request_is_handed_on_at_last",
    "bytes that wait in the bends of a stream": f"{L}::test_a_relay_reads_no_more_where_its_bends_are_full",
    "bytes that wait for a slow socket": "live/test_relay.py::test_who_reads_too_slowly_slows_down_who_writes",
    "ciphertext that is kept of a stream": f"{L}::test_of_ciphertext_the_first_bytes_are_kept",
    "connections whose ciphertext is kept": f"{L}::test_of_connections_over_tls_the_newest_are_kept",
    "TLS records of one connection that are kept": "live/test_tls_lab.py::test_what_is_kept_is_bounded",
    "bytes of those records": "live/test_tls_lab.py::test_what_is_kept_is_bounded",
    "longest TLS record": f"{L}::test_a_tls_record_that_is_longer_is_none",
    "time for a script in Node to listen": f"{L}::test_a_script_that_never_listens_is_given_up_with_its_last_words",
    "lines of a script's output": "oracle/test_node_peer.py::test_output_is_bounded_and_harmless",
    "a line of it": "oracle/test_node_peer.py::test_output_is_bounded_and_harmless",
    "a script that is given as text": f"{L}::test_a_script_as_text_has_a_length",
    "npm's complaint that is shown": f"{L}::test_npms_complaint_is_cut",
    "time for a cell that awaits to end after an interrupt": (
        "live/test_kernel.py::test_an_interrupt_reaches_a_cell_that_has_await_in_it_and_computes"
    ),
    "wait for a Jupyter server to say whose kernel it is": (
        f"{L}::test_a_jupyter_server_that_says_nothing_counts_as_not_found"
    ),
    "characters of a kernel message's part": f"{L}::test_a_part_of_a_kernel_message_is_cut",
    "one read of the splice": "splice/test_splice.py::test_who_reads_slowly_slows_the_sender",
    "a capture": f"{F}::test_a_huge_file_is_read_in_part",
    "packets in it": f"{F}::test_a_huge_file_is_read_in_part",
    "packet that is cut by the file's end": f"{R}::test_of_a_capture_with_a_long_last_packet_a_part_is_read",
    "segments after a gap, or Upgrade lines, that are tried": f"{R}::test_after_a_gap_so_many_segments_are_tried",
    "a HAR, or a zip archive with one": f"{F}::test_a_huge_har_is_refused",
    "messages in it": f"{R}::test_of_many_messages_in_a_har_the_first_are_read",
    "header lines in it": f"{R}::test_of_many_header_lines_in_a_har_the_first_are_read",
    "different problems that are told": f"{R}::test_of_many_problems_the_rest_is_counted",
    "a learner's code without `await`": f"{C}/test_exercises.py::test_an_endless_loop_is_ended",
    "a whole check": f"{C}/test_exercises.py::test_what_waits_for_ever_is_ended",
    "tries before a solution opens": f"{C}/test_exercises.py::test_hints_open_one_by_one_and_then_the_solution",
    "one call while grading": f"{G}::test_one_call_while_grading_is_ended_and_the_next_gets_no_answer",
    "time to run a submission's definitions": (
        f"{G}::test_definitions_that_never_end_are_worth_nothing_and_it_says_why"
    ),
    "memory of that process": f"{G}::test_a_submission_that_takes_too_much_memory_meets_memory_error",
    "one value from it": f"{G}::test_a_longer_value_is_no_answer",
    "a submitted notebook": f"{G}::test_a_notebook_that_is_too_large_is_not_read",
    "connections to a vote": f"{H}::test_what_a_voter_makes_grow_is_bounded",
    "voters": f"{H}::test_what_a_voter_makes_grow_is_bounded",
    "wrong join codes": f"{H}::test_guessing_is_slow_and_ends",
    "time for the join code": f"{H}::test_who_says_nothing_is_sent_away",
    "message of a voter": f"{H}::test_what_a_voter_makes_grow_is_bounded",
    "messages of one connection": f"{H}::test_what_a_voter_makes_grow_is_bounded",
    "letters of an answer, or twice the letters of its options where that is more": (
        f"{H}::test_what_is_no_vote_is_not_counted"
    ),
    "different answers that are shown to a case": f"{H}::test_a_class_of_thirty_votes_and_sees_what_happened",
    "a cell, while slides are drawn": f"{G}::test_a_cell_that_takes_too_long_gives_no_slide",
    "records in a summary": f"{R}::test_a_summary_in_a_terminal_has_so_many_records",
}
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
LIMITING = re.compile(r"(^|_)(MOST|LARGEST|LONGEST|KEPT|LIMIT|PATIENCE|TIMEOUT|DEADLINE|GRACE|CAPACITY|MEMORY)(_|$)")
NO_LIMITS = {
    "drawing.svg_bytes._MOST": "lines of a picture",
    "protocol.header.LONGEST": "the RFC's",
    "recording.files.capture_out.MOST": "what a packet of IPv4 holds",
    "recording.ring.CAPACITY": "told as Trace(max_bytes=)",
    "panels.composer.composition.LONGEST_CODE": "what two bytes can say",
}


def numbers(text: str) -> list[float]:
    """The numbers of a cell, in bytes where it says KiB, MiB or GiB."""
    found = re.findall(r"(\d[\d,]*(?:\.\d+)?) ?(KiB|MiB|GiB)?", text)
    return [float(digits.replace(",", "")) * UNITS.get(unit, 1) for digits, unit in found]


def settings(cell: str) -> Iterator[tuple[str, float]]:
    """The settings that a cell names, with the value that each has in the code."""
    for name, file in re.findall(r"`(\w+)` in `(\w+\.js)`", cell):
        (path,) = PACKAGE.glob(f"panels/*/{file}")
        match = re.search(rf"const {name} = ([\d_]+)", path.read_text(encoding="utf-8"))
        assert match, f"{path} has no {name}"
        yield name, float(match[1].replace("_", ""))
    for called, argument in re.findall(r"`([\w.]+)\((\w+)=\)`", cell):
        yield f"{called}({argument}=)", float(inspect.signature(CALLED[called]).parameters[argument].default)
    for stem, name in re.findall(r"`(\w+)\.([A-Z_]+)`", cell):
        there = [module for module in DOTTED if module.rpartition(".")[2] == stem]
        (found,) = [module for module in there if hasattr(import_module(module), name)]
        yield f"{found.removeprefix('wslab.')}.{name}", float(getattr(import_module(found), name))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_default_is_the_codes(row: list[str]) -> None:
    _, default, outcome, setting = row
    named = list(settings(setting))
    assert {value for _, value in named} <= set(numbers(default)[: len(named)]) or "quarter" in setting
    assert outcome.endswith(".")


@pytest.mark.lengthy
def test_each_line_names_the_test_that_reaches_its_limit() -> None:
    assert [line[0] for line in LINES] == list(REACHED)
    for line, place in REACHED.items():
        file, _, name = place.partition("::")
        tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        there = {node.name for node in ast.walk(tree) if isinstance(node, functions)}
        assert name in there, f"{line}: {file} has no {name}"


@pytest.mark.lengthy
def test_each_limit_of_the_code_is_told() -> None:
    told = {name for row in ROWS for name, _ in settings(row[3])}
    missing, spared = [], set()
    for path in MODULES:
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if module.startswith("course.experiments"):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            if not isinstance(target, ast.Name) or not LIMITING.search(target.id):
                continue
            value = getattr(import_module(f"wslab.{module}"), target.id)
            name = f"{module}.{target.id}"
            if name in NO_LIMITS:
                spared.add(name)
            elif isinstance(value, int | float) and name not in told:
                missing.append(name)
    assert missing == []
    assert spared == set(NO_LIMITS)


def test_a_quarter_of_the_recording_may_be_inflated_payloads() -> None:
    (row,) = [row for row in ROWS if "quarter" in row[3]]
    assert numbers(row[1]) == [Trace().ledger._max_inflated]
    assert "after 500 connections" in PAGE
    assert Trace().tape.max_entries // RECORDS_EACH == 500
