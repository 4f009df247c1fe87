"""Downloads from a server of our own: whole, damaged, cut off, missing, and without a network."""

import hashlib
import http.server
import socket
import threading

import pytest

from napari_visualccc.core.errors import ModelError, OutputError
from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.models.download import download

CONTENT = bytes(range(256)) * 12_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `CONTENT` well or badly, by the path that is asked for."""

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path == "/missing":
            self.send_error(404, "Not Found")
            return
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/whole")
            told = DIGEST if self.path == "/moved" else "0" * 64
            self.send_header("X-Linked-Etag", f'"{told}"')
            self.end_headers()
            return
        sent = CONTENT[: len(CONTENT) // 2] if self.path == "/cut" and self.server.asked.count("/cut") == 1 else CONTENT
        self.send_response(200)
        if self.path != "/no-length":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.asked = []
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made, f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "weights.pth"


def nothing_left(path):
    return not path.parent.exists() or not list(path.parent.iterdir())


@pytest.mark.parametrize("digest", ["", DIGEST, DIGEST[:8]])
@pytest.mark.parametrize("page", ["whole", "no-length", "moved"])
def test_a_file_arrives_once_and_whole(server, path, page, digest):
    seen = []
    for _ in range(2):
        got = download(f"{server[1]}/{page}", path, digest=digest, progress=Progress(lambda f, m: seen.append(f)))
        assert got == path
        assert got.read_bytes() == CONTENT
    assert server[0].asked.count(f"/{page}") == 1
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(("page", "digest"), [("whole", "abcdef12"), ("moved-wrong", "")])
def test_a_wrong_checksum_leaves_nothing(server, path, page, digest):
    with pytest.raises(ModelError, match=rf"checksum {DIGEST}, not (?s:.*)put the file at"):
        download(f"{server[1]}/{page}", path, digest=digest)
    assert nothing_left(path)


def test_what_was_cut_off_is_begun_anew(server, path):
    with pytest.raises(ModelError, match="cut off"):
        download(f"{server[1]}/cut", path)
    assert nothing_left(path)
    assert download(f"{server[1]}/cut", path).read_bytes() == CONTENT


def test_what_is_not_there_is_said(server, path):
    with pytest.raises(ModelError, match="404") as error:
        download(f"{server[1]}/missing", path)
    assert f"{server[1]}/missing" in str(error.value)
    assert nothing_left(path)


def test_without_a_network_it_says_what_to_do_by_hand(path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/weights.pth"
    with pytest.raises(ModelError) as error:
        download(url, path)
    assert f"fetch {url} on another computer and put the file at {path}" in str(error.value)
    path.write_bytes(CONTENT)
    assert download(url, path, digest=DIGEST) == path


def test_a_damaged_copy_is_not_used(path):
    path.parent.mkdir()
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(ModelError, match="damaged.*Delete it"):
        download("http://127.0.0.1:9/none", path, digest=DIGEST)


def test_it_can_be_cancelled(server, path):
    seen = []
    progress = Progress(lambda fraction, _: seen.append(fraction), lambda: any(fraction > 0 for fraction in seen))
    with pytest.raises(Cancelled):
        download(f"{server[1]}/whole", path, progress=progress)
    assert nothing_left(path)


def test_a_folder_that_cannot_be_written_is_said(server, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OutputError, match="could not be written"):
        download(f"{server[1]}/whole", tmp_path / "cache" / "weights.pth")
