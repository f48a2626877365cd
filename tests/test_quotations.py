"""Holds every sentence that the package quotes to the RFC's own words.

``rfc_sentences.txt`` has each of them with its section, as it was compared with the text of the RFC. A new quotation is
compared there too, and its sentence added. Comments quote in one form: ``"the sentence" (RFC 6455 5.2)``, on as many
comment lines as it takes; ``...`` stands for words left out.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from test_house import MODULES, name_of

from wslab.protocol import RULES, TRANSITIONS

QUOTATION = re.compile(r'"(.+?)" \((RFC \d+ [\d.]*\d)[^)]*\)')
SENTENCES = {
    (line.partition(": ")[0], line.partition(": ")[2])
    for line in (Path(__file__).parent / "rfc_sentences.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
}


def comments(path: Path) -> Iterator[str]:
    """Each run of comment lines as one text."""
    text, last = "", -1
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type == tokenize.COMMENT:
            line = token.string.lstrip("# ")
            if token.start[0] == last + 1:
                text += " " + line
            else:
                yield text
                text = line
            last = token.start[0]
    yield text


def of_vectors() -> Iterator[tuple[str, str, str]]:
    """The sentences that the table of vectors was written from."""
    spec = spec_from_file_location("vectors_of_the_table", Path(__file__).parent / "protocol" / "vectors.py")
    assert spec is not None
    assert spec.loader is not None
    table = module_from_spec(spec)
    spec.loader.exec_module(table)
    for vector in table.VECTORS:
        yield f"vectors.py: {vector.what}", vector.section, vector.sentence


def quoted() -> Iterator[tuple[str, str, str]]:
    """Where something is quoted, the section and the words."""
    for rule in RULES:
        yield rule.name, rule.section, rule.sentence
    yield from of_vectors()
    for transition in TRANSITIONS:
        yield f"{transition.old.value}, {transition.event.value}", transition.section, transition.sentence
    for path in MODULES:
        for comment in comments(path):
            for words, section in QUOTATION.findall(comment):
                yield name_of(path), section, words


QUOTED = sorted(set(quoted()))


@pytest.mark.parametrize(("where", "section", "words"), QUOTED)
def test_a_quotation_is_the_rfcs_own_sentence(where: str, section: str, words: str) -> None:
    for part in re.split(r" ?\.\.\.,? ?", words):
        assert any(part in sentence for of, sentence in SENTENCES if of == section), f"{section} does not say: {part}"


def test_there_are_quotations() -> None:
    assert len(QUOTED) > 75


def test_no_sentence_is_kept_that_nobody_quotes() -> None:
    parts = [(section, part) for _, section, words in QUOTED for part in re.split(r" ?\.\.\.,? ?", words)]
    assert [one for one in SENTENCES if not any(of == one[0] and part in one[1] for of, part in parts)] == []
