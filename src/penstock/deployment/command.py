"""`penstock package`: write validated models for other servers."""

from __future__ import annotations

import argparse
from pathlib import Path

from penstock.core.paths import Project


def add_package_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line; its libraries are imported when it runs."""
    package = commands.add_parser("package", help="write the validated models for Triton, KServe or Docker")
    package.description = "Write validated models for other servers. Folders with other content are not changed."
    add = package.add_argument
    add("model", nargs="*", help="models to write (default: all validated models)")
    add("--models", type=Path, help="folder of <model>/model.onnx and validation.json (default: the project's)")
    add("--triton", type=Path, metavar="DIR", help="write a Triton model repository; a new file is a new version")
    add("--docker", type=Path, metavar="DIR", help="write a build context for `docker build DIR`")
    add("--kserve", type=Path, metavar="FILE", help="write an InferenceService; give --image or --storage as well")
    add("--image", help="for --kserve: the image built from the output of --docker, by its registry's name")
    add("--storage", metavar="URI", help="for --kserve: the URI in the cluster of the output of --triton")
    package.set_defaults(run=_package)


def _package(chosen: argparse.Namespace) -> None:
    from penstock.deployment.kserve import KServeTarget
    from penstock.deployment.package import Targets, package

    folders = [chosen.models] if chosen.models else Project.find().served
    target = KServeTarget(chosen.kserve, chosen.image, chosen.storage) if chosen.kserve else None
    package(folders, chosen.model, Targets(chosen.triton, chosen.docker, target))
