"""One broken clause: the rule, what was seen, why it matters, likely causes, the command that shows it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowcraft_conformance.report.html.history import draw_history
from flowcraft_conformance.report.html.markup import Child, Markup, command, prose, tag
from flowcraft_conformance.report.html.workflow import draw_workflow
from flowcraft_conformance.report.wording import causes_of, expiry, observed


def failure_article(clause: Mapping[str, Any], badge: Markup, replay: str) -> Markup:
    """The clause as an article of its own; ``replay`` is a command for its one schedule or plan, or empty."""
    summary, evidence = observed(clause)
    if clause["verdict"] == "unexpected-pass":
        summary = "It passed, and the file of known failures says that it fails: remove its entry."
    key = clause["id"]
    return tag(
        "article",
        tag("h3", tag("span", key, class_="id"), " ", tag("span", clause["level"], class_="level"), " ", badge),
        tag("p", prose(clause["title"]), class_="sentence"),
        _known(clause.get("known_failure")),
        tag("h4", "What was seen"),
        None if _tells_outcome(clause, summary) else tag("p", summary or _NO_MORE, class_="summary"),
        _drawing(clause.get("details", {}), evidence, key),
        tag("h4", "Why it matters"),
        tag("p", prose(clause["why"])),
        _causes(clause),
        _commands(clause, replay),
        id=key,
        class_=clause["verdict"],
    )


_NO_MORE = "The check gives no more than its verdict."


def _tells_outcome(clause: Mapping[str, Any], summary: str) -> bool:
    """Whether the drawing begins with what the summary says."""
    workflow = clause.get("details", {}).get("workflow")
    return workflow is not None and summary.startswith(workflow["got"])


def _drawing(details: Mapping[str, Any], evidence: str, key: str) -> Child:
    """What can be drawn; the text is then folded away, as it says the same."""
    drawn: list[Markup] = []
    if details.get("calls"):
        drawn.append(draw_history(details, key))
    if details.get("workflow"):
        drawn.append(draw_workflow(details["workflow"], key))
    if not evidence:
        return drawn
    shown = tag("pre", evidence, tabindex=0)
    steps = details.get("unit") == "steps"  # the story of the steps says more than the calls do
    if not drawn or steps:
        return [*drawn, shown]
    return [*drawn, tag("details", tag("summary", "The same as text"), shown)]


def _known(known: Mapping[str, Any] | None) -> Markup | None:
    if known is None:
        return None
    link = known["link"]
    reason: Child = tag("a", known["reason"], href=link) if _is_address(link) else known["reason"]
    until = expiry(known)
    return tag("p", tag("strong", "Known failure: "), reason, f" ({until})" if until else None, class_="known")


def _is_address(link: str | None) -> bool:
    return link is not None and link.startswith(("https://", "http://"))


def _causes(clause: Mapping[str, Any]) -> Child:
    causes = causes_of(clause["id"])
    if not causes:
        return None
    return [tag("h4", "Likely causes"), tag("ul", [tag("li", prose(cause)) for cause in causes])]


def _commands(clause: Mapping[str, Any], replay: str) -> Child:
    if not clause["reproduce"]:
        return None
    shown: list[Child] = [tag("h4", "Reproduce"), command(clause["reproduce"])]
    if replay:
        shown += [tag("p", "This one schedule or plan alone:"), command(replay)]
    return shown
