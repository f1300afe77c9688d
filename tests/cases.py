"""How many answers were compared, by what they are about; and how many random cases to try."""

from collections import Counter

from hypothesis import HealthCheck, Phase, settings

COMPARED: Counter[str] = Counter()


class More:
    """What the command line asked for."""

    cases: int = 0
    """Random cases of every differential test, besides those that it always tries."""


def random_cases(n: int) -> settings:
    """``n`` random cases of a test that compares with the plain evaluator, and more where more are asked for."""
    return settings(
        deadline=None,
        max_examples=n + More.cases,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),  # a failure tells one rule and one person already
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
