"""The clause catalogue: complete, in order, well-formed, and helpful where an id is wrong."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from flowcraft_conformance.contract import clauses
from flowcraft_conformance.contract.capabilities import Capabilities
from flowcraft_conformance.contract.clauses import (
    CATALOGUE,
    GROUP_TITLES,
    catalogue_of,
    clause,
    clauses_for,
    groups_of,
)
from flowcraft_conformance.contract.clauses.model import Clause, Level, Target
from flowcraft_conformance.contract.protocols import IAsyncContext, IGuardedContext

# The ids are promised to others: a renamed, dropped or weakened clause must fail here, so they stand here once more.
_IDS_AS_TEXT = """
COORD-INC-01 COORD-INC-02 COORD-INC-03 COORD-INC-04 COORD-INC-05 COORD-INC-06
COORD-SET-01 COORD-SET-02 COORD-SET-03 COORD-SET-04 COORD-SET-05
COORD-EXT-01 COORD-EXT-02 COORD-EXT-03 COORD-DEL-01 COORD-DEL-02 COORD-GET-01
COORD-TTL-01 COORD-TTL-02 COORD-TTL-03 COORD-TTL-04 COORD-TTL-05
COORD-KEY-01 COORD-LIN-01 COORD-PROC-01 COORD-ERR-01 COORD-ERR-02 COORD-ERR-03 COORD-ERR-04
CTX-GET-01 CTX-SET-01 CTX-SET-02 CTX-SET-03 CTX-SET-04 CTX-SET-06 CTX-SET-05 CTX-DEL-01 CTX-ALL-01
CTX-KEY-01 CTX-RUN-01 CTX-RACE-01 CTX-RACE-02 CTX-RACE-03 CTX-SIZE-01
PATCH-EQ-01 PATCH-EQ-02 PATCH-ORD-01 PATCH-NEW-01 PATCH-ATOM-01 PATCH-ATOM-02 PATCH-RACE-01 PATCH-MANY-01
PATCH-GUARD-01 PATCH-COST-01
JOB-RT-01 JOB-LOSS-01 JOB-ACK-01 JOB-NACK-01 JOB-CRASH-01 JOB-LONG-01 JOB-CONC-01 JOB-CONC-02 JOB-BAD-01
JOB-LIFE-01 JOB-LIFE-02 JOB-LIFE-03
FLOW-ORACLE-01 FLOW-ORDER-01 FLOW-ROUTE-01 FLOW-INPUT-01 JOIN-ALL-01 JOIN-ALL-02 JOIN-ANY-01 JOIN-FAIL-01
DLV-DUP-01 DLV-CRASH-01 DLV-CRASH-02 DLV-MULTI-01 FAULT-01 RESULT-01 RESULT-02 RESULT-03 RETRY-01 START-01
DLQ-01 VER-01 RECON-01 HITL-01 HB-01 EVT-01 SUB-01 KEY-01 LEAK-01
"""
IDS = _IDS_AS_TEXT.split()
SHOULD = {
    "COORD-TTL-04", "COORD-ERR-03", "CTX-SET-06", "PATCH-COST-01", "JOB-LONG-01", "JOB-CONC-02", "JOB-LIFE-03",
    "EVT-01", "SUB-01", "LEAK-01",
}  # fmt: skip
EXCUSED = {
    "COORD-PROC-01": ("processes",),
    "JOB-CRASH-01": ("processes",),
    "PATCH-ATOM-02": ("snapshot_reads",),
    "PATCH-COST-01": ("delta_persistence",),
}
# What an adapter can be held to by number or name.
BOUNDS = {
    "COORD-INC-06": ('"x"', '"007"', '" 5"', '"1_0"'),
    "COORD-SET-05": ('"007"', '"1.0"', '"true"', "64 KiB", "U+0000"),
    "COORD-TTL-05": ("2 or less", "max(ttl, 1) + lag"),
    "COORD-KEY-01": ("512 UTF-8 bytes", "NFC/NFD"),
    "COORD-ERR-02": ("call_timeout_seconds",),
    "CTX-SET-03": ("2^53", "1e-130 to 1e125"),
    "CTX-KEY-01": ("1 to 255 bytes", "__proto__"),
    "CTX-SIZE-01": ("max_value_bytes",),
    "PATCH-MANY-01": ("1,000", "max_patch_operations"),
    "JOB-ACK-01": ("20 acknowledged jobs", "at most one", "redelivery + lease"),
    "JOB-NACK-01": ("queue_attempts", "is_last_attempt", "JobDeferred"),
    "JOB-CRASH-01": ("redelivery_seconds",),
    "JOIN-ALL-01": ("1 + crashes + lost leases",),
    "JOIN-ALL-02": ("1, 2, 50 and 1,000",),
    "KEY-01": ("`r_1`+`A`", "`r`+`1_A`"),
}

EVERY_CLAUSE = pytest.mark.parametrize("found", CATALOGUE.values(), ids=list(CATALOGUE))


def test_the_catalogue_holds_every_clause_in_the_order_of_the_contract() -> None:
    assert list(CATALOGUE) == IDS


def test_levels_are_those_of_the_contract() -> None:
    assert {found.id for found in CATALOGUE.values() if found.level is Level.SHOULD} == SHOULD


def test_only_the_named_clauses_can_be_excused() -> None:
    assert {found.id: found.excused_by for found in CATALOGUE.values() if found.excused_by} == EXCUSED


def test_an_excuse_is_a_capability_that_can_be_declared_absent() -> None:
    can_be_absent = {field.name for field in fields(Capabilities) if str(field.type).startswith("bool")}
    assert {name for found in CATALOGUE.values() for name in found.excused_by} <= can_be_absent


def test_an_offer_is_an_optional_method_of_a_context() -> None:
    needed = {found.id: found.needs_offer for found in CATALOGUE.values() if found.needs_offer}
    assert needed == {"PATCH-GUARD-01": "patch_if_absent"}
    assert all(hasattr(IGuardedContext, name) and not hasattr(IAsyncContext, name) for name in needed.values())


@EVERY_CLAUSE
def test_a_clause_is_well_formed(found: Clause) -> None:
    assert CATALOGUE[found.id] is found
    assert re.fullmatch(r"[A-Z]+(-[A-Z]+)?-\d{2}", found.id)
    assert isinstance(found.level, Level)
    assert found.group in GROUP_TITLES
    for text in (found.sentence, found.why, found.checked_by):
        assert text.endswith("."), text
        assert not text.endswith(".."), text
        assert not text[0].islower(), text
    assert 2 <= len(found.causes) <= 5
    for cause in found.causes:  # fragments behind a bullet
        assert not cause.endswith("."), cause


@EVERY_CLAUSE
def test_the_texts_of_a_clause_are_clean_and_short_enough_for_a_failure(found: Clause) -> None:
    for text in (found.sentence, found.why, found.checked_by, *found.causes):
        assert text == " ".join(text.split()), f"blanks or line ends: {text!r}"
        assert text.isascii(), f"not for every terminal: {text!r}"
        assert text.count("`") % 2 == 0, f"an open backtick: {text!r}"
        assert text.count("(") == text.count(")"), f"an open bracket: {text!r}"
    assert len(found.sentence) <= 330
    assert 60 <= len(found.why) <= 300
    assert 40 <= len(found.checked_by) <= 330
    assert all(20 <= len(cause) <= 150 for cause in found.causes)


@pytest.mark.parametrize("clause_id", BOUNDS)
def test_a_sentence_keeps_the_bounds_of_the_contract(clause_id: str) -> None:
    for bound in BOUNDS[clause_id]:
        assert bound in CATALOGUE[clause_id].sentence


def test_no_two_clauses_share_a_text() -> None:
    for name in ("sentence", "why", "checked_by", "causes"):
        counted = Counter(getattr(found, name) for found in CATALOGUE.values())
        assert [text for text, count in counted.items() if count > 1] == [], name
    causes = Counter(cause for found in CATALOGUE.values() for cause in found.causes)
    assert [cause for cause, count in causes.items() if count > 1] == []


def test_a_clause_names_only_clauses_that_exist() -> None:
    for found in CATALOGUE.values():
        for text in (found.sentence, found.why, found.checked_by, *found.causes):
            named = re.findall(r"\b[A-Z]+(?:-[A-Z]+)?-\d{2}\b", text)
            assert set(named) <= set(CATALOGUE), text


def test_groups_have_titles_in_the_order_of_the_contract() -> None:
    assert list(GROUP_TITLES) == list(dict.fromkeys(found.group for found in CATALOGUE.values()))
    assert len(set(GROUP_TITLES.values())) == len(GROUP_TITLES)
    assert all(title and len(title) <= 32 for title in GROUP_TITLES.values())


def test_each_kind_of_target_is_judged_by_its_groups() -> None:
    assert groups_of(Target.STORE) == ("COORD",)
    assert groups_of(Target.CONTEXT) == ("CTX", "PATCH")
    assert groups_of(Target.ADAPTER) == tuple(GROUP_TITLES)
    assert [found.id for found in clauses_for(Target.STORE)] == [name for name in IDS if name.startswith("COORD-")]
    assert [found.id for found in clauses_for(Target.CONTEXT)] == [
        name for name in IDS if name.startswith(("CTX-", "PATCH-"))
    ]
    assert clauses_for(Target.ADAPTER) == tuple(CATALOGUE.values())


def test_a_clause_is_found_by_its_id() -> None:
    assert clause("DLV-DUP-01") is CATALOGUE["DLV-DUP-01"]


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("COORD-INC-1", "COORD-INC-01"),
        ("coord-inc-03", "COORD-INC-03"),
        ("CTX_RACE_02", "CTX-RACE-02"),
        ("PACTH-ATOM-01", "PATCH-ATOM-01"),
        ("COORD-INC-99", "COORD-INC-0"),
    ],
)
def test_an_unknown_id_is_answered_with_close_ones(wrong: str, meant: str) -> None:
    with pytest.raises(LookupError) as raised:
        clause(wrong)
    assert repr(wrong) in str(raised.value)
    assert "did you mean" in str(raised.value)
    assert meant in str(raised.value)


def test_an_id_like_no_other_is_answered_with_the_groups() -> None:
    with pytest.raises(LookupError) as raised:
        clause("?")
    assert all(group in str(raised.value) for group in GROUP_TITLES)


def test_an_id_that_is_used_twice_is_refused() -> None:
    first = CATALOGUE["HB-01"]
    with pytest.raises(ValueError, match="HB-01"):
        catalogue_of((first,), (first,))


def test_the_catalogue_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        CATALOGUE["X-01"] = CATALOGUE["HB-01"]  # type: ignore[index]
    with pytest.raises(TypeError):
        GROUP_TITLES["X"] = "x"  # type: ignore[index]


def _imported_by(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


def test_the_catalogue_imports_the_standard_library_alone() -> None:
    files = sorted(Path(clauses.__file__).parent.glob("*.py"))
    assert len(files) > 2
    for path in files:
        for name in _imported_by(path):
            own = name.startswith(clauses.__name__ + ".")
            assert own or name.split(".")[0] in sys.stdlib_module_names, f"{path.name} imports {name}"
