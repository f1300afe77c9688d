"""An autoencoder (Rumelhart, Hinton, Williams 1986), and k-means on its codes.

The network learns to say its input again through a narrow layer (Hinton, Salakhutdinov 2006), whose few numbers are
the code. It is scikit-learn's multilayer perceptron: small, on the processor, and reproducible by its seed.
"""

from __future__ import annotations

import warnings

from facette.definitions.models import ClusterMethod, ClustersModel
from facette.models.clusters.assigners import Network, encoded, matrix
from facette.models.clusters.centres import kmeans
from facette.models.clusters.counts import counts_of
from facette.models.clusters.family import Chosen, Family, Parameters
from facette.models.clusters.search import Range, searched
from facette.models.clusters.space import Space

ROWS = 5_000
HIDDEN = 12
"""Width of the layers before and behind the code."""
PASSES = 150
"""Over the data, at most."""


def choose(space: Space, method: ClusterMethod, model: ClustersModel) -> Chosen:
    counts = counts_of(method, model, space.points)
    widest = max(1, space.prepared.shape[1] - 1)
    usual: Parameters = {"code": method.code or min(2, widest), "clusters": counts[len(counts) // 2], "hidden": HIDDEN}
    ranges: dict[str, Range] = {}
    if method.code is None and widest > 1:
        ranges["code"] = (1, min(5, widest))
    if len(counts) > 1:
        ranges["clusters"] = (counts[0], counts[-1])
    return searched(space, model, fit, ranges, usual)


def fit(space: Space, parameters: Parameters, seed: int) -> Network:
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
    from sklearn.neural_network import MLPRegressor  # noqa: PLC0415

    hidden, code = int(parameters["hidden"]), int(parameters["code"])
    model = MLPRegressor(
        hidden_layer_sizes=(hidden, code, hidden),
        activation="tanh",
        batch_size=min(100, len(space.prepared)),
        learning_rate_init=0.01,
        max_iter=PASSES,
        tol=1e-3,
        random_state=seed,
    )
    with warnings.catch_warnings():  # it is stopped when it has had enough passes
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(space.prepared, space.prepared if space.prepared.shape[1] > 1 else space.prepared[:, 0])
    pairs = list(zip(model.coefs_, model.intercepts_, strict=True))[:2]
    layers = tuple((matrix(weights.T), tuple(biases.tolist())) for weights, biases in pairs)
    centres = kmeans(encoded(space.prepared, layers), int(parameters["clusters"]), seed).cluster_centers_
    return Network(layers=layers, centres=matrix(centres))


FAMILY = Family(choose, fit, rows=ROWS, resampled=2_000, resamples=5)
