"""The figures by HTTP, for a monitoring system that fetches them."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from dcis_node.config import MetricsSettings

log = logging.getLogger(__name__)

# One request at a time, and none longer than this: whoever stalls here keeps the figures waiting and nothing else.
REQUEST_SECONDS = 5.0
POLL_SECONDS = 0.2


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_SECONDS

    def log_message(self, *_: object) -> None:
        """Keep requests out of the log."""


class _Server(WSGIServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over a client that left or stalled."""


@contextmanager
def serving_metrics(settings: MetricsSettings, registry: CollectorRegistry) -> Iterator[int]:
    """Serve the figures at /metrics in a thread until the end of the block; without a port, do nothing.

    An address that cannot be bound is an error in the log: the work of this process is worth more than its figures.

    Yields
    ------
    int
        The port; 0 if there is none.
    """
    if not settings.port:
        yield 0
        return
    try:
        server = make_server(settings.host, settings.port, make_wsgi_app(registry), _Server, handler_class=_Handler)
    except OSError as error:
        log.error("event=metrics_not_served host=%s port=%d text=%r", settings.host, settings.port, error.strerror)
        yield 0
        return
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), name="metrics", daemon=True)
    thread.start()
    log.info("event=metrics_served host=%s port=%d", settings.host, server.server_port)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
