"""Does what is declared of a model's preparation fit the model's features?"""

from __future__ import annotations

from collections.abc import Mapping

from facette.definitions.findings import Findings, KeyPath, suggestion
from facette.definitions.language.vocabulary import Property
from facette.definitions.preparing import Imputation, Learning


def check_preparing(
    model: Learning, path: KeyPath, columns: Mapping[str, Property], findings: Findings, *, has_target: bool
) -> None:
    """Report what does not fit.

    columns    : traits and features, of which the model's features are checked already
    has_target : whether the model learns to predict something
    """
    numbers = [name for name in model.features if name in columns and columns[name].type in ("number", "boolean")]
    texts = [name for name in model.features if name in columns and columns[name].type == "text"]
    for key in ("outliers", "impute"):
        for name in getattr(model, key):
            _among(name, (*path, key, name), model, numbers, "number or boolean", findings)
    unskewed = [(name, (*path, key, j)) for key in ("log", "yeo_johnson") for j, name in enumerate(getattr(model, key))]
    for place, (name, where) in enumerate(unskewed):
        _among(name, where, model, numbers, "number or boolean", findings)
        if name in (other for other, _ in unskewed[:place]):
            message = f"`{name}` is listed twice, in `log` or `yeo_johnson`"
            findings.error(where, message, "keep it in one place")
    for name, wanted in model.impute.items():
        _check_imputation(name, wanted, (*path, "impute", name), numbers, findings)
    for name, coding in model.categories.items():
        _among(name, (*path, "categories", name), model, texts, "text", findings)
        if coding == "target" and not has_target:
            findings.error((*path, "categories", name), "nothing is predicted here", "use one_hot or embedding")
    for name, shares in model.weights.items():
        _check_group(name, (*path, "weights", name), columns, findings)
        total = sum(shares.values())
        if abs(total - 1) > 0.005:
            findings.error((*path, "weights", name), f"the shares add up to {total:g}", "make them add up to 1")
    for j, name in enumerate(model.groups):
        _check_group(name, (*path, "groups", j), columns, findings)


def _among(name: str, path: KeyPath, model: Learning, fitting: list[str], wanted: str, findings: Findings) -> None:
    if name not in model.features:
        findings.error(path, f"`{name}` is not among the features of the model", suggestion(name, model.features))
    elif name not in fitting:
        findings.error(path, f"`{name}` must be {wanted} here", suggestion("", fitting) if fitting else "take it out")


def _check_imputation(name: str, wanted: Imputation, path: KeyPath, numbers: list[str], findings: Findings) -> None:
    if (wanted.method == "constant") != (wanted.value is not None):
        findings.error(path, "`value` belongs to `constant`", "write {method: constant, value: 0}")
    if (wanted.method == "interpolation") != (wanted.by is not None):
        findings.error(path, "`by` belongs to `interpolation`", "write {method: interpolation, by: a feature}")
    elif wanted.by is not None and (wanted.by not in numbers or wanted.by == name):
        others = [each for each in numbers if each != name]
        findings.error((*path, "by"), f"`{wanted.by}` is no other number of the model", suggestion(wanted.by, others))


def _check_group(name: str, path: KeyPath, columns: Mapping[str, Property], findings: Findings) -> None:
    column = columns.get(name)
    if column is None:
        findings.unknown(path, "feature or trait", name, columns)
    elif column.type not in ("text", "boolean"):
        near = suggestion("", [item.name for item in columns.values() if item.type in ("text", "boolean")])
        findings.error(path, f"`{name}` is {column.type}, and must be text or boolean here", near)
