"""The first of the changed programs of `make test-mutations`: each is READY or refused, and the server goes on."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import exported_suite
import older_archives
from mutants import mutant
from mutations import ASKED, bases, run_cases
from served_models import zipped

SEED, COUNT, OLDER_COUNT = 1, 300, 100


def test_changed_programs_do_not_end_the_server(tmp_path: Path) -> None:
    exported_suite.save_all(tmp_path, ASKED)
    report = run_cases(bases(tmp_path), SEED, range(COUNT))
    assert report.faults == []
    assert sum(report.verdicts.values()) == COUNT
    assert report.verdicts["refused at load"] > COUNT / 4
    assert report.verdicts["the same answer"] > COUNT / 20, "hardly a change was harmless"


@pytest.mark.parametrize("form", older_archives.FORMS)
def test_changed_programs_of_older_versions_do_not_end_the_server(form: str, tmp_path: Path) -> None:
    exported_suite.save_all(tmp_path, ASKED)
    report = run_cases(bases(tmp_path, form), SEED, range(OLDER_COUNT))
    assert report.faults == []
    assert sum(report.verdicts.values()) == OLDER_COUNT
    assert report.verdicts["refused at load"] > OLDER_COUNT / 4
    assert report.verdicts["the same answer"] > OLDER_COUNT / 20, "hardly a change was harmless"


def test_a_description_of_which_nothing_is_left_is_a_case_too() -> None:
    content = zipped({"model/models/model.json": '{"a": 1}'})
    for seed in range(200):
        assert mutant(content, random.Random(seed)) == mutant(content, random.Random(seed))
