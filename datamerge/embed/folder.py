"""What the folder of a sentence model says: its length, its pooling, its content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

Pooling = Literal["mean", "cls"]

# All that is read of a model; no pickled weights.
_PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors")
# Modules of sentence-transformers whose work is done here.
_DONE = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True)
class ModelFolder:
    """A model's folder on this machine."""

    path: Path

    @classmethod
    def find(cls, model: str, revision: str | None = None) -> ModelFolder:
        """The folder itself, or the Hub's model of that name, downloaded where it is not yet."""
        path = Path(model).expanduser()
        if path.is_dir():
            return cls(path.resolve())
        if path.is_absolute() or model.startswith((".", "~")):
            raise FileNotFoundError(f"There is no folder {model}")
        from huggingface_hub import snapshot_download

        found = snapshot_download(model, revision=revision, allow_patterns=list(_PATTERNS))
        return cls(Path(found))

    @cached_property
    def config(self) -> dict[str, Any]:
        """The model's own configuration; where it stands is `weights`."""
        config = self._json(self.weights / "config.json")
        if not config:
            raise FileNotFoundError(f"{self.path} holds no config.json: it is not a model's folder")
        return config

    @cached_property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.config["hidden_size"])

    @cached_property
    def max_tokens(self) -> int:
        """The most tokens of a text that are read, marks for start and end included."""
        said = self._json(self.weights / "sentence_bert_config.json").get("max_seq_length")
        tokenizer = self._json(self.weights / "tokenizer_config.json").get("model_max_length")
        positions = self.config.get("max_position_embeddings")
        return int(said or min(tokenizer or 512, positions or 512))

    @cached_property
    def pooling(self) -> Pooling:
        """How vectors of tokens become one."""
        path = self._module("Pooling")
        if path is None:
            return "mean"
        config = self._json(path / "config.json")
        mode = config.get("pooling_mode") or [
            name.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
            for name, on in config.items()
            if name.startswith("pooling_mode_") and on
        ]
        mode = mode[0] if isinstance(mode, list) and len(mode) == 1 else mode
        if mode not in ("mean", "cls"):
            raise ValueError(f"{path} asks for the pooling {mode!r}; known: mean, cls")
        return mode

    @cached_property
    def weights(self) -> Path:
        """Where the transformer's files are."""
        return self._module("Transformer") or self.path

    @cached_property
    def digest(self) -> str:
        """Of the content of all files that are read."""
        digest = hashlib.sha256()
        files = {path for pattern in _PATTERNS for path in self.path.rglob(pattern)}
        for path in sorted(files):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
            digest.update(str(path.relative_to(self.path)).encode() + b"\0" + content)
        return digest.hexdigest()

    def _module(self, kind: str) -> Path | None:
        modules = self._json(self.path / "modules.json") or []
        kinds = {module["type"].rpartition(".")[2]: module for module in modules}
        unknown = sorted(set(kinds) - set(_DONE))
        if unknown:
            raise ValueError(
                f"{self.path} has a module {unknown[0]}, which is not known here; wrap "
                "sentence_transformers.SentenceTransformer in an object with encode, dim and "
                "fingerprint instead"
            )
        return self.path / kinds[kind]["path"] if kind in kinds else None

    @staticmethod
    def _json(path: Path) -> Any:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
