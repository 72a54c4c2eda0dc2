"""One origin for the browser: OHIF's pages, its configuration, and Orthanc's DICOMweb behind them, byte for byte."""

import contextlib
import http.client
import json
import mimetypes
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType

# What goes to Orthanc; everything else is the viewer.
DICOMWEB = ("/dicom-web/", "/wado")
# What belongs to one connection (RFC 9110, 7.6.1); compression is left out so that lengths are those of the content.
_NOT_FORWARDED = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "accept-encoding"}
)
_TYPES = MappingProxyType({".wasm": "application/wasm", ".js": "text/javascript", ".mjs": "text/javascript"})

# Plain OHIF: one DICOMweb source, no dialogs, no list of what a hospital may have beside.
CONFIGURATION = MappingProxyType(
    {
        "name": "test",
        "routerBasename": "/",
        "extensions": [],
        "modes": [],
        "showStudyList": True,
        "maxNumberOfWebWorkers": 1,
        "showWarningMessageForCrossOrigin": False,
        "showCPUFallbackMessage": False,
        "investigationalUseDialog": {"option": "never"},
        "showErrorDetails": "always",
        "maxNumRequests": {"interaction": 10, "thumbnail": 2, "prefetch": 2},
        "defaultDataSourceName": "dicomweb",
        "dataSources": [
            {
                "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
                "sourceName": "dicomweb",
                "configuration": {
                    "friendlyName": "Orthanc",
                    "name": "Orthanc",
                    "wadoUriRoot": "/wado",
                    "qidoRoot": "/dicom-web",
                    "wadoRoot": "/dicom-web",
                    "qidoSupportsIncludeField": False,
                    "supportsReject": False,
                    "imageRendering": "wadors",
                    "thumbnailRendering": "wadors",
                    "enableStudyLazyLoad": True,
                    "supportsFuzzyMatching": False,
                    "supportsWildcard": True,
                    "omitQuotationForMultipartRequest": True,
                    "bulkDataURI": {"enabled": True},
                },
            }
        ],
    }
)


@contextlib.contextmanager
def viewer_server(dist: Path, *, orthanc_port: int) -> Iterator[str]:
    """Serve OHIF and, below `/dicom-web` and `/wado`, Orthanc; gives the base URL.

    Nothing on the way is changed, so the images have to be such as OHIF 3.13 shows: it takes the first character of
    VOI LUT Function (0028,1056) and fails on it ("Invalid VOI LUT function"), so they carry none.
    """
    site = {"dist": dist.resolve(), "orthanc_port": orthanc_port}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Site", (_Handler,), site))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="viewer server")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Answers one request; where it serves from stands in the subclass."""

    protocol_version = "HTTP/1.1"
    dist: Path
    orthanc_port: int

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith(DICOMWEB):
            self._forward()
        elif path == "/app-config.js":
            self._answer(200, "text/javascript", f"window.config = {json.dumps(dict(CONFIGURATION))};".encode())
        else:
            self._page(path)

    def do_POST(self) -> None:
        self._forward()

    def log_message(self, *args: object) -> None:
        """Say nothing: the browser reports what failed."""

    def _page(self, path: str) -> None:
        file = (self.dist / path.lstrip("/")).resolve()
        if not file.suffix:
            file = self.dist / "index.html"  # the page's own paths, such as /viewer
        if not (file.is_relative_to(self.dist) and file.is_file()):
            return self._answer(404, "text/plain", b"")
        kind = _TYPES.get(file.suffix) or mimetypes.guess_type(file)[0] or "application/octet-stream"
        return self._answer(200, kind, file.read_bytes())

    def _forward(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_FORWARDED}
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.orthanc_port, timeout=60)) as connection:
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            data = response.read()
        self._answer(response.status, response.getheader("Content-Type") or "application/octet-stream", data)

    def _answer(self, status: int, kind: str, data: bytes) -> None:
        # A browser that has left its page hangs up; that is no fault.
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            # OHIF shares memory with its workers, which browsers allow only so.
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
            self.send_header("Cross-Origin-Resource-Policy", "same-origin")
            self.end_headers()
            self.wfile.write(data)
