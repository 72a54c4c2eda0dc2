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
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})
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
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(dist.resolve(), orthanc_port))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="viewer server")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(dist: Path, orthanc_port: int) -> type[BaseHTTPRequestHandler]:
    configuration = f"window.config = {json.dumps(dict(CONFIGURATION))};".encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            path = self.path.partition("?")[0]
            if path.startswith(DICOMWEB):
                self._forward()
            elif path == "/app-config.js":
                self._answer(200, "text/javascript", configuration)
            else:
                self._page(path)

        do_POST = do_GET

        def log_message(self, *args):
            """Say nothing: the browser reports what failed."""

        def _page(self, path):
            file = (dist / path.lstrip("/")).resolve()
            if not file.is_relative_to(dist):
                return self._answer(404, "text/plain", b"")
            if not file.is_file():
                if file.suffix:
                    return self._answer(404, "text/plain", b"")
                file = dist / "index.html"  # the page's own paths, such as /viewer
            kind = _TYPES.get(file.suffix) or mimetypes.guess_type(file)[0] or "application/octet-stream"
            return self._answer(200, kind, file.read_bytes())

        def _forward(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else None
            headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP | {"accept-encoding"}}
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", orthanc_port, timeout=60)) as connection:
                connection.request(self.command, self.path, body, headers)
                response = connection.getresponse()
                data = response.read()
            kind = response.getheader("Content-Type") or "application/octet-stream"
            self._answer(response.status, kind, data)

        def _answer(self, status, kind, data):
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

    return Handler
