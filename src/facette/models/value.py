"""What customers will spend within a horizon: BG/NBD for how often, Gamma-Gamma for how much.

Purchases of one local day count as one (the literature counts days with a purchase, as CDNOW's data does). A customer
with n such days has n − 1 repeats; what the first day brought is no repeat, and is left out of his mean amount. The
formulas are in ``models/purchasing.py``; here is how their inputs come from aggregates, and how well the fit foretells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import ibis
import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from facette.definitions import models as definitions
from facette.errors import ModelError
from facette.models.fitted import FittedModel, fingerprint
from facette.models.matrix import in_order
from facette.models.native import from_batches

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from facette.models.purchasing import Frequencies, Purchasing, Spending

NUMBERS = ("repeats", "recency", "age", "mean")
FEWEST_CUSTOMERS = 100
FEWEST_REPEATERS = 30
FREQUENT = 7
"""Customers with so many repeats or more are one class of the holdout, as in Fader, Hardie, Lee 2005, figure 3."""
SMALLEST = 1e-6
"""A mean amount below it is none: amounts are kept in millionths."""
MUCH = 0.3
"""A correlation of amount and frequency from which on Gamma-Gamma is in doubt."""
LARGEST_EXPONENT = 700.0


class FrequencyClass(BaseModel):
    """Customers with so many repeats at the instant of the holdout: means of what was foretold, and of what came."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repeats: int
    is_open: bool
    n: int
    predicted_purchases: float
    purchases: float
    predicted_value: float
    value: float


class Holdout(BaseModel):
    """A fit on what was known at a past instant, against the horizon after it; means over all customers of then.

    purchase_bias, value_bias : of what was foretold over what came, less 1; None if nothing came
    classes : by repeats until then, fewest first
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    customers: int
    predicted_purchases: float
    purchases: float
    predicted_value: float
    value: float
    purchase_bias: float | None
    value_bias: float | None
    classes: tuple[FrequencyClass, ...]


class ValueMetrics(BaseModel):
    """The parameters, whether the assumptions hold, and how well the past was foretold.

    rows, repeaters, payers : customers; with a repeat; with repeats that brought something (Gamma-Gamma knows no other)
    r, alpha, a, b          : BG/NBD, alpha in days
    p, q, gamma             : Gamma-Gamma, gamma in the currency
    mean_purchase           : what a purchase brings, over all customers
    correlation, rank_correlation : of repeats and mean amount over the payers (Pearson, Spearman); Gamma-Gamma assumes
                              0; None where either never varies
    holdout, no_holdout     : how well it foretells, or why that is not known
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    repeaters: int
    payers: int
    r: float
    alpha: float
    a: float
    b: float
    purchases_log_likelihood: float
    p: float
    q: float
    gamma: float
    amounts_log_likelihood: float
    mean_purchase: float
    correlation: float | None
    rank_correlation: float | None
    holdout: Holdout | None
    no_holdout: str | None


class FittedValue(FittedModel):
    """A fit that can be applied.

    columns : of the wide row, in the order of ``definitions.model_checks.PURCHASES``
    """

    columns: tuple[str, ...]
    horizon_days: int
    metrics: ValueMetrics

    def inputs(self, features: ir.Table) -> dict[str, ir.Value]:
        """Repeats, recency and age in days, mean amount of a repeat; see :func:`numbers`."""
        return numbers(features, self.columns)

    def output(self, features: ir.Table) -> ir.FloatingValue:
        """The expected amount within the horizon; unknown for whoever never bought."""
        return self.outputs(features)[self.name]

    def outputs(self, features: ir.Table) -> dict[str, ir.Value]:
        """``<name>``, ``<name>_purchases`` and ``<name>_alive``.

        The hypergeometric function is SciPy's, so the first two run on DuckDB only.
        """
        found = self.inputs(features)
        purchases = self._purchases(found)
        alive = ibis.ifelse(found["repeats"].notnull(), self._alive(found), ibis.null("float64"))
        values = (purchases * self._amount(found), purchases, alive)
        return dict(zip((self.name, f"{self.name}_purchases", f"{self.name}_alive"), values, strict=True))

    def _purchases(self, found: Mapping[str, ir.FloatingValue]) -> ir.FloatingValue:
        purchasing, horizon = purchasing_of(self.metrics), float(self.horizon_days)

        def predict(matrix: np.ndarray) -> np.ndarray:
            return purchasing.expected(_frequencies(matrix), horizon)

        name = f"{self.name}_{fingerprint(NUMBERS, np.array([*_parameters(self.metrics), horizon]))[:8]}"
        return from_batches(name, predict, found, NUMBERS[:3])

    def _alive(self, found: Mapping[str, ir.FloatingValue]) -> ir.FloatingValue:
        """See :meth:`facette.models.purchasing.Purchasing.alive`."""
        fit, x = self.metrics, found["repeats"]
        log_ratio = (found["age"] + fit.alpha).ln() - (found["recency"] + fit.alpha).ln()
        log_odds = float(np.log(fit.a)) - (ibis.greatest(x, 1.0) + (fit.b - 1)).ln() + (x + fit.r) * log_ratio
        odds = ibis.ifelse(x > 0, ibis.least(log_odds, LARGEST_EXPONENT).exp(), 0.0)
        return 1.0 / (odds + 1.0)

    def _amount(self, found: Mapping[str, ir.FloatingValue]) -> ir.FloatingValue:
        """See :meth:`facette.models.purchasing.Spending.expected`."""
        fit, x = self.metrics, found["repeats"]
        mean = found["mean"].fill_null(0.0)
        own = x * fit.p / (x * fit.p + (fit.q - 1))
        return ibis.ifelse(mean > SMALLEST, own * mean + (1.0 - own) * fit.mean_purchase, fit.mean_purchase)


def numbers(features: ir.Table, columns: Sequence[str]) -> dict[str, ir.FloatingValue]:
    """What the two models look at, from the aggregates of the wide row; float64, null for whoever never bought.

    repeats : days with a purchase, less 1
    recency : days from the first to the last of them
    age     : days from the first of them to today
    mean    : amount per repeat; null without a repeat, and where it is not above 0
    """
    days, first, last, since, total, opening = (features[column] for column in columns)
    is_customer = days.fill_null(0) > 0
    repeats = ibis.ifelse(is_customer, (days - 1).cast("float64"), ibis.null("float64"))
    recency = last.delta(first, unit="day").cast("float64")
    mean = (total.cast("float64") - opening.cast("float64")) / repeats.nullif(0.0)
    return {
        "repeats": repeats,
        "recency": recency,
        "age": recency + since.cast("float64"),
        "mean": ibis.ifelse(mean > SMALLEST, mean, ibis.null("float64")),
    }


def fit_value(
    model: definitions.ValueModel,
    columns: Sequence[str],
    customers: pa.Table,
    past: pa.Table | str,
    at: datetime | None = None,
) -> FittedValue:
    """Learn how customers buy, and how well the same would have foretold a horizon that is over.

    columns   : of the wide row, from which :func:`numbers` makes what the fit looks at
    customers : what :func:`numbers` makes of everybody, and profile_id if there is one; rows without repeats are no
                customers
    past      : the same at the instant ``at``, and ``purchases`` and ``value`` in the horizon after it; or why it is
                not known
    Raises ModelError if there are too few customers, or if the likelihood has no maximum.
    """
    matrix = _matrix(customers, NUMBERS)
    purchasing, spending = _fit(model, matrix)
    is_payer = matrix[:, 3] > SMALLEST
    pearson, spearman = _correlations(matrix[is_payer, 0], matrix[is_payer, 3])
    holdout, why = (None, past) if isinstance(past, str) else _holdout(model, past, at)
    return FittedValue(
        name=model.name,
        fingerprint=fingerprint(NUMBERS, matrix),
        seed=0,
        columns=tuple(columns),
        horizon_days=model.horizon_days,
        metrics=ValueMetrics(
            rows=len(matrix),
            repeaters=int((matrix[:, 0] > 0).sum()),
            payers=int(is_payer.sum()),
            r=purchasing.r,
            alpha=purchasing.alpha,
            a=purchasing.a,
            b=purchasing.b,
            purchases_log_likelihood=purchasing.log_likelihood,
            p=spending.p,
            q=spending.q,
            gamma=spending.gamma,
            amounts_log_likelihood=spending.log_likelihood,
            mean_purchase=spending.mean,
            correlation=pearson,
            rank_correlation=spearman,
            holdout=holdout,
            no_holdout=why,
        ),
    )


def refitted(model: definitions.ValueModel, customers: pa.Table, near: ValueMetrics) -> dict[str, float]:
    """The parameters of both models, fitted to other customers, by their names in :class:`ValueMetrics`.

    customers : as in :func:`fit_value`;  near: a fit to similar ones
    Raises ModelError as :func:`fit_value` does.
    """
    purchasing, spending = _fit(model, _matrix(customers, NUMBERS), near)
    found = {name: getattr(purchasing, name) for name in ("r", "alpha", "a", "b")}
    return found | {name: getattr(spending, name) for name in ("p", "q", "gamma")}


def values_of(fitted: FittedValue, customers: pa.Table) -> dict[str, np.ndarray]:
    """What :meth:`FittedValue.outputs` says, of a table in memory: float64, NaN for whoever never bought.

    customers : what :func:`numbers` makes of them
    """
    matrix = np.column_stack([customers[name].to_numpy() for name in NUMBERS]).astype(float)
    purchasing, spending = purchasing_of(fitted.metrics), spending_of(fitted.metrics)
    purchases = purchasing.expected(_frequencies(matrix), float(fitted.horizon_days))
    amounts = spending.expected(matrix[:, 0], np.nan_to_num(matrix[:, 3]))
    is_unknown = np.isnan(matrix[:, 0])
    alive = np.where(is_unknown, np.nan, purchasing.alive(_frequencies(matrix)))
    names = (fitted.name, f"{fitted.name}_purchases", f"{fitted.name}_alive")
    return dict(zip(names, (purchases * amounts, purchases, alive), strict=True))


def purchasing_of(metrics: ValueMetrics) -> Purchasing:
    from facette.models.purchasing import Purchasing  # noqa: PLC0415

    return Purchasing(metrics.r, metrics.alpha, metrics.a, metrics.b, metrics.purchases_log_likelihood)


def spending_of(metrics: ValueMetrics) -> Spending:
    from facette.models.purchasing import Spending  # noqa: PLC0415

    return Spending(metrics.p, metrics.q, metrics.gamma, metrics.amounts_log_likelihood)


def _parameters(metrics: ValueMetrics) -> tuple[float, ...]:
    return metrics.r, metrics.alpha, metrics.a, metrics.b


def _frequencies(matrix: np.ndarray) -> Frequencies:
    from facette.models.purchasing import Frequencies  # noqa: PLC0415

    return Frequencies(matrix[:, 0], matrix[:, 1], matrix[:, 2])


def _matrix(table: pa.Table, names: Sequence[str]) -> np.ndarray:
    """The customers' numbers, float64, NaN for unknown, in an order that does not depend on how they were read."""
    table = in_order(table, "profile_id")
    matrix = np.column_stack([table[name].to_numpy() for name in names]).astype(float)
    return matrix[~np.isnan(matrix[:, 0])]


def _fit(
    model: definitions.ValueModel, matrix: np.ndarray, near: ValueMetrics | None = None
) -> tuple[Purchasing, Spending]:
    from facette.models.purchasing import NotFittedError, fit_purchasing, fit_spending  # noqa: PLC0415

    repeaters, payers = int((matrix[:, 0] > 0).sum()), matrix[:, 3] > SMALLEST
    if len(matrix) < FEWEST_CUSTOMERS or min(repeaters, int(payers.sum())) < FEWEST_REPEATERS:
        raise ModelError(
            f"“{model.name}” has {len(matrix)} customers, of whom {repeaters} bought again and {int(payers.sum())} paid"
            f" for it; it takes {FEWEST_CUSTOMERS}, and {FEWEST_REPEATERS} of each.",
            remedy="Load a longer history, loosen the condition on the event, or check that the amount is read.",
        )
    try:
        purchasing = fit_purchasing(_frequencies(matrix), purchasing_of(near) if near else None)
        spending = fit_spending(matrix[payers, 0], matrix[payers, 3], spending_of(near) if near else None)
        if not np.isfinite(purchasing.expected(_frequencies(matrix), model.horizon_days)).all():
            raise NotFittedError("what it expects is no number")
        return purchasing, spending
    except NotFittedError as error:
        raise ModelError(
            f"“{model.name}” cannot be fitted: {error}.",
            remedy="Look at how often and for how much customers buy: people and firms may need a model each.",
        ) from error


def _correlations(repeats: np.ndarray, mean: np.ndarray) -> tuple[float | None, float | None]:
    from scipy.stats import rankdata  # noqa: PLC0415

    if np.ptp(repeats) == 0 or np.ptp(mean) == 0:
        return None, None
    by_rank = np.corrcoef(rankdata(repeats), rankdata(mean))[0, 1]
    return float(np.corrcoef(repeats, mean)[0, 1]), float(by_rank)


def _holdout(model: definitions.ValueModel, past: pa.Table, at: datetime | None) -> tuple[Holdout | None, str | None]:
    assert at is not None, "what was known is of an instant"
    matrix = _matrix(past, (*NUMBERS, "purchases", "value"))
    try:
        purchasing, spending = _fit(model, matrix)
    except ModelError as error:
        return None, f"a horizon ago too little was known: {error}"
    repeats, came = matrix[:, 0], np.nan_to_num(matrix[:, 4:])
    purchases = purchasing.expected(_frequencies(matrix), model.horizon_days)
    value = purchases * spending.expected(repeats, np.nan_to_num(matrix[:, 3]))
    foretold = np.column_stack([purchases, value])
    classes = np.minimum(repeats, FREQUENT)
    everybody = _means(foretold, came)
    return Holdout(
        at=at,
        customers=len(matrix),
        **everybody,
        purchase_bias=_bias(everybody["predicted_purchases"], everybody["purchases"]),
        value_bias=_bias(everybody["predicted_value"], everybody["value"]),
        classes=tuple(
            FrequencyClass(
                repeats=int(number),
                is_open=number == FREQUENT,
                n=int((classes == number).sum()),
                **_means(foretold[classes == number], came[classes == number]),
            )
            for number in np.unique(classes)
        ),
    ), None


def _means(foretold: np.ndarray, came: np.ndarray) -> dict[str, Any]:
    return {
        "predicted_purchases": float(foretold[:, 0].mean()),
        "purchases": float(came[:, 0].mean()),
        "predicted_value": float(foretold[:, 1].mean()),
        "value": float(came[:, 1].mean()),
    }


def _bias(foretold: float, came: float) -> float | None:
    return foretold / came - 1 if came > 0 else None
