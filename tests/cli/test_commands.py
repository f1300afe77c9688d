"""Every command, for people and for machines; and what each says when it cannot do what it is asked."""

from __future__ import annotations

import gc
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from facette import cli
from facette.definitions.language import parse_rule
from facette.definitions.language.json_form import rule_from_json
from facette.definitions.schema import json_schema
from tests.run.projects import another_day, copied, edit, snapshot, starter


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Facette = Callable[..., Said]


@pytest.fixture
def facette(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Facette:
    """The command line in this process: nothing but exit codes and text comes out of it."""

    def call(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["facette", *map(str, words)])
        thresholds = gc.get_threshold()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        is_looking, _ = gc.isenabled(), gc.enable()  # for garbage, which this process has to
        gc.unfreeze()
        gc.set_threshold(*thresholds)
        assert is_looking or words[0] in ("init", "schema") or caught.value.code
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        code = caught.value.code
        return Said(code if isinstance(code, int) else 0, said.out, said.err)

    return call


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = starter(tmp_path_factory.mktemp("cli") / "shop")
    subprocess.run([FACETTE, "run", "--project", folder], check=True, capture_output=True)
    return folder


FACETTE = Path(sys.executable).with_name("facette")


@pytest.fixture
def project(base: Path, tmp_path: Path) -> Path:
    return copied(base, tmp_path / "shop", has_store=True)


# ── what they say ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_models_and_their_versions(facette: Facette, project: Path) -> None:
    (styles,) = facette("models", "--project", project, "--json").json
    assert (styles["model"], styles["applied"], styles["chosen"]) == ("styles", 1, None)
    assert styles["versions"][0]["figures"].keys() == {"clusters", "silhouette", "davies_bouldin"}
    assert "styles (clusters)" in facette("models", "--project", project).out
    for words in (
        ("models", "rollback", "styles", "--project", project),
        ("models", "--project", project, "rollback", "styles"),
    ):
        said = facette(*words)
        assert said.code == 1 and "no earlier version" in said.err
    assert facette("models", "rollback", "styles", "--to", 1, "--project", project, "--json").json["version"] == 1
    assert "version 1 was chosen" in facette("models", "--project", project).out
    assert facette("models", "release", "styles", "--project", project).code == 0
    assert facette("models", "--project", project, "--json").json[0]["chosen"] is None
    told = facette("models", "refit", "styles", "--project", project)
    assert told.code == 0 and "fitted anew, as asked: styles" in told.out and "styles (clusters)" in told.out
    (styles,) = facette("models", "--project", project, "--json").json
    assert [item["version"] for item in styles["versions"]] == [2, 1]


def test_the_module_is_the_command(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "facette", "init", tmp_path / "shop"], check=True, capture_output=True)
    assert (tmp_path / "shop" / "facette.yml").is_file()


def test_init_writes_a_project_that_runs(facette: Facette, tmp_path: Path) -> None:
    said = facette("init", tmp_path / "shop", "--json")
    assert said.code == 0
    assert all(Path(file).is_file() for file in said.json["files"])
    again = facette("init", tmp_path / "shop", "--json")
    assert (again.code, again.json["error"]) == (1, f"{tmp_path / 'shop' / 'README.md'} is already there")
    assert facette("lint", "--project", tmp_path / "shop").out.startswith("No problem found.\n")
    assert facette("init", tmp_path / "other").out.startswith("Wrote 5 files into")
    assert facette("init", "--project", tmp_path / "third").out.startswith("Wrote 5 files into")


def test_run_shows_stages_segments_and_the_report(facette: Facette, project: Path) -> None:
    day = another_day(project)
    said = facette("run", "--project", project, "--as-of", day)
    assert said.code == 0
    assert re.search(r"^clean +\d+ +[\d.]+ s  add: new from orders \(1\)$", said.out, re.MULTILINE)
    assert re.search(r"^active +clients actifs +\d+ +[\d.]+%", said.out, re.MULTILINE)
    assert f"Published run {snapshot(project).run} as of 2026-10-01 23:59 CEST" in said.out
    report = project / ".facette" / "report.html"
    assert str(report) in said.out
    assert report.read_text(encoding="utf-8").lstrip().startswith("<!doctype html>")


def test_run_for_machines(facette: Facette, project: Path) -> None:
    said = facette("run", "--project", project, "--json", "--full")
    assert said.err == ""
    assert said.json["outcome"]["is_published"] is True
    details = [stage["detail"] for stage in said.json["outcome"]["stages"][1:]]
    assert len(details) == 8
    assert all(detail.startswith("rebuild: everything anew, as asked") for detail in details)
    assert {row["segment"] for row in said.json["segments"]} >= {"active", "vip"}
    again = facette("run", "--project", project, "--json")
    assert again.json["outcome"]["is_published"] is False
    assert again.json["outcome"]["run"] == said.json["outcome"]["run"]
    assert "Nothing new" in facette("run", "--project", project).out


def test_a_report_that_a_killed_run_could_not_write_is_written_by_the_next(facette: Facette, project: Path) -> None:
    report = project / ".facette" / "report.html"
    os.utime(report, (0, 0))
    facette("run", "--project", project)
    assert report.stat().st_mtime > 0
    written = report.stat().st_mtime_ns
    facette("run", "--project", project)
    assert report.stat().st_mtime_ns == written
    report.unlink()
    facette("run", "--project", project)
    assert report.exists()


def test_plan_shows_what_run_would_do(facette: Facette, project: Path) -> None:
    assert "no source has anything new" in facette("plan", "--project", project).out
    another_day(project)
    said = facette("plan", "--project", project, "--json").json
    assert said["sources"]["orders"] == {"new": 1, "replaced": 0, "waiting": 0}
    assert said["steps"][0] == {"stage": "clean", "action": "add", "reason": "new from orders (1)"}
    assert "everything anew, as asked" in facette("plan", "--project", project, "--full").out


def test_segments_profile_and_explain(facette: Facette, project: Path) -> None:
    assert "clients actifs" in facette("segments", "--project", project).out
    listed = facette("segments", "--project", project, "--json").json
    assert {"segment", "label", "members", "share", "entered", "left", "verdict", "reason"} <= listed[0].keys()

    shown = facette("profile", "C001", "--project", project)
    assert "customer_id" in shown.out and "timeline" in shown.out
    person = facette("profile", "customer_id:c001", "--project", project, "--json").json
    assert person["identifiers"][0] == {"kind": "customer_id", "value": "C001"}

    for segment in [row["segment"] for row in listed]:
        said = facette("explain", "C001", segment, "--project", project).out
        answer = facette("explain", "C001", segment, "--project", project, "--json").json
        assert f"Le profil 2 {'est' if answer['is_member'] else 'n’est pas'} dans ".replace("’", "'") in said
        assert ("✔" if answer["is_member"] else "✘") in said
        changes = [change["text"] for way in answer["to_flip"]["ways"] for change in way]
        assert changes and all(change in said for change in changes)


def test_a_segment_is_explained_by_its_label(facette: Facette, project: Path) -> None:
    by_name = facette("explain", "C001", "vip", "--project", project, "--json").json
    for label in ("Meilleurs  Clients", "best customers", "VIP"):
        assert facette("explain", "C001", label, "--project", project, "--json").json == by_name


def test_questions_before_the_edited_definitions_are_run(facette: Facette, project: Path) -> None:
    (project / "more.yml").write_text(
        "features: [{name: newf, value: n_orders_1y * 2}]\nsegments: [{name: often, rule: newf > 8}]\n",
        encoding="utf-8",
    )
    edit(project / "segments.yml", "DID purchase IN THE LAST 90 DAYS", "DID NOT purchase IN THE LAST 90 DAYS")
    counted = facette("preview", "newf > 8", "--project", project, "--json").json["members"]
    assert counted == facette("preview", "n_orders_1y > 4", "--project", project, "--json").json["members"] > 0
    assert f"{counted} of 29 profiles" in facette("preview", "IN SEGMENT often", "--project", project).out
    changed = "The definitions have changed since the published run"
    person = facette("profile", "C001", "--project", project)
    assert (person.code, changed in person.out, "newf" in person.out) == (0, True, False)
    before = {
        item["segment"] for item in facette("profile", "C001", "--project", project, "--json").json["memberships"]
    }
    answer = facette("explain", "C001", "active", "--project", project, "--json").json
    assert answer["is_member"] is ("active" not in before)
    said = facette("explain", "C001", "active", "--project", project).out
    assert answer["warning"] in said
    assert f"The published membership is: {'a' if 'active' in before else 'not a'} member" in answer["warning"]
    edit(project / "facette.yml", "missing: [N/C]", "missing: [N/C, '?']")
    said = facette("preview", "newf > 8", "--project", project)
    assert (said.code, "The sources changed since the published run" in said.err, "facette run" in said.err) == (
        1,
        True,
        True,
    )


def test_what_if_and_the_run_that_does_it(facette: Facette, project: Path) -> None:
    asked = ("what-if", "meilleurs clients", "--project", project)
    said = facette(*asked, "--rule", "score de dépense = élevé", "--json").json
    assert (said["segment"], said["members"], said["entering"], said["leaving"]) == ("vip", 7, said["would_be"] - 7, 0)
    assert {"rows", "seconds", "memory_bytes"} == said["cost"].keys()
    assert said["samples"]["entering"][0]["identifiers"].keys() == {"customer_id", "email"}
    french = facette(*asked, "--rule", "score de dépense = élevé").out
    assert "deviendraient" in french
    assert "les deux règles pour tous" in french
    edit(project / "facette.yml", "language: fr", "language: en")
    edit(project / "segments.yml", "rule: score de dépense = élevé ET panier moyen >= 40", "rule: spend_score = high")
    english = facette(*asked, "--as-of", "2026-09-01").out
    assert "rule of the files" in english
    assert "from what was known" not in english
    assert "redefined: vip: its rule changed" in facette("plan", "--project", project).out
    assert f"vip: its rule changed; by definition +{said['entering']} −0" in facette("run", "--project", project).out


def test_preview_and_report(facette: Facette, project: Path) -> None:
    assert "13 of 29 profiles" in facette("preview", "DID purchase IN THE LAST 90 DAYS", "--project", project).out
    said = facette("preview", "a fait achat dans les 90 derniers jours", "--project", project, "--json").json
    assert said["members"] == 13
    for language, title in (("en", "Segmentation report"), ("fr", "Rapport de segmentation")):
        path = facette("report", "--language", language, "--project", project, "--json").json["report"]
        assert title in Path(path).read_text(encoding="utf-8")
    assert "Report:" in facette("report", "--project", project).out


def test_a_condition_of_another_system_becomes_a_rule(
    facette: Facette, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, groups = tmp_path / "condition.json", tmp_path / "groups.json"
    condition = {"city": {"$inGroup": "west"}, "$or": [{"subscribed": True}, {"n_orders_1y": {"$gte": 3}}]}
    file.write_text(json.dumps(condition), encoding="utf-8")
    groups.write_text('{"west": ["Nantes", "Le Mans"]}', encoding="utf-8")
    words = ["import-condition", file, "--groups", groups, "--project", project]
    assert facette(*words).out == "ville DANS (Nantes, 'Le Mans') ET (abonné OU commandes sur un an >= 3)\n"
    english = facette(*words, "--language", "en").out
    assert english == "city IN (Nantes, 'Le Mans') AND (subscribed OR orders in a year >= 3)\n"
    assert rule_from_json(facette(*words, "--json").json) == parse_rule(
        "city IN (Nantes, 'Le Mans') AND (subscribed OR n_orders_1y >= 3)"
    )
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"city": {"$exists": false}}')))
    assert facette("import-condition", "-", "--project", project).out == "ville EST INCONNU\n"


CONDITIONS = {
    "no rule says it": ('{"$or": [{"city": {"$gt": "M"}}]}', "/$or/0/city/$gt : les textes n'ont pas d'ordre"),
    "a name that nobody has": ('{"citi": {"$exists": true}}', "Le plus proche : ville"),
    "another type": ('{"city": {"$in": [3]}}', "« ville » est un texte, mais 3 est un nombre"),
    "no JSON": ("{city: 1}", "Toute la condition : ceci n'est pas du JSON"),
    "no text": ("\xff", "cannot be read"),
}


@pytest.mark.parametrize(("condition", "message"), CONDITIONS.values(), ids=CONDITIONS)
def test_a_condition_that_is_no_rule(
    facette: Facette, project: Path, tmp_path: Path, condition: str, message: str
) -> None:
    file = tmp_path / "condition.json"
    file.write_bytes(condition.encode("latin-1"))
    said = facette("import-condition", file, "--project", project)
    assert said.code == 1
    assert message in said.err
    assert "→" in said.err


def test_a_language_that_is_not_spoken(facette: Facette, project: Path) -> None:
    said = facette("import-condition", "-", "--language", "de", "--project", project)
    assert (said.code, said.err) == (1, "--language de is not spoken.\n  → Choose fr or en.\n")


def test_schema_is_the_schema(facette: Facette, tmp_path: Path) -> None:
    expected = json.loads(json.dumps(json_schema()))
    assert facette("schema", "--json").json == expected
    assert facette("schema", "--project", tmp_path).code == 0
    assert json.loads((tmp_path / "facette.schema.json").read_text(encoding="utf-8")) == expected
    missing = facette("schema", "--project", tmp_path / "nowhere")
    assert (missing.code, "cannot be written" in missing.err) == (1, True)


# ── what they say when they cannot ──────────────────────────────────────────────────────────────────────────────────

WRONG: dict[str, tuple[list[str], str]] = {
    "no such segment": (["explain", "C001", "activ"], "There is no segment activ"),
    "nobody": (["explain", "C999", "active"], "Nobody answers to “C999”"),
    "no such person": (["profile", "C999"], "Nobody answers to “C999”"),
    "nonsense for an instant of knowledge": (["what-if", "vip", "--known-at", "soon"], "--known-at soon is neither"),
    "a cluster instead of a segment": (["what-if", "styles", "--rule", "vip"], "gives clusters"),
    "wrong rule": (["preview", "DID purchse"], "“purchse” is not an event"),
    "a rule with a character that is none": (["preview", "city = 'a\0b'"], "NUL"),
    "an instant that is none": (
        ["preview", "LAST(at) OF purchase > 9999-12-31T23:59:59-12:00"],
        "is not in the calendar",
    ),
    "nonsense for an instant": (["run", "--as-of", "soon"], "--as-of soon is neither a day nor an instant"),
    "no such day": (["plan", "--as-of", "2026-02-30"], "--as-of 2026-02-30 is neither"),
    "too late": (["run", "--as-of", "9999-12-31"], "There is nothing to evaluate as of 9999-12-31"),
    "too early": (["plan", "--as-of", "0001-01-01T00:00+14:00"], "There is nothing to evaluate as of 0001-01-01"),
    "nothing to follow": (["stream"], "There is nothing to follow: no source of this project is a log"),
    "no such language": (["report", "--language", "la"], "The report does not speak “la”"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_error_says_what_and_what_to_do(facette: Facette, project: Path, name: str) -> None:
    words, message = WRONG[name]
    for_people = facette(*words, "--project", project)
    assert (for_people.code, for_people.out) == (1, "")
    assert message in for_people.err
    assert "→" in for_people.err
    for_machines = facette(*words, "--project", project, "--json")
    assert for_machines.code == 1
    assert message in for_machines.json["error"]
    assert for_machines.json["remedy"]


def test_a_day_may_be_written_in_any_way_of_iso_8601(facette: Facette, project: Path) -> None:
    written = ["2026-10-04", "20261004", "2026-W40-7", "2026-10-04T23:59:59.999999+02:00"]
    assert {facette("plan", "--project", project, "--as-of", text, "--json").json["as_of"] for text in written} == {
        "2026-10-04T23:59:59.999999+02:00"
    }


@pytest.mark.parametrize(
    "words",
    [["segments"], ["profile", "x"], ["explain", "x", "vip"], ["preview", "vip"], ["what-if", "vip"], ["report"]],
)
def test_before_the_first_run(facette: Facette, base: Path, tmp_path: Path, words: list[str]) -> None:
    fresh = copied(base, tmp_path / "fresh", has_store=False)
    said = facette(*words, "--project", fresh, "--json")
    assert said.code == 1
    assert "Nothing has been published" in said.json["error"]
    assert said.json["remedy"] == "Run `facette run` there first."


@pytest.mark.parametrize("words", [["run"], ["plan"], ["lint"], ["segments"], ["report"], ["stream"]])
def test_where_there_is_no_project(facette: Facette, tmp_path: Path, words: list[str]) -> None:
    said = facette(*words, "--project", tmp_path)
    assert said.code == 1
    assert f"there is no facette.yml in {tmp_path}" in said.err
    problems = facette(*words, "--project", tmp_path, "--json")
    assert problems.code == 1
    assert "facette init" in json.dumps(problems.json)


def test_where_nothing_can_be_written(facette: Facette, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = facette("init", tmp_path / "file" / "shop", "--json")
    assert said.code == 1
    assert "cannot be written" in said.json["error"]


def test_the_real_command_line() -> None:
    """As a process, away from any terminal: a message on standard error, nothing on standard output, exit code 1."""
    said = subprocess.run([FACETTE, "run", "--project", "/nowhere"], capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert said.stdout == ""
    assert said.stderr.startswith("facette.yml:1: error: there is no facette.yml in /nowhere")
    said = subprocess.run([FACETTE, "rum"], capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert "No such command 'rum'" in said.stderr


def test_whoever_reads_only_the_first_line_breaks_nothing(project: Path) -> None:
    command = f"{FACETTE} segments --project {project} --json | head -1"
    said = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert said.stdout == "[\n"
    assert "Traceback" not in said.stderr
