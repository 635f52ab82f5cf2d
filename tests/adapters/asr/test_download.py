"""Fetching a size by name, from a server of ours that speaks as much of the hub's protocol as that takes."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from cuepoint.adapters.asr.download import download_model
from cuepoint.adapters.asr.model_files import DEMO_MODEL, find_model
from cuepoint.errors import AdapterError, ErrorCode

REPOSITORY = "Systran/faster-whisper-tiny"
COMMIT = "0123456789abcdef0123456789abcdef01234567"

pytestmark = pytest.mark.models


class Hub(BaseHTTPRequestHandler):
    """One repository: the demo model's files, and one that nobody asked for."""

    def do_GET(self) -> None:
        files = sorted(DEMO_MODEL.iterdir())
        if self.path.startswith(f"/api/models/{REPOSITORY}/revision/"):
            siblings = [{"rfilename": file.name} for file in files]
            self._answer(json.dumps({"id": REPOSITORY, "sha": COMMIT, "siblings": siblings}).encode())
        elif self.path.startswith(f"/api/models/{REPOSITORY}/tree/{COMMIT}"):
            tree = [{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": "0" * 40} for f in files]
            self._answer(json.dumps(tree).encode())
        else:
            self._answer(self._file())

    def do_HEAD(self) -> None:
        self._answer(self._file())

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def _file(self) -> bytes:
        return (DEMO_MODEL / self.path.rpartition("/")[2]).read_bytes()

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    yield endpoint
    server.shutdown()
    thread.join()
    server.server_close()


class TestDownloadModel:
    async def test_a_fetched_size_is_found_from_then_on(self, hub: str) -> None:
        before = find_model("tiny", downloads=True)

        directory = await download_model(REPOSITORY)

        assert before.directory is None
        assert find_model("tiny", downloads=False).directory == directory
        assert (directory / "model.bin").read_bytes() == (DEMO_MODEL / "model.bin").read_bytes()
        assert not (directory / "MODEL_CARD.md").exists()

    async def test_a_hub_out_of_reach_is_worth_another_try(self, hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # the discard port: nobody listens

        with pytest.raises(AdapterError, match=f"{REPOSITORY} could not be fetched") as failed:
            await download_model(REPOSITORY)

        assert (failed.value.code, failed.value.retryable) == (ErrorCode.MODEL_FAILED, True)
        assert failed.value.detail
