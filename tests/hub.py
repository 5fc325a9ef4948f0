"""A Hub on loopback: as much of the Hugging Face Hub's HTTP API as the real clients ask for.

The `hub` fixture starts one, points this process and its children at it, and hands over a `Hub`:

    def test_reads_a_dataset(hub):
        hub.add_repo("me/chats", {"data/part-0.parquet": payload})
        dm.read("hf://datasets/me/chats/data/*.parquet")

`hub.run(script)` runs Python in a fresh process whose environment was set before any import, for
clients that read it only once (`datasets`), and for what a traceback or a log may show.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import yaml

TOKEN = "hf_loopbackWriteTokenForTests"
READ_TOKEN = "hf_loopbackReadTokenForTests"
WHEN = "2026-01-01T00:00:00.000Z"


class Blob(NamedTuple):
    """A file's bytes, and their SHA-256 where it lives in large-file storage."""

    content: bytes
    sha256: str | None = None

    @property
    def git_oid(self) -> str:
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 or self.git_oid


Tree = dict[str, Blob]


@dataclass
class Repo:
    """Every commit is a whole tree; a branch is the name of a commit."""

    private: bool
    commits: dict[str, Tree] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, branch: str, tree: Tree, message: str = "") -> str:
        seed = f"{len(self.commits)} {branch} {sorted((p, b.etag) for p, b in tree.items())}"
        sha = hashlib.sha1(seed.encode()).hexdigest()
        self.commits[sha] = tree
        self.branches[branch] = sha
        self.messages.append(message)
        return sha

    def resolve(self, revision: str) -> str:
        sha = self.branches.get(revision, revision)
        if sha not in self.commits:
            raise RefusalError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return sha


@dataclass
class Fault:
    """Answer the requests that match with `status`, or cut the connection in their middle."""

    pattern: str
    status: int | None
    after: int
    times: float
    message: str

    def strikes(self, request: str) -> bool:
        if not re.search(self.pattern, request):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.times -= 1
        return self.times >= 0


class RefusalError(Exception):
    """An answer other than 200, in the Hub's own manner."""

    def __init__(self, status: int, message: str, code: str = "", **body: Any) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.body = status, message, code, body


class Hub:
    """The state behind the endpoint, and the handles a test needs."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.token, self.read_token = TOKEN, READ_TOKEN
        self.repos: dict[str, Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.faults: list[Fault] = []
        self.roles = {TOKEN: "write", READ_TOKEN: "read"}
        self.gitignored = re.compile(r"(?!)")
        self.lfs_over = 10_000_000
        self.xet: Path | None = None
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.hub = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add_repo(
        self,
        repo_id: str,
        files: Mapping[str, bytes | str] | None = None,
        *,
        private: bool = False,
        branch: str = "main",
    ) -> str:
        """Make the dataset repo, or commit to it, holding just these files; return the commit."""
        repo = self.repos.setdefault(repo_id, Repo(private))
        if not repo.commits:
            repo.commit("main", {".gitattributes": Blob(b"*.parquet filter=lfs\n")})
        tree = {".gitattributes": Blob(b"*.parquet filter=lfs\n")}
        for path, content in (files or {}).items():
            tree[path] = self.blob(path, content.encode() if isinstance(content, str) else content)
        return repo.commit(branch, tree)

    def blob(self, path: str, content: bytes) -> Blob:
        return Blob(
            content, hashlib.sha256(content).hexdigest() if self.large(path, content) else None
        )

    def large(self, path: str, content: bytes | int) -> bool:
        size = content if isinstance(content, int) else len(content)
        return path.endswith(".parquet") or size > self.lfs_over

    def files(self, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        """What a dataset repo holds, without the `.gitattributes` every repo has."""
        repo = self.repos[repo_id]
        tree = repo.commits[repo.resolve(revision)]
        return {path: blob.content for path, blob in tree.items() if path != ".gitattributes"}

    def fail(
        self,
        pattern: str,
        status: int | None = 503,
        *,
        after: int = 0,
        times: float = 1,
        message: str = "planted fault",
    ) -> None:
        """Let `after` requests matching "METHOD /path" pass, fail the next `times`; None cuts."""
        self.faults.append(Fault(pattern, status, after, times, message))

    def asked(self, pattern: str) -> list[str]:
        return [request for request in self.requests if re.search(pattern, request)]

    def env(self, **more: str) -> dict[str, str]:
        """The environment in which every Hugging Face client talks to this endpoint."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": TOKEN,
            "HF_HOME": str(self.home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_OFFLINE": "0",
            "HF_DATASETS_OFFLINE": "0",
            "TRANSFORMERS_OFFLINE": "0",
            "NO_PROXY": "127.0.0.1",
            **more,
        }

    def run(self, script: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a script in a fresh Python with `env(**more)`; an empty value unsets a variable."""
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **self.env(**more)}
        env = {name: value for name, value in env.items() if value or name not in more}
        return subprocess.run(
            [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=120
        )


@pytest.fixture
def hub(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    import huggingface_hub.constants as constants
    import huggingface_hub.utils._http as http

    hub = Hub(tmp_path_factory.mktemp("hf-home"))
    for name, value in hub.env().items():
        monkeypatch.setenv(name, value)
    settings: dict[str, object] = {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HOME": str(hub.home),
        "HF_HUB_CACHE": str(hub.home / "hub"),
        "HF_TOKEN_PATH": str(hub.home / "token"),
        "HF_STORED_TOKENS_PATH": str(hub.home / "stored_tokens"),
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_OFFLINE": False,
    }
    for name, setting in settings.items():
        monkeypatch.setattr(constants, name, setting)
    monkeypatch.setattr(http, "time", _ImpatientTime())
    yield hub
    hub.close()


class _ImpatientTime:
    """The time module for the client's retries, which here need not wait."""

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def sleep(self, seconds: float) -> None:
        pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # headers and body in one packet, or each answer waits for an ACK

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.hub: Hub = self.server.hub  # type: ignore[attr-defined]
        url = urlsplit(self.path)
        self.query = parse_qs(url.query)
        request = f"{self.command} {unquote(url.path)}"
        with self.hub.lock:
            self.hub.requests.append(request)
            fault = next((f for f in self.hub.faults if f.strikes(request)), None)
        if fault is not None and fault.status is None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0) // 2)
            self.close_connection = True
            return
        self.body = self._read_body()
        try:
            if fault is not None:
                raise RefusalError(fault.status or 500, fault.message)
            self._route(url.path)
        except RefusalError as no:
            headers = {"X-Error-Code": no.code, "X-Error-Message": no.message}
            self._send({"error": no.message, **no.body}, no.status, headers)

    do_POST = do_PUT = do_HEAD = do_DELETE = do_GET  # noqa: N815

    def _read_body(self) -> bytes:
        if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _send(
        self, answer: Any, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    # Who is asking, and for what

    def _role(self) -> str | None:
        given = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if not given:
            return None
        if given not in self.hub.roles:
            raise RefusalError(401, "Invalid credentials in Authorization header")
        return self.hub.roles[given]

    def _may_write(self, owner: str) -> None:
        role = self._role()
        if role is None:
            raise RefusalError(401, "Invalid username or password.")
        if role != "write" or owner != "me":
            raise RefusalError(
                403, f"You don't have the rights to write under the namespace {owner!r}"
            )

    def _repo(self, repo_id: str) -> Repo:
        role = self._role()
        repo = self.hub.repos.get(repo_id)
        if repo is None or (repo.private and role is None):
            if role is None:
                raise RefusalError(401, "Invalid username or password.")
            raise RefusalError(404, "Repository not found", "RepoNotFound")
        return repo

    def _route(self, path: str) -> None:
        for pattern, answer in _ROUTES:
            if found := re.fullmatch(pattern, path):
                return answer(self, *(part and unquote(part) for part in found.groups()))
        raise RefusalError(404, f"the loopback Hub does not know {self.command} {path}")

    # Accounts and repos

    def whoami(self) -> None:
        role = self._role()
        if role is None:
            raise RefusalError(401, "Invalid username or password.")
        access = {"accessToken": {"role": role}}
        self._send({"type": "user", "name": "me", "fullname": "me", "orgs": [], "auth": access})

    def validate_yaml(self) -> None:
        head = re.match(r"---\n(.*?)\n---", json.loads(self.body)["content"], re.S)
        try:
            yaml.safe_load(head[1] if head else "")
        except yaml.YAMLError as error:
            raise RefusalError(400, "bad", errors=[{"message": str(error)}], warnings=[]) from None
        self._send({"errors": [], "warnings": []})

    def create_repo(self) -> None:
        asked = json.loads(self.body)
        owner = asked.get("organization") or "me"
        repo_id = f"{owner}/{asked['name']}"
        self._may_write(owner)
        private = asked.get("private") or asked.get("visibility") == "private"
        url = f"{self.hub.url}/datasets/{repo_id}"
        if repo_id in self.hub.repos:
            raise RefusalError(409, "You already created this dataset repo", url=url)
        self.hub.add_repo(repo_id, private=bool(private))
        self._send({"url": url, "id": repo_id, "name": repo_id})

    def create_branch(self, repo_id: str, branch: str) -> None:
        repo = self._repo(repo_id)
        self._may_write(repo_id.split("/")[0])
        if branch in repo.branches:
            raise RefusalError(409, f"Reference already exists: {branch}")
        start = json.loads(self.body or b"{}").get("startingPoint", "main")
        repo.branches[branch] = repo.resolve(start)
        self._send({})

    def info(self, repo_id: str, revision: str | None) -> None:
        repo = self._repo(repo_id)
        sha = repo.resolve(revision or "main")
        info = {"_id": "1", "id": repo_id, "sha": sha, "private": repo.private, "tags": []}
        info |= {"siblings": [{"rfilename": path} for path in repo.commits[sha]]}
        info |= {"downloads": 0, "likes": 0, "gated": False, "disabled": False}
        self._send(info | {"lastModified": WHEN, "createdAt": WHEN})

    def refs(self, repo_id: str) -> None:
        branches = self._repo(repo_id).branches.items()
        named = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": c} for n, c in branches]
        self._send({"branches": named, "converts": [], "tags": []})

    # Reading

    def tree(self, repo_id: str, revision: str, folder: str | None) -> None:
        repo = self._repo(repo_id)
        sha = repo.resolve(revision)
        prefix = f"{folder.strip('/')}/" if folder else ""
        deep = self.query.get("recursive", ["false"])[0].lower() in ("true", "1")
        entries: dict[str, dict[str, Any]] = {}
        for path, blob in sorted(repo.commits[sha].items()):
            if not path.startswith(prefix):
                continue
            parts = path.removeprefix(prefix).split("/")
            for depth in range(1, len(parts) if deep else min(2, len(parts))):
                inner = prefix + "/".join(parts[:depth])
                entries[inner] = _folder_entry(inner)
            if deep or len(parts) == 1:
                entries[path] = _file_entry(path, blob, sha)
        if prefix and not entries:
            raise RefusalError(404, f"{prefix} does not exist", "EntryNotFound")
        self._send(list(entries.values()))

    def paths_info(self, repo_id: str, revision: str) -> None:
        repo = self._repo(repo_id)
        sha = repo.resolve(revision)
        tree = repo.commits[sha]
        is_json = self.body[:1] == b"{"
        asked = json.loads(self.body) if is_json else parse_qs(self.body.decode())
        entries = []
        for path in asked.get("paths", []):
            if path in tree:
                entries.append(_file_entry(path, tree[path], sha))
            elif any(other.startswith(f"{path}/") for other in tree):
                entries.append(_folder_entry(path))
        self._send(entries)

    def download(self, repo_id: str, revision: str, path: str) -> None:
        repo = self._repo(repo_id)
        sha = repo.resolve(revision)
        blob = repo.commits[sha].get(path)
        if blob is None:
            raise RefusalError(404, "Entry not found", "EntryNotFound")
        headers = {"ETag": f'"{blob.etag}"', "X-Repo-Commit": sha, "Accept-Ranges": "bytes"}
        content = blob.content
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if wanted is None:
            return self._send(content, 200, headers)
        start, last = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
        if start > last:
            raise RefusalError(416, "Range not satisfiable")
        headers["Content-Range"] = f"bytes {start}-{last}/{len(content)}"
        return self._send(content[start : last + 1], 206, headers)

    # Writing

    def preupload(self, repo_id: str, revision: str) -> None:
        repo = self._repo(repo_id)
        tree = repo.commits[repo.resolve(revision)]
        self._may_write(repo_id.split("/")[0])
        answers = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if self.hub.large(file["path"], file["size"]) else "regular",
                "shouldIgnore": bool(self.hub.gitignored.search(file["path"])),
                "oid": tree[file["path"]].etag if file["path"] in tree else None,
            }
            for file in json.loads(self.body)["files"]
        ]
        self._send({"files": answers})

    def lfs_batch(self, repo_id: str) -> None:
        self._may_write(repo_id.split("/")[0])
        objects = json.loads(self.body)["objects"]
        for thing in objects:
            if thing["oid"] not in self.hub.blobs:
                href = f"{self.hub.url}/lfs/{thing['oid']}"
                thing["actions"] = {"upload": {"href": href}}
        self._send({"transfer": "basic", "objects": objects})

    def lfs_put(self, sha256: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != sha256:
            raise RefusalError(400, "content does not match its SHA-256")
        self.hub.blobs[sha256] = self.body
        self._send({})

    def xet_token(self, repo_id: str) -> None:
        self._repo(repo_id)
        if self.hub.xet is None:
            raise RefusalError(404, "no xet storage here")
        cas, expires = f"local://{self.hub.xet}", int(time.time()) + 3600
        headers = {"X-Xet-Cas-Url": cas, "X-Xet-Access-Token": "cas-only"}
        headers["X-Xet-Token-Expiration"] = str(expires)
        self._send({"casUrl": cas, "accessToken": "cas-only", "exp": expires}, 200, headers)

    def commit(self, repo_id: str, branch: str) -> None:
        self._may_write(repo_id.split("/")[0])
        repo = self._repo(repo_id)
        head, *lines = [json.loads(line) for line in self.body.splitlines()]
        with self.hub.lock:
            parent = repo.resolve(branch)
            if head["value"].get("parentCommit", parent) != parent:
                raise RefusalError(
                    412, "A commit has happened since. Please refresh and try again."
                )
            tree = dict(repo.commits[parent])
            for line in lines:
                self._apply(tree, line["key"], line["value"])
            sha = repo.commit(branch, tree, head["value"]["summary"])
        url = f"{self.hub.url}/datasets/{repo_id}/commit/{sha}"
        self._send({"success": True, "commitOid": sha, "commitUrl": url, "hookOutput": ""})

    def _apply(self, tree: Tree, key: str, value: dict[str, Any]) -> None:
        path = value["path"]
        if key == "file":
            tree[path] = Blob(base64.b64decode(value["content"]))
        elif key == "lfsFile":
            if value["oid"] not in self.hub.blobs and self.hub.xet is None:
                raise RefusalError(400, f"{path} points to an object that was not uploaded")
            tree[path] = Blob(self.hub.blobs.get(value["oid"], b""), value["oid"])
        elif key == "deletedFile":
            del tree[path]
        else:
            raise RefusalError(400, f"the loopback Hub cannot do {key}")


def _file_entry(path: str, blob: Blob, sha: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(blob.content)}
    entry |= {"oid": blob.git_oid, "lastCommit": {"id": sha, "title": "", "date": WHEN}}
    if blob.sha256:
        entry["lfs"] = {"oid": blob.sha256, "size": len(blob.content), "pointerSize": 130}
    return entry


def _folder_entry(path: str) -> dict[str, Any]:
    return {"type": "directory", "path": path, "size": 0, "oid": "0" * 40}


_ID = r"([^/]+/[^/]+)"
_ROUTES: list[tuple[str, Callable[..., None]]] = [
    (r"/api/whoami-v2", _Handler.whoami),
    (r"/api/validate-yaml", _Handler.validate_yaml),
    (r"/api/repos/create", _Handler.create_repo),
    (rf"/api/datasets/{_ID}/branch/([^/]+)", _Handler.create_branch),
    (rf"/api/datasets/{_ID}/refs", _Handler.refs),
    (rf"/api/datasets/{_ID}/tree/([^/]+)/?(.+)?", _Handler.tree),
    (rf"/api/datasets/{_ID}/paths-info/([^/]+)", _Handler.paths_info),
    (rf"/api/datasets/{_ID}/preupload/([^/]+)", _Handler.preupload),
    (rf"/api/datasets/{_ID}/commit/([^/]+)", _Handler.commit),
    (rf"/api/datasets/{_ID}/xet-(?:write|read)-token/[^/]+", _Handler.xet_token),
    (rf"/api/datasets/{_ID}(?:/revision/([^/]+))?", _Handler.info),
    (rf"/datasets/{_ID}\.git/info/lfs/objects/batch", _Handler.lfs_batch),
    (rf"/datasets/{_ID}/resolve/([^/]+)/(.+)", _Handler.download),
    (r"/lfs/([0-9a-f]{64})", _Handler.lfs_put),
]
