"""The finished folder of a run, published as a dataset repo on the Hugging Face Hub."""

from __future__ import annotations

import json
import re
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datamerge._merge_card import FOLDERS, merge_card

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import DatasetInfo

_FILES = ("README.md", "ledger.json", "recipe.yaml")
_UNFINISHED = (".run", ".work")
# An interrupted upload goes on from the last whole batch of files, at worst.
_BATCH = 50


def upload(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = True,
    revision: str | None = None,
    commit_message: str | None = None,
    token: str | None = None,
    evidence: bool = False,
) -> str:
    """Upload the output folder of a run to a dataset repo on the Hugging Face Hub.

    Everything lands in one commit: the new files, the updated card, and the removal of part
    files that an earlier upload left behind. Until then the repo shows its old state. If the
    upload fails, call it again with the same arguments: files that arrived are not sent twice.

    Parameters
    ----------
    folder
        What :func:`datamerge.write` wrote, with its ``ledger.json``.
    repo_id
        The dataset repo, as ``"owner/name"``. It is made if it does not exist.
    private
        Visibility of a repo made here. An existing repo keeps its own; if that is public, a
        warning says so unless ``private=False`` was passed.
    revision
        Branch to commit to, made from ``main`` if it does not exist.
    commit_message
        By default the number of rows kept.
    token
        A Hugging Face token with write permission. By default the one of ``hf auth login`` or
        of the environment variable ``HF_TOKEN``. It is not printed, logged or stored.
    evidence
        Upload ``removed/``, ``malformed/`` and ``pairs/`` too. They hold what the run filtered
        out, personal or toxic text among it, so by default they stay at home, and those of an
        earlier upload are taken down (the repo's history still has them).

    Returns
    -------
    str
        The URL of the commit; of the latest one, if nothing has changed.

    Raises
    ------
    FileNotFoundError
        If `folder` is not the output of a run.
    ValueError
        If the run has not finished, if `repo_id` is not a repo's name, if the repo holds data
        that did not come from datamerge, or if the front matter of its card is not YAML.
    PermissionError
        If there is no token, or it is not valid, or it may not write to the repo.
    ConnectionError
        If the Hub cannot be reached or fails.

    Examples
    --------
    >>> import datamerge as dm
    >>> dm.upload("out/merged", "me/merged")  # doctest: +SKIP
    'https://huggingface.co/datasets/me/merged/commit/5b1e...'
    """
    token = token and _Token(token)
    ledger, files = _finished_run(Path(folder).expanduser(), evidence)
    _check_repo_id(repo_id)
    token = _resolve_token(token)
    total = ledger["total"]
    message = commit_message or f"{total['kept']:,} of {total['read']:,} rows kept, by datamerge"
    try:
        return _publish(_api(token), repo_id, files, private, revision, message)
    except Exception as error:
        failure = _explain(error, repo_id, token)
        for cause in _chain(error):
            # The client's frames hold the request's headers, which some tracebacks would show.
            traceback.clear_frames(cause.__traceback__)
        if failure is None:
            raise
    raise failure  # outside of the handler, so that it drags no context along


def _finished_run(root: Path, evidence: bool) -> tuple[dict[str, Any], dict[str, Path]]:
    if not (root / "ledger.json").is_file():
        missing = "no ledger.json in it" if root.is_dir() else "no such folder"
        raise FileNotFoundError(
            f"{root} is not the output of a finished run ({missing}). "
            "Pass the folder that datamerge.write wrote; run it again if it was interrupted."
        )
    unfinished = [p for p in root.rglob("*") if p.suffix == ".tmp" or p.name in _UNFINISHED]
    if unfinished:
        raise ValueError(
            f"{root} holds work in progress ({unfinished[0].relative_to(root)}): "
            "wait for the run, or run it again to finish it, and upload then."
        )
    ledger = _read_ledger(root / "ledger.json")
    folders = FOLDERS if evidence else ("data",)
    files = {name: root / name for name in _FILES if (root / name).is_file()}
    for path in sorted(p for name in folders for p in (root / name).rglob("*") if p.is_file()):
        name = path.relative_to(root)
        if not any(part.startswith(".") for part in name.parts):
            files[name.as_posix()] = path
    if ledger["total"]["kept"] and not any(name.startswith("data/") for name in files):
        raise ValueError(
            f"{root} holds no data, though its ledger counts {ledger['total']['kept']:,} kept "
            "rows: run datamerge.write again, and upload then."
        )
    return ledger, files


def _read_ledger(path: Path) -> dict[str, Any]:
    try:
        ledger = json.loads(path.read_bytes())
        _ = ledger["total"]["kept"] + ledger["total"]["read"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a ledger of datamerge: run it again") from error
    return ledger


def _check_repo_id(repo_id: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    reason = "the owner is missing" if "/" not in str(repo_id) else ""
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        reason = str(error)
    if reason:
        raise ValueError(f'{repo_id!r} is not a dataset repo like "owner/name": {reason}')


class _Token(str):
    """A token that does not show itself in a traceback which prints local variables."""

    def __repr__(self) -> str:
        return "<token>"


def _resolve_token(token: str | None) -> _Token:
    from huggingface_hub import get_token

    token = _Token((token or get_token() or "").strip())
    if not token:
        raise PermissionError(
            "no Hugging Face token: run `hf auth login`, or set HF_TOKEN, or pass token=. "
            "It needs write permission: https://huggingface.co/settings/tokens"
        )
    # The client would quote a header it cannot send, token and all.
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise PermissionError("the Hugging Face token has characters no token has: copy it again")
    return token


def _api(token: str) -> HfApi:
    from huggingface_hub import HfApi

    return HfApi(token=token, library_name="datamerge")


def _publish(
    api: HfApi,
    repo_id: str,
    files: dict[str, Path],
    private: bool,
    revision: str | None,
    message: str,
) -> str:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    head = _open_repo(api, repo_id, private, revision)
    there = api.list_repo_files(repo_id, repo_type="dataset", revision=head)
    stale = _stale(repo_id, there, files)
    contents: dict[str, Path | bytes] = {**files}
    if "README.md" in files and "README.md" in there:
        contents["README.md"] = _card(api, repo_id, head, files["README.md"])
    added = [CommitOperationAdd(name, content) for name, content in contents.items()]
    for start in range(0, len(added), _BATCH):
        batch = added[start : start + _BATCH]
        api.preupload_lfs_files(
            repo_id, batch, repo_type="dataset", revision=revision, free_memory=False
        )
    commit = api.create_commit(
        repo_id,
        [*(CommitOperationDelete(name, is_folder=False) for name in stale), *added],
        commit_message=message,
        repo_type="dataset",
        revision=revision,
        # Without it, a card edited since it was read here would be overwritten.
        parent_commit=head,
    )
    _check_arrived(api, repo_id, commit.oid, files)
    return commit.commit_url


def _open_repo(api: HfApi, repo_id: str, private: bool, revision: str | None) -> str:
    """The commit to build on, of a repo and branch that exist from here on."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        repo: DatasetInfo = api.dataset_info(repo_id)
        if private and not repo.private:
            warnings.warn(
                f"{repo_id} is public, so everyone can see this upload (private=True is only for "
                "a repo made here); pass private=False to say that it is meant to be.",
                stacklevel=4,
            )
    except RepositoryNotFoundError:
        api.create_repo(repo_id, repo_type="dataset", private=private)
    try:
        repo = api.dataset_info(repo_id, revision=revision)
    except RevisionNotFoundError:
        api.create_branch(repo_id, branch=str(revision), repo_type="dataset")
        repo = api.dataset_info(repo_id, revision=revision)
    return str(repo.sha)


def _stale(repo_id: str, there: list[str], files: dict[str, Path]) -> list[str]:
    held = [name for name in there if name.startswith(tuple(f"{f}/" for f in FOLDERS))]
    if held and "ledger.json" not in there:
        raise ValueError(
            f"{repo_id} holds {held[0]}, which did not come from datamerge and would be mixed "
            "with this run's rows: delete it there first, or choose another repo or revision."
        )
    return [name for name in held if name not in files]


def _card(api: HfApi, repo_id: str, head: str, card: Path) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        existing = api.hf_hub_download(
            repo_id, "README.md", repo_type="dataset", revision=head, local_dir=folder
        )
        old = Path(existing).read_bytes().decode()
    return merge_card(old, card.read_bytes().decode()).encode()


def _check_arrived(api: HfApi, repo_id: str, commit: str, files: dict[str, Path]) -> None:
    there = api.list_repo_files(repo_id, repo_type="dataset", revision=commit)
    if absent := sorted(files.keys() - set(there)):
        raise ValueError(
            f"{repo_id} left out {len(absent)} files, {absent[0]} among them: "
            "a .gitignore in the repo excludes them. Change it there, and upload again."
        )


# Errors, in words that say what to do


def _explain(error: BaseException, repo_id: str, token: str) -> Exception | None:
    """What went wrong between here and the Hub; None if it was something else."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

    again = "Call upload again to go on; what has arrived is not sent twice."
    for cause in _chain(error):
        if isinstance(cause, OfflineModeIsEnabled):
            return ConnectionError("offline mode is on: unset HF_HUB_OFFLINE to upload")
        if isinstance(cause, HfHubHTTPError):
            said = (cause.server_message or str(cause)).strip().replace(token, "<token>")
            return _explain_status(cause.response.status_code, said, repo_id, again)
        if isinstance(cause, HTTPError):
            said = (str(cause) or type(cause).__name__).replace(token, "<token>")
            return ConnectionError(
                f"the Hub cannot be reached ({said}): check the network. {again}"
            )
    if isinstance(cause, RuntimeError):  # at the root of it: the Rust client of the xet storage
        said = str(cause).replace(token, "<token>")
        return ConnectionError(f"the Hub's storage failed ({said}). {again}")
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _explain_status(status: int, said: str, repo_id: str, again: str) -> Exception:
    answer = f"the Hub answered {status}: {said}"
    if status == 401:
        return PermissionError(
            "the Hub does not accept this Hugging Face token: run `hf auth login`, or set "
            f"HF_TOKEN, or pass token= with a valid one ({answer})"
        )
    if status in (403, 404):
        return PermissionError(
            f"this Hugging Face token may not write to {repo_id}: it needs write permission, and "
            f"its account a right to that name ({answer})"
        )
    if status == 409:
        return PermissionError(
            f"{repo_id} exists, but this Hugging Face token cannot open it: use a token that can, "
            f"or another name ({answer})"
        )
    if status == 412:
        return ConnectionError(f"somebody committed to {repo_id} during the upload. {again}")
    if status == 429 or status >= 500:
        return ConnectionError(f"{answer}. {again}")
    return ValueError(f"the Hub refused the upload to {repo_id} ({answer})")
