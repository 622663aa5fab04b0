"""The HTML report: well-formed, complete, self-contained, and nothing of a target's in it is markup."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from flowcraft_conformance.report.html.graph_layout import rows_of
from flowcraft_conformance.report.html.page import html_report
from tests.report.html_page import all_elements, read_page
from tests.report.samples import ODD, WORKFLOW, clause, failing_report, report

_PLOT = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(2)</script></svg>'
_FIGURES: dict[str, Any] = {
    "benchmark": "patch",
    "id": "patch/state size/5 MB/patch",
    "experiment": "state size",
    "group": "5 MB",
    "variant": ODD,
    "seconds": {"median": 0.0002, "q1": 0.0001, "q3": 0.0004},
    "operations_per_second": 5000.0,
    "bytes_sent": 1184,
    "speed_to": {"full-write": {"median": 477.0}},
}


@pytest.mark.parametrize("made", [report(), failing_report(), report(benchmarks=[_FIGURES, {"status": ODD}])])
def test_it_is_well_formed_and_fetches_and_runs_nothing(made: dict[str, Any]) -> None:
    page = read_page(html_report(made, _PLOT))
    names = {element.name for element in all_elements(page)}
    assert not names & {"script", "link", "iframe", "object", "embed", "form", "use", "foreignobject"}
    for element in all_elements(page):
        assert not [name for name in element.attributes if name.startswith("on")]
        for name in ("src", "href"):
            value = element.attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/svg+xml;base64,", "https://example.org/"))
    assert not re.search(r"@import|url\((?!#)", page.one("style").text)


def test_every_clause_is_listed_with_its_verdict() -> None:
    made = failing_report()
    listed = read_page(html_report(made)).one("section", id="clauses").all("li")
    shown = {item.all("span", class_="id")[0].text.split()[0]: item for item in listed}
    assert set(shown) == {one["id"] for one in made["clauses"]}
    for one in made["clauses"]:
        assert one["verdict"] in shown[one["id"]].text
        assert one["title"].replace("`", "") in shown[one["id"]].text


def test_a_failure_has_all_its_parts() -> None:
    article = read_page(html_report(failing_report())).one("article", id="COORD-INC-03")
    assert [heading.text for heading in article.all("h4")] == [
        "What was seen",
        "Why it matters",
        "Likely causes",
        "Reproduce",
    ]
    assert "<script>alert(1)</script>" in article.one("p", class_="summary").text
    assert article.one("pre", class_="command").text.startswith("pytest -k")


def test_characters_without_a_picture_are_shown_as_codes() -> None:
    text = html_report(failing_report())
    assert not re.search("[\x00\ud800\u202e]", text)
    assert "\\u0000 \\ud800 \\u202e" in text
    text.encode("utf-8")


def test_a_history_is_drawn_in_lanes_and_told_as_a_list() -> None:
    article = read_page(html_report(failing_report())).one("article", id="COORD-INC-03")
    svg = article.one("svg", class_="lanes")
    assert svg.attributes["role"] == "img"
    for part in (svg.attributes["aria-labelledby"] or "").split():
        assert svg.all("title", id=part) or svg.all("desc", id=part)
    assert [text.text for text in svg.all("text", class_="lane-name")] == ["client 0", "client 1", "client 2"]
    assert len(svg.all("rect")) == 3
    assert len(svg.all("g", class_="bar marked")) == 1
    assert len(svg.all("g", class_="bar open")) == 1
    calls = article.one("ol", class_="calls").all("li")
    assert ["contradicts the rest" in call.text for call in calls] == [False, True, False]


def test_calls_that_do_not_overlap_are_only_listed() -> None:
    calls = [
        {"client": number, "call": "get('k')", "output": "-> 1", "start": number, "end": number, "marked": False}
        for number in range(2)
    ]
    made = report(clause("COORD-INC-03", "fail", evidence="x", details={"calls": calls}), verdict="not-conformant")
    article = read_page(html_report(made)).one("article", id="COORD-INC-03")
    assert not article.all("svg")
    assert len(article.one("ol", class_="calls").all("li")) == 2


def test_bars_overlap_where_the_calls_did() -> None:
    article = read_page(html_report(failing_report())).one("article", id="COORD-INC-03")
    spans = []
    for rect in article.one("svg", class_="lanes").all("rect"):
        left, width = (float((rect.attributes[name] or "").rstrip("%")) for name in ("x", "width"))
        spans.append((left, left + width))
    (a, b, c) = spans
    assert a[0] < b[0] < a[1] < b[1]
    assert a[1] < c[0] < b[1]
    assert c[1] == pytest.approx(100)


def test_a_workflow_is_drawn_with_who_ran_what() -> None:
    article = read_page(html_report(failing_report())).one("article", id="DLV-CRASH-01")
    graph = article.one("svg", class_="graph")
    drawn = {node.one("tspan", class_="name").text: node.one("text", class_="ran").text
             for kind in ("node", "node again", "node never") for node in graph.all("g", class_=kind)}  # fmt: skip
    assert drawn == {"a": "ran on w1", "b<i>": "ran 2× on w2, w3", "c": "never ran", "d": "never ran"}
    assert len(graph.all("g", class_="edge")) == 5
    assert [lane.text for lane in article.one("svg", class_="lanes").all("text", class_="lane-name")] == [
        "worker 1",
        "worker 2",
        "worker 3",
    ]
    assert "✗ here" in article.one("ol", class_="calls").all("li")[1].text
    assert [mark.text for mark in article.all("mark")] == ["None", "1"]
    assert (
        "flowcraft-conformance replay diamond/c12+ --store=mine:Store --clause=DLV-CRASH-01 --seed=7 --profile=quick"
        in article.text
    )


def test_a_graph_that_is_too_large_is_said_to_be() -> None:
    nodes = [{"id": f"n{number}"} for number in range(60)]
    workflow = {**WORKFLOW["workflow"], "nodes": nodes, "edges": [], "left_out": 940}  # type: ignore[dict-item]
    made = report(clause("JOIN-ALL-02", "fail", details={"workflow": workflow}), verdict="not-conformant")
    article = read_page(html_report(made)).one("article", id="JOIN-ALL-02")
    assert "A graph of 1000 nodes" in article.text
    assert not article.all("svg", class_="graph")


def test_known_failures_show_reason_link_and_date() -> None:
    page = read_page(html_report(failing_report()))
    known = page.one("article", id="COORD-SET-03").one("p", class_="known")
    assert "accepted until 2030-01-31" in known.text
    assert known.one("a").attributes["href"] == "https://example.org/issues/12"
    assert "remove its entry" in page.one("article", id="COORD-TTL-04").text


def test_a_link_that_is_no_address_is_no_link() -> None:
    known = {"reason": "r", "link": "javascript:alert(1)", "expires": None, "expired": False}
    made = report(clause("COORD-INC-03", "known-failure", known_failure=known), verdict="not-conformant")
    assert not read_page(html_report(made)).one("p", class_="known").all("a")


def test_landmarks_headings_and_language() -> None:
    page = read_page(html_report(failing_report()))
    assert page.one("html").attributes["lang"] == "en"
    for landmark in ("header", "nav", "main", "footer", "h1"):
        page.one(landmark)
    levels = [int(element.name[1]) for element in all_elements(page) if re.fullmatch("h[1-6]", element.name)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    targets = {element.attributes.get("id") for element in all_elements(page)}
    links = [link.attributes["href"] or "" for link in page.all("a")]
    assert all(link[1:] in targets for link in links if link.startswith("#"))


def test_the_environment_names_what_is_needed_to_run_it_again() -> None:
    shown = read_page(html_report(report())).one("section", id="environment").text
    for part in ("mine:Store", "redis 7.0.15 (real)", "3.11.7", "quick", "1 min 1 s", "--flowcraft-seed=7"):
        assert part in shown


def test_an_interrupted_run_says_so() -> None:
    made = report(clause("COORD-INC-03", "untested"), verdict="inconclusive", interrupted=True)
    assert "The run was broken off." in read_page(html_report(made)).one("header").text


def test_benchmarks_have_a_table_and_their_plot() -> None:
    made = report(benchmarks=[_FIGURES, {"benchmark": "run", "status": "withheld", "reason": "DLV-DUP-01 is broken"}])
    section = read_page(html_report(made, _PLOT)).one("section", id="benchmarks")
    row = section.one("tbody").one("tr").text
    for figure in ("5 MB", "200 µs", "100 µs – 400 µs", "5,000", "1,184 B", "full-write 477"):
        assert figure in row
    assert section.one("img").attributes["alt"]
    assert "DLV-DUP-01 is broken" in section.text
    assert not read_page(html_report(report())).all("section", id="benchmarks")


def _contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        digits = colour.removeprefix("#")
        full = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
        parts = [int(full[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    brighter, darker = sorted((light(one), light(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def test_text_can_be_read_in_light_in_dark_and_on_paper() -> None:
    style = read_page(html_report(report())).one("style").text
    schemes = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.S)
    ]
    assert len(schemes) == 3
    pairs = [(ink, "page") for ink in ("ink", "soft", "link", "good", "bad", "warn")]
    pairs += [("ink", "panel"), ("ink", "bad-fill"), ("bar-ink", "bar")]
    pairs += [(kind, f"{kind}-fill") for kind in ("good", "bad", "warn", "none")]
    for scheme in schemes:
        for ink, paper in pairs:
            assert _contrast(scheme[ink], scheme[paper]) >= 4.5, (ink, paper)
        assert _contrast(scheme["bar-ink"], scheme["bar-bad"]) >= 4.5


def test_rows_stand_below_what_they_wait_for_and_loops_end() -> None:
    edges = [{"source": source, "target": target} for source, target in ("ab", "ac", "bd", "cd", "da", "ce", "dd")]
    rows = rows_of(list("edcba"), edges)
    depth = {name: number for number, row in enumerate(rows) for name in row}
    assert sorted(depth) == list("abcde")
    assert len({depth["a"], depth["b"], depth["d"]}) == 3
    assert depth["c"] != depth["e"]


def test_a_call_that_never_returned_does_not_hide_what_its_client_did_after_it() -> None:
    calls = [
        {"client": 0, "call": "a", "output": "never returned", "start": 0, "end": None, "marked": False},
        {"client": 1, "call": "b", "output": "-> 1", "start": 0.5, "end": 3, "marked": False},
        {"client": 0, "call": "c", "output": "-> 1", "start": 1, "end": 2, "marked": False},
        {"client": 0, "call": "d", "output": "-> 1", "start": 4, "end": 5, "marked": True},
    ]
    made = report(clause("COORD-INC-03", "fail", evidence="x", details={"calls": calls}), verdict="not-conformant")
    svg = read_page(html_report(made)).one("article", id="COORD-INC-03").one("svg", class_="lanes")
    lanes = [(lane.one("text", class_="lane-name").text, [title.text[0] for title in lane.all("title")])
             for lane in svg.all("g") if lane.all("text", class_="lane-name")]  # fmt: skip
    assert lanes == [("client 0", ["1"]), ("client 0, at the same time", ["3", "4"]), ("client 1", ["2"])]


def test_a_job_that_is_put_back_again_and_again_is_told_once() -> None:
    put_back = [{"number": 3 + one, "node": "c", "worker": 1 + one % 2, "outcome": "deferred"} for one in range(8)]
    deliveries = [*WORKFLOW["workflow"]["deliveries"][:2], *put_back]  # type: ignore[index]
    workflow = {**WORKFLOW["workflow"], "deliveries": deliveries}  # type: ignore[dict-item]
    made = report(clause("DLV-CRASH-01", "fail", details={"workflow": workflow}), verdict="not-conformant")
    items = read_page(html_report(made)).one("ol", class_="calls").all("li")
    assert [item.attributes["value"] for item in items] == ["0", "1", "3"]
    assert "worker 1, 2 job c: deferred, and 7 times more up to delivery 10" in items[2].text


def test_the_places_where_two_states_differ_are_listed() -> None:
    workflow = {**WORKFLOW["workflow"], "expected": "", "differences": ["_outputs.d.by: 'x' and not 'd'"]}  # type: ignore[dict-item]
    made = report(clause("DLV-CRASH-01", "fail", details={"workflow": workflow}), verdict="not-conformant")
    article = read_page(html_report(made)).one("article", id="DLV-CRASH-01")
    assert article.one("ul", class_="differences").text == "_outputs.d.by: 'x' and not 'd'"
    assert [term.text for term in article.all("dt")] == ["Got"]
