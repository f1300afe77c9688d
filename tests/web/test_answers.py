"""What the live worker answers over HTTP is what a run would publish, and its figures are true."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from string import Formatter
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
from prometheus_client.parser import text_string_to_metric_families

from facette.definitions.error_texts import ERRORS
from facette.definitions.project import load
from facette.errors import RunError
from facette.live.figures import Durations, ages
from facette.live.state import State
from facette.live_queries import MOST_ASKING, Current, history
from facette.queries import Published
from facette.run import run
from facette.sources.aside import Aside, RefusedEvent
from facette.stream import Desk, Stream
from facette.warehouse.published import Store
from facette.web.answers import answers_app
from facette.web.serving import serving
from tests.live.projects import NOW, append, random_records, write_project
from tests.live.test_stream import visit
from tests.run.projects import Silent, copied, truth


@dataclass
class Worker:
    """A worker that takes a step when the test says so, and answers meanwhile."""

    folder: Path
    stream: Stream
    desk: Desk
    http: httpx.Client

    def get(self, path: str, status: int = 200, **options: Any) -> Any:
        response = self.http.get(path, **options)
        assert response.status_code == status, response.text
        return response.json()

    def read_all(self) -> None:
        while self.stream.step(NOW):
            pass
        self.stream.figures.waiting = self.stream.waiting()


@contextmanager
def working(folder: Path) -> Iterator[Worker]:
    definitions, desk = load(folder), Desk()
    with Stream(definitions, NOW, figures=desk.figures) as stream, desk.open(stream):
        app = answers_app(Current(definitions, desk), host="127.0.0.1", environment={"KEY": "of-the-shop"})
        with (
            serving(app, host="127.0.0.1", port=0) as url,
            httpx.Client(base_url=url, timeout=120) as http,
        ):
            yield Worker(folder, stream, desk, http)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One that has read two thirds of its records beyond the published run."""
    folder = write_project(tmp_path_factory.mktemp("answers") / "site")
    records = random_records(random.Random(11), 300, n_people=60)
    append(folder, records[:100])
    run(load(folder), Silent(), as_of=NOW)
    append(folder, records[100:])
    with working(folder) as made:
        made.read_all()
        yield made


def test_answers_are_what_a_run_would_publish(worker: Worker, tmp_path: Path) -> None:
    batch = copied(worker.folder, tmp_path / "batch", has_store=True)
    run(load(batch), Silent(), as_of=NOW)
    published = truth(batch)
    n_members = 0
    for person, segments in published.segments.items():
        for identifier in person:
            kind, _, value = identifier.partition(":")
            answer = worker.get("/v1/profiles", params={kind: value})
            assert {row["segment"] for row in answer["segments"]} == segments, identifier
            again = worker.get(f"/v1/profiles/{answer['profile_id']}/segments")
            assert again["segments"] == answer["segments"]
        n_members += len(segments)
    counts = {row["segment"]: row["members"] for row in worker.get("/v1/segments")["segments"]}
    assert sum(counts.values()) == n_members > 30
    for name, count in counts.items():
        assert worker.get(f"/v1/segments/{name}/profiles")["count"] == count
        assert count == sum(name in segments for segments in published.segments.values())


def test_pages_of_members(worker: Worker) -> None:
    whole = worker.get("/v1/segments/lookers/profiles")
    assert whole["next"] is None
    assert len(whole["profiles"]) == whole["count"] > 4
    found, after = [], 0
    while after is not None:
        page = worker.get("/v1/segments/lookers/profiles", params={"after": after, "limit": 2})
        assert 1 <= len(page["profiles"]) <= 2
        found += page["profiles"]
        after = page["next"]
    assert found == whole["profiles"]
    assert worker.get("/v1/segments/Lookers/profiles")["segment"] == "lookers"  # by its label too


def test_explanations_agree_with_memberships(worker: Worker) -> None:
    n_compared = 0
    for segment in ("lookers", "big", "converted", "nantais"):
        members = {row["profile_id"] for row in worker.get(f"/v1/segments/{segment}/profiles")["profiles"]}
        others = {row["profile_id"] for row in worker.get("/v1/segments/buyers/profiles")["profiles"]} - members
        for profile_id in [*sorted(members)[-2:], *sorted(others)[-2:]]:
            answer = worker.get(f"/v1/profiles/{profile_id}/segments/{segment}/explain")
            assert answer["is_member"] == (profile_id in members), answer
            assert answer["as_of"].startswith("2026-11-20T13:00:00")
            n_compared += 1
    assert n_compared > 10


def test_explanations_speak_as_asked(worker: Worker) -> None:
    [row, *_] = worker.get("/v1/segments/buyers/profiles")["profiles"]
    path = f"/v1/profiles/{row['profile_id']}/segments/buyers/explain"
    french = worker.get(path, params={"lang": "fr"})
    english = worker.get(path, headers={"Accept-Language": "de, en-GB;q=0.8, fr;q=0.2"})
    assert (french["language"], english["language"]) == ("fr", "en")
    assert "A FAIT purchase" in french["rule"]
    assert "DID purchase" in english["rule"]
    decided = [answer["reason"]["decided_by"][0]["events"] for answer in (french, english)]
    assert decided[0] == decided[1] != []
    assert worker.get(path)["language"] == "fr"  # the project's
    assert worker.get(path, 400, params={"lang": "de"})["remedy"] == "Choisissez fr ou en."
    assert worker.get(path, 400, params={"lang": "de"}, headers=ENGLISH)["remedy"] == "Choose fr or en."


def test_explanations_are_asked_while_the_worker_works(worker: Worker) -> None:
    [row, *_] = worker.get("/v1/segments/big/profiles")["profiles"]
    answers: list[Any] = []

    def ask() -> None:
        for _ in range(3):
            answers.append(worker.get(f"/v1/profiles/{row['profile_id']}/segments/big/explain")["is_member"])

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for each in asking:
        each.start()
    number = 5_000
    while any(each.is_alive() for each in asking):
        append(worker.folder, [visit(number)])
        worker.stream.step(NOW)
        number += 1
    for each in asking:
        each.join()
    assert answers == [True] * 6
    assert number > 5_001


def test_too_many_explanations_are_refused_and_nothing_else_waits(worker: Worker) -> None:
    [row, *_] = worker.get("/v1/segments/big/profiles")["profiles"]
    statuses: list[int] = []

    def ask() -> None:
        response = worker.http.get(f"/v1/profiles/{row['profile_id']}/segments/big/explain")
        statuses.append(response.status_code)
        assert (response.headers.get("Retry-After") == "5") == (response.status_code == 503)

    with worker.stream.between_steps:  # as if the worker took long
        asking = [threading.Thread(target=ask) for _ in range(MOST_ASKING + 3)]
        for each in asking:
            each.start()
        while statuses.count(503) < 3:
            assert worker.get("/healthz") == {"status": "ok"}
    for each in asking:
        each.join()
    assert sorted(statuses) == [200] * MOST_ASKING + [503] * 3


ENGLISH = {"Accept-Language": "en"}


def test_errors_speak_as_asked(worker: Worker) -> None:
    """The project's language is French, which it is by default."""
    path = "/v1/segments/nobody/profiles"
    for asked, language, told in (
        ({}, "fr", "Il n'y a pas de segment nobody."),
        ({"headers": {"Accept-Language": "en-GB, fr;q=0.5"}}, "en", "There is no segment nobody."),
        ({"headers": {"Accept-Language": "de"}}, "fr", "Il n'y a pas de segment nobody."),
        ({"headers": ENGLISH, "params": {"lang": "fr"}}, "fr", "Il n'y a pas de paramètre `lang` ici."),
    ):
        response = worker.http.get(path, **asked)  # type: ignore[arg-type]
        assert (response.headers["Content-Language"], response.json()["error"]) == (language, told)
        assert response.headers["Vary"] == "Accept-Language"
    near = "/v1/segments/bayers/profiles"
    assert worker.get(near, 404)["remedy"] == "vouliez-vous dire `buyers` ?"
    assert worker.get(near, 404, headers=ENGLISH)["remedy"] == "did you mean `buyers`?"
    assert worker.get("/v1/nothing", 404)["error"] == "Il n'y a rien ici."


def test_errors_have_the_same_places_in_both_languages() -> None:
    def places(texts: tuple[str, str]) -> set[str | None]:
        return {place for text in texts for _, place, _, _ in Formatter().parse(text) if place}

    for key, texts in ERRORS.items():
        assert places(texts["fr"]) == places(texts["en"]), key
        assert texts["fr"] != texts["en"]
        assert bool(texts["fr"][1]) == bool(texts["en"][1]), key


def test_questions_that_make_no_sense(worker: Worker) -> None:
    worker.http.headers.update(ENGLISH)
    assert "There is no segment nobody" in worker.get("/v1/segments/nobody/profiles", 404)["error"]
    assert worker.get("/v1/profiles/77777/segments", 404)["error"] == "There is no profile 77777."
    assert "Nobody has the user “nobody”" in worker.get("/v1/profiles", 404, params={"user": "nobody"})["error"]
    assert "no kind of identifier" in worker.get("/v1/profiles", 400, params={"shoe": "42"})["error"]
    assert worker.get("/v1/profiles", 400)["remedy"] == "Give one of user, device: /v1/profiles?KIND=VALUE."
    for after in ("-1", "x", "1.5", "9" * 30, "²"):
        assert "`after` cannot be" in worker.get("/v1/segments/big/profiles", 400, params={"after": after})["error"]
    assert "no parameter `page`" in worker.get("/v1/segments/big/profiles", 400, params={"page": 2})["error"]
    assert worker.get("/v1/nothing", 404)["error"] == "There is nothing here."
    refused = worker.http.post("/v1/segments")
    assert (refused.status_code, refused.json()["error"]) == (405, "POST is not possible here.")
    assert worker.get("/healthz") == {"status": "ok"}
    del worker.http.headers["Accept-Language"]


def test_changes_are_told_to_whoever_asks(worker: Worker) -> None:
    told = [{"seq": seq, **change.as_dict()} for seq, change in worker.stream.state.changes()]
    found, after = [], 0
    while after is not None:
        page = worker.get("/v1/changes", params={"after": after, "limit": 40})
        found += page["changes"]
        after = page["next"]
    assert found == told
    profile_id = next(row["profile_id"] for row in told if row["segment"] == "lookers")
    of_one = worker.get(f"/v1/profiles/{profile_id}/changes")
    now = of_one["profile_id"]
    assert of_one["changes"] == [row for row in told if now in (row["profile_id"], row["into"])]
    in_one = worker.get("/v1/segments/lookers/changes")["changes"]
    assert in_one == [row for row in told if row["segment"] == "lookers"] != []
    shown = history(load(worker.folder), None, "lookers", 1_000)
    assert [row["profile_id"] for row in shown if row["told_by"] == "worker"] == [row["profile_id"] for row in in_one]
    first_run = Published(load(worker.folder)).table("changes")
    n_by_runs = first_run.filter(first_run.segment == "lookers").count().to_pyarrow().as_py()
    assert len(shown) == len(in_one) + n_by_runs
    only = history(load(worker.folder), str(now), None, 1_000)
    assert {row["profile_id"] for row in only if row["segment"]} == {now}


def test_a_merged_profile_is_answered_for_as_what_it_became(tmp_path: Path) -> None:
    folder = write_project(tmp_path)
    append(folder, [visit(1)])
    run(load(folder), Silent(), as_of=NOW)
    with working(folder) as worker:
        append(folder, [visit(2)])
        worker.read_all()
        old = worker.get("/v1/profiles", params={"device": "d2"})["profile_id"]
        both = (visit(number, kind="identify", user_id="u1", message_id=f"i{number}") for number in (1, 2))
        append(folder, [*both])
        worker.read_all()
        answer = worker.get(f"/v1/profiles/{old}/segments")
        assert answer["asked"] == old
        assert answer["profile_id"] == worker.get("/v1/profiles", params={"device": "d1"})["profile_id"] < old
        assert {row["segment"] for row in answer["segments"]} == {"lookers", "just_now"}
        explained = worker.get(f"/v1/profiles/{old}/segments/lookers/explain")
        assert (explained["profile_id"], explained["is_member"]) == (answer["profile_id"], True)
        append(folder, [visit(4)])
        worker.read_all()
        old = worker.get("/v1/profiles", params={"device": "d4"})["profile_id"]
        run(load(folder), Silent(), as_of=NOW)
        worker.read_all()
        answer = worker.get(f"/v1/profiles/{old}/segments")
        assert answer["asked"] == old > 2_000_000_000 > answer["profile_id"]
        assert [row["segment"] for row in answer["segments"]] == ["just_now"]


def test_figures(worker: Worker) -> None:
    samples = measured(worker.http)
    figures = worker.desk.figures
    assert samples["facette_records_total"] == figures.records >= 100
    assert samples["facette_steps_total"] == samples["facette_step_seconds_count"] == figures.steps
    assert samples["facette_changes_total"] == figures.changes > 10
    assert samples["facette_latency_seconds_count"] == samples["facette_latency_seconds_bucket", "+Inf"] > 90
    assert samples["facette_records_waiting"] == 0
    assert samples["facette_worker_up"] == 1
    counts = {row["segment"]: row["members"] for row in worker.get("/v1/segments")["segments"]}
    for name, count in counts.items():
        assert samples["facette_segment_members", name] == count
    assert samples["facette_profiles", "run"] > 0
    assert samples["facette_profiles", "worker"] > 0
    assert samples["facette_state_bytes"] > 10_000


def test_before_the_first_step_nobody_is_told_to_be_nowhere(tmp_path: Path) -> None:
    """A worker that starts for the first time has made its state's file long before it knows who is where."""
    folder = write_project(tmp_path)
    append(folder, [visit(1)])
    run(load(folder), Silent(), as_of=NOW)
    State(Store(folder).folder).close()
    with closing(Aside(folder)) as aside:
        aside.add([RefusedEvent("site", "segment", f"2026-11-{day}T10:00:00Z", "why", "{}") for day in (19, 20)])
    app = answers_app(Current(load(folder), Desk()), host="127.0.0.1")
    with serving(app, host="127.0.0.1", port=0) as url, httpx.Client(base_url=url, timeout=120) as http:
        for path in ("/v1/segments", "/v1/segments/lookers/profiles", "/v1/profiles/1/segments", "/v1/changes"):
            answer = http.get(path, headers={"Accept-Language": "fr"})
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5"), path
            assert answer.json()["error"] == "Le moteur en direct n'est pas prêt."
        samples = measured(http)
    assert samples["facette_worker_up"] == 0
    assert samples["facette_events_refused_total", "site"] == 2
    assert "facette_state_bytes" not in samples


def measured(http: httpx.Client) -> dict[Any, float]:
    text = http.get("/metrics").text
    found: dict[Any, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            label = next(iter(sample.labels.values()), None)
            found[(sample.name, label) if label else sample.name] = sample.value
    return found


def test_durations_fall_into_classes() -> None:
    one, other = Durations(), Durations()
    seconds = [0.0, 0.005, 0.0051, 1.0, 59.0, 10_000.0]
    for each in seconds:
        one.add(each)
    other.add_all(np.array(seconds))
    assert one.counts == other.counts
    assert sum(one.counts) == len(seconds)
    texts = ["2026-11-20T11:59:58.500000Z", "2026-13-20T11:59:58.500000Z", "soon", None, "2026-11-20T12:00:09.000000Z"]
    assert ages(pa.array(texts, pa.string()), NOW).tolist() == [1.5, 0.0]


def test_who_may_ask(tmp_path: Path) -> None:
    folder = write_project(tmp_path)
    with pytest.raises(RunError, match="could ask who is in which segment"):
        answers_app(Current(load(folder)), host="0.0.0.0")
    file = folder / "facette.yml"
    file.write_text(file.read_text(encoding="utf-8") + 'answers: {keys: ["${KEY}"]}\n', encoding="utf-8")
    answers_app(Current(load(folder)), host="0.0.0.0", environment={"KEY": "k"})
    with pytest.raises(RunError, match="is empty"):
        answers_app(Current(load(folder)), host="127.0.0.1", environment={"KEY": ""})
    run(load(folder), Silent(), as_of=NOW - timedelta(days=1))
    with working(folder) as worker:
        for headers in ({}, {"Authorization": "Bearer another"}, {"Authorization": "Basic of-the-shop"}):
            refused = worker.http.get("/v1/segments", headers=headers)
            assert refused.status_code == 401
            assert refused.headers["WWW-Authenticate"] == "Bearer"
            assert "Il manque une clé" in refused.json()["error"]
        assert worker.http.get("/metrics").status_code == 401
        assert worker.get("/healthz") == {"status": "ok"}
        worker.get("/v1/segments", headers={"Authorization": "Bearer of-the-shop"})
