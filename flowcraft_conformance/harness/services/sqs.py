"""An SQS for harnesses: FLOWCRAFT_SQS_URL, else fauxqs, an independent server, else moto, which is marked as a fake."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from flowcraft_conformance.harness.services.aws import URL, identify, moto
from flowcraft_conformance.harness.services.choosing import service, stop_service
from flowcraft_conformance.harness.services.fetch import FAUXQS, fetch_command
from flowcraft_conformance.harness.services.model import Command, Launch, Place, ServerSpec, Service

# Its own command listens on every interface.
_PROGRAM = """
const [application, port] = process.argv.slice(1);
const { buildApp } = await import(application);
await buildApp({ logger: false }).listen({ port: Number(port), host: "127.0.0.1" });
"""


def sqs_service() -> Service:
    """The SQS of this test run; the first call starts one where FLOWCRAFT_SQS_URL names none.

    Raises:
        ServiceUnavailableError: there is none; the text says how to get one.
    """
    return service(SQS)


def stop_sqs() -> None:
    """Let go of the server if this process holds it."""
    stop_service(SQS)


def _fauxqs() -> Launch | None:
    node, files = shutil.which("node"), FAUXQS.content
    if node is None or files is None:
        return None
    application = (files / "dist" / "app.js").as_uri()

    def commands(place: Place) -> Sequence[Command]:
        return [Command([node, "--input-type=module", "-e", _PROGRAM, "--", application, str(place.port)])]

    return Launch("fauxqs", URL, commands, kind="independent", version=FAUXQS.version)


def _fake() -> Launch | None:
    return moto(apart=False)


def _identify(url: str) -> tuple[str, str]:
    return identify(url, "AmazonSQS.ListQueues", "sqs")


SQS = ServerSpec(
    name="sqs",
    variable="FLOWCRAFT_SQS_URL",
    identify=_identify,
    finders=(_fauxqs, _fake),
    fake=_fake,
    kinds={"moto": "fake", "fauxqs": "independent"},
    advice=f"fetch fauxqs with {fetch_command('sqs')} (it needs Node.js 20 or later), "
    "or pip install 'flowcraft-conformance[moto]' for a fake",
)
