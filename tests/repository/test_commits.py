"""Subjects of commits, as CONTRIBUTING.md has them: one thing, short enough for every list of commits.

They are read from the commit on that added this file. A copy without a history has none to read.
"""

import subprocess

from repository import ROOT


def git(*arguments: str) -> list[str]:
    run = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return run.stdout.splitlines()


def wrong_subjects(subjects: list[str]) -> list[str]:
    return [subject for subject in subjects if len(subject) > 72 or ";" in subject or subject.endswith(".")]


def test_subjects_are_short_and_of_one_thing() -> None:
    added = git("log", "--diff-filter=A", "--format=%H", "--", "tests/repository/test_commits.py")
    subjects = git("log", "--no-merges", "--format=%s", f"{added[-1]}..HEAD") if added else []
    assert not wrong_subjects(subjects)


def test_what_is_wrong_is_seen() -> None:
    assert wrong_subjects(["Reject shapes whose byte size overflows"]) == []
    for subject in ("Mend this; mend that", "Mend this.", "Mend " + 68 * "x"):
        assert wrong_subjects([subject]) == [subject]
