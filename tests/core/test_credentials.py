"""Tests that messages show no password."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.credentials import without_credentials

# Printable characters but blanks: the drivers of databases take every other one as it is.
words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)


@given(user=words, password=words)
def test_an_address_keeps_neither_user_nor_password(user, password):
    text = f"cannot use postgresql://{user}:{password}@host:5432/runs; continuing"
    assert without_credentials(text) == "cannot use postgresql://host:5432/runs; continuing"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://token@host/mlflow", "https://host/mlflow"),
        ("http://ann@example.org:secret@host:5000/x", "http://host:5000/x"),
        ("http://ann:se/cret@host/x", "http://host/x"),
        ("https://host/#access_token=secret", "https://host/#access_token=***"),
        ("http://127.0.0.1:5000/#/models/iris@champion", "http://127.0.0.1:5000/#/models/iris@champion"),
        ("http://[::1]:80/a?user=ann@b.c&x=1", "http://[::1]:80/a?user=***&x=1"),
        ("postgresql://host/runs?user=ann&password=secret", "postgresql://host/runs?user=***&password=***"),
        ("GET https://host/a?X-Amz-Signature=f00&page=2", "GET https://host/a?X-Amz-Signature=***&page=2"),
        ("sqlite:////home/ann/mlflow.db", "sqlite:////home/ann/mlflow.db"),
        ("see http://host/#/runs, or mail ann@host", "see http://host/#/runs, or mail ann@host"),
    ],
)
def test_only_credentials_are_removed(text, shown):
    assert without_credentials(text) == shown


@pytest.mark.parametrize(
    "command",
    [["results"], ["ui"], ["config"], ["serve", "--port", "0", "models:/iris_mlp@champion"]],
    ids=lambda command: command[0],
)
def test_no_command_prints_the_password_of_mlflows_address(linked_project, command):
    params = linked_project / "params.yaml"  # nothing listens at this address
    params.write_text(params.read_text().replace("sqlite:///mlflow.db", "http://ann:hush-hush@127.0.0.1:9/"))
    done = subprocess.run(
        [sys.executable, "-m", "penstock.cli", *command],
        cwd=linked_project,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "127.0.0.1:9" in done.stdout + done.stderr
    assert "hush" not in done.stdout + done.stderr
