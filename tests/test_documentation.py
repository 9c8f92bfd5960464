"""The documentation names what there is: keys of reports, folders, files; its examples run."""

import json
import re

import pytest

from tests.conftest import REPOSITORY

PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted(REPOSITORY.glob("docs/**/*.md"))]
PAGES += [REPOSITORY / "data/README.md", REPOSITORY / "benchmarks/README.md"]
# Files that exist only after a run.
OUTPUTS = ("data/", "models/mnist_cnn/", "results/")


@pytest.fixture(scope="module")
def text(repository):
    return (repository / "docs/reports.md").read_text()


def keys(content, prefix=""):
    """Yield the dotted keys of a report; names of splits, classes and official files are not explained.

    Those of the rows of a list have no prefix.
    """
    for key, value in content.items():
        for row in value if isinstance(value, list) else ():
            yield from row if isinstance(row, dict) else ()
        if isinstance(value, dict) and key not in {"classes", "training_inputs", "within", "across"}:
            yield from keys(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


@pytest.mark.parametrize(
    ("report", "heading"),
    [
        ("imdb/data.json", "data.json"),
        ("iris/data.json", "data.json"),
        ("iris_mlp/training.json", "training.json"),
        ("mnist_autoencoder/training.json", "training.json"),
        ("mnist_gan/training.json", "training.json"),
        ("imdb_lstm/validation.json", "validation.json"),
        ("mnist_autoencoder/validation.json", "validation.json"),
        ("mnist_gan/validation.json", "validation.json"),
        ("iris_mlp/val.json", "val.json"),
        ("mnist_gan/val.json", "val.json"),
        ("mnist_autoencoder/test.json", "test.json"),
        ("mnist_gan/test.json", "test.json"),
    ],
)
def test_every_key_of_a_report_is_explained(small_run, repository, text, report, heading):
    """Keys of behaviour tests stand without the name of the test; metrics.md explains the metrics of `test`."""
    (section,) = [part for part in text.split("\n## ") if heading in part.splitlines()[0]]
    named = set(re.findall(r"`\.?([\w.<>]+)`", section))
    named |= {f"test.{metric}" for metric in re.findall(r"`test/(\w+)`", (repository / "docs/metrics.md").read_text())}
    for key in keys(json.loads((small_run.root / "reports" / report).read_text())):
        general = re.sub(r"^splits\.\w+\.", "splits.<split>.", key)
        general = re.sub(r"^behaviour\.\w+\.", "", general)
        general = re.sub(r"^(duplicates\.(official|splits))\..*", r"\1", general)
        assert general in named, key


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_to_a_file_and_a_heading(page):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text()):
        if "://" not in target:
            path = page.parent / target if target else page
            assert path.exists(), target
            assert not anchor or anchor in anchors(path), f"{target}#{anchor}"


def anchors(page):
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.fixture(scope="module")
def architecture(repository):
    return (repository / "docs/architecture.md").read_text()


def test_the_tree_of_the_architecture_is_that_of_the_package(repository, architecture):
    tree = architecture.split("```text\n")[1].split("```")[0]
    parents: list[str] = []
    named = set()
    for indent, name in re.findall(r"^( *)(\S+?)/? +\S", tree, re.MULTILINE):
        parents = [*parents[: len(indent) // 2], name]
        named.add("/".join(parents))
    package = repository / "src/penstock"
    source = {
        f"src/penstock/{folder.relative_to(package)}"
        for folder in package.rglob("*")
        if folder.is_dir() and "serving/ui/" not in str(folder) and folder.name != "__pycache__"
    }
    assert {name for name in named if name.startswith("src/penstock/")} == source
    assert all((repository / name).exists() for name in named)


def test_the_import_order_of_the_architecture_is_the_contract(repository, architecture):
    shown = architecture.split("```text\n")[2].split("```")[0]
    contract = (repository / "pyproject.toml").read_text().split('name = "Imports go one way"')[1].split("]")[0]
    layers = [
        {name.strip().removeprefix("penstock.") for name in layer.split("|")}
        for layer in re.findall(r'"(penstock[^"]*)"', contract)
    ]
    assert [set(line.split(", ")) - {"pipelines"} for line in shown.strip().splitlines()] == layers


def test_every_file_that_the_architecture_names_exists(repository, architecture):
    source = repository / "src/penstock"
    for name in re.findall(r"`((?:\w+/)+\w*(?:\.\w+)?)`", architecture):
        if not name.startswith(OUTPUTS):
            assert any((folder / name).exists() for folder in (repository, source)), name


def test_every_decision_is_in_the_index_and_says_when_to_decide_again(repository):
    pages = {page for page in (repository / "docs/decisions").glob("*.md") if page.name != "README.md"}
    index = (repository / "docs/decisions/README.md").read_text()
    assert {page.name for page in pages} == set(re.findall(r"\]\(([\w-]+\.md)\)", index))
    for page in pages:
        assert "**Decision.**" in page.read_text(), page.name
        assert "\n## When to decide again\n" in page.read_text(), page.name


def test_a_module_runs_under_a_plain_trainer(changed_run, architecture):
    (example,) = re.findall(r"```python\n(.*?)```", architecture, re.DOTALL)
    assert "max_epochs=3" in example
    output = changed_run.run("python", "-c", f"{example}\nprint('steps', trainer.global_step)").stdout
    rows = json.loads((changed_run.root / "reports/iris/data.json").read_text())["splits"]["train"]["rows"]
    assert f"steps {3 * -(-rows // 16)}" in output
