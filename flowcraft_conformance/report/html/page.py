"""The page: verdict, what is broken, all clauses by group, benchmarks, environment."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from flowcraft_conformance.report.html.benchmarks import benchmarks_section
from flowcraft_conformance.report.html.failures import failure_article
from flowcraft_conformance.report.html.markup import Child, Markup, command, join, prose, raw, tag
from flowcraft_conformance.report.wording import (
    BROKEN,
    REPORT,
    SYMBOLS,
    TITLES,
    because,
    by_group,
    counts,
    numbers,
    observed,
    seconds,
    servers,
    title_of_group,
)


def html_report(report: REPORT, plot: str | None = None) -> str:
    """The report as one HTML file that needs no script and fetches nothing; ``plot``: an SVG of its benchmarks."""
    sections = [
        _failures(report),
        _groups(report),
        benchmarks_section(report["benchmarks"], plot),
        _environment(report),
    ]
    body = join(
        tag("a", "Skip to what is broken" if _broken(report) else "Skip to the clauses", class_="skip",
            href="#broken" if _broken(report) else "#clauses"),
        _header(report),
        _navigation(report),
        tag("main", sections),
        tag("footer", tag("p", f"flowcraft-conformance {report['kit']}, contract {report['contract']}")),
    )  # fmt: skip
    return f"<!DOCTYPE html>\n{document(_title(report), body)}\n"


def document(title: str, body: Child) -> Markup:
    """A page of the kit with its style sheet in it."""
    style = files("flowcraft_conformance.report.html").joinpath("style.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", raw(style)),
    )
    return tag("html", head, tag("body", body), lang="en")


def _title(report: REPORT) -> str:
    return f"{report['target']['spec']}: {TITLES[report['verdict']].lower()}"


def _broken(report: REPORT) -> list[Mapping[str, Any]]:
    return [clause for clause in report["clauses"] if clause["verdict"] in BROKEN]


def _header(report: REPORT) -> Markup:
    verdict = report["verdict"]
    return tag(
        "header",
        tag("p", f"Conformance of a Flowcraft {report['target']['kind']}", class_="kind"),
        tag("h1", report["target"]["spec"]),
        tag(
            "div",
            tag("p", tag("span", SYMBOLS[verdict], aria_hidden="true"), f" {TITLES[verdict]}", class_="verdict"),
            tag("p", because(report)),
            class_=f"banner {verdict}",
        ),
        _bar(report),
    )


def _bar(report: REPORT) -> Markup:
    """The counts as one bar, and as a list that says the same."""
    counted = counts(report["clauses"])
    parts = [tag("span", class_=f"part {verdict}", style=f"flex-grow:{count}") for verdict, count in counted.items()]
    words = [
        tag("li", badge(verdict), f" {count}", title=f"{count} clauses: {verdict}")
        for verdict, count in counted.items()
    ]
    return join(tag("div", parts, class_="bar", aria_hidden="true"), tag("ul", words, class_="counts", role="list"))


def badge(verdict: str) -> Markup:
    """A verdict as its mark and its word, never by its colour alone."""
    return tag(
        "span", tag("span", SYMBOLS.get(verdict, "?"), aria_hidden="true"), f" {verdict}", class_=f"badge {verdict}"
    )


def _navigation(report: REPORT) -> Markup:
    links = [("broken", f"Broken ({len(_broken(report))})")] if _broken(report) else []
    links += [("clauses", f"Clauses ({len(report['clauses'])})")]
    links += [("benchmarks", "Benchmarks")] if report["benchmarks"] else []
    links += [("environment", "Environment")]
    items = [tag("li", tag("a", words, href=f"#{place}")) for place, words in links]
    return tag("nav", tag("ul", items, role="list"), aria_label="Parts of this report")


def _failures(report: REPORT) -> Markup | None:
    broken = _broken(report)
    if not broken:
        return None
    ordered = sorted(broken, key=lambda clause: (clause["level"] != "MUST", BROKEN.index(clause["verdict"])))
    articles = [failure_article(clause, badge(clause["verdict"]), _replay(clause, report)) for clause in ordered]
    return tag("section", tag("h2", "What is broken"), articles, id="broken")


def _replay(clause: Mapping[str, Any], report: REPORT) -> str:
    """The command that runs the one schedule or plan again."""
    token = clause.get("details", {}).get("token")
    target = report["target"]
    if not token or "::" in target["spec"]:
        return ""
    words = ["flowcraft-conformance", "replay", token, f"--{target['kind']}={target['spec']}"]
    words += [f"--clause={clause['id']}", f"--seed={report['seed']}"]
    if report["profile"] != "standard":
        words.append(f"--profile={report['profile']}")
    return shlex.join(words)


def _groups(report: REPORT) -> Markup:
    groups = by_group(report["clauses"])
    return tag(
        "section", tag("h2", "Clauses"), [_group(name, clauses) for name, clauses in groups.items()], id="clauses"
    )


def _group(name: str, clauses: Sequence[Mapping[str, Any]]) -> Markup:
    return tag(
        "section",
        tag("h3", title_of_group(name), " ", tag("span", numbers(clauses), class_="numbers")),
        tag("ul", [_clause(clause) for clause in clauses], class_="clauses", role="list"),
        class_="group",
    )


def _clause(clause: Mapping[str, Any]) -> Markup:
    verdict = clause["verdict"]
    name: Child = tag("a", clause["id"], href=f"#{clause['id']}") if verdict in BROKEN else clause["id"]
    summary, _ = observed(clause)
    said = summary if verdict != "pass" else ""
    level = None if clause["level"] == "MUST" else tag("span", clause["level"], class_="level")
    return tag(
        "li",
        badge(verdict),
        tag("span", name, " ", level, class_="id"),
        tag("div", tag("p", prose(clause["title"])), tag("p", prose(said), class_="note") if said else None),
        class_=verdict,
    )


def _environment(report: REPORT) -> Markup:
    around = report["environment"]
    backends = servers(around["backends"])
    facts = {
        "Target": f"{report['target']['kind']} {report['target']['spec']}",
        "Kit": f"{report['kit']}, contract {report['contract']}",
        "Profile": report["profile"],
        "Seed": report["seed"],
        "Backends": backends or "none that the kit knows of",
        "Python": around["python"],
        "Platform": around.get("platform"),
        "Started": report.get("started"),
        "Time in checks": seconds(report["duration_seconds"]),
    }
    rows = [join(tag("dt", name), tag("dd", str(value))) for name, value in facts.items() if value is not None]
    again = _again(report)
    return tag(
        "section",
        tag("h2", "Environment"),
        tag("dl", rows),
        [tag("p", "The whole run again:"), command(again)] if again else None,
        id="environment",
    )


def _again(report: REPORT) -> str:
    target = report["target"]
    if "::" in target["spec"]:
        return ""
    words = ["pytest", f"--flowcraft-{target['kind']}={target['spec']}"]
    words += [f"--flowcraft-profile={report['profile']}", f"--flowcraft-seed={report['seed']}"]
    return shlex.join(words)
