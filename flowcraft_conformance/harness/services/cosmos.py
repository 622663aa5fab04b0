"""A Cosmos DB for harnesses: FLOWCRAFT_COSMOS_URL, else cosmosdb-server, an independent one."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from flowcraft_conformance.harness.services.azure import asked
from flowcraft_conformance.harness.services.choosing import service, stop_service
from flowcraft_conformance.harness.services.fetch import COSMOSDB_SERVER, fetch_command
from flowcraft_conformance.harness.services.model import Command, Launch, Place, ServerSpec, Service

_URL = "http://127.0.0.1:{port}"
_INDEPENDENT = "cosmosdb-server"

# Its own command closes every connection. As a library it answers 500 where an item is not there, unless the read may
# cross partitions, which one by id and partition never does; and it sends the whole item back where a writer asked for
# nothing (Prefer: return=minimal), as Cosmos DB would not.
_PROGRAM = """
const [library, port] = process.argv.slice(1);
const { createHttpServer } = require(library);
const server = createHttpServer({ keepAlive: true });
server.prependListener("request", (request, response) => {
  if (request.method === "GET") request.headers["x-ms-documentdb-query-enablecrosspartition"] = "true";
  if (request.headers.prefer !== "return=minimal") return;
  const end = response.end.bind(response);
  response.end = (body) => end(response.statusCode < 300 ? "" : body);
});
server.listen(Number(port), "127.0.0.1");
"""

_CANNOT_SHOW = {
    "CTX-SIZE-01": "it takes items of more than 2 MB",
    "CTX-RUN-01": "it has one replica: its reads see every write, whatever the account's consistency",
    "CTX-RACE-03": "it has one replica: its reads see every write, whatever the account's consistency",
}


def cosmos_service() -> Service:
    """The Cosmos DB of this test run; the first call starts one where FLOWCRAFT_COSMOS_URL names none.

    Raises:
        ServiceUnavailableError: there is none; the text says how to get one.
    """
    return service(COSMOS)


def stop_cosmos() -> None:
    """Let go of the server if this process holds it."""
    stop_service(COSMOS)


def _cosmosdb_server() -> Launch | None:
    node, files = shutil.which("node"), COSMOSDB_SERVER.content
    if node is None or files is None:
        return None
    library = str(files / "lib" / "index.js")

    def commands(place: Place) -> Sequence[Command]:
        return [Command([node, "-e", _PROGRAM, "--", library, str(place.port)])]

    return Launch(_INDEPENDENT, _URL, commands, kind="independent", version=COSMOSDB_SERVER.version)


def _identify(url: str) -> tuple[str, str]:
    """cosmosdb-server tells everybody about its account; Microsoft's ask for a signature first."""
    status, _, body = asked(url, "/")
    if status == 200 and b'"writableLocations"' in body and b'"queryEngineConfiguration"' in body:
        return _INDEPENDENT, "unknown"
    if status in (200, 401):
        return "cosmosdb", "unknown"
    raise ConnectionError(f"this is no Cosmos DB that is ready: it answered {status}")


COSMOS = ServerSpec(
    name="cosmos",
    variable="FLOWCRAFT_COSMOS_URL",
    identify=_identify,
    finders=(_cosmosdb_server,),
    kinds={_INDEPENDENT: "independent"},
    cannot_show={_INDEPENDENT: _CANNOT_SHOW},
    advice=f"fetch cosmosdb-server with {fetch_command('cosmos')} (it needs Node.js 20 or later)",
)
