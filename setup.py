"""Add to the wheel what `penstock init` writes: the scripts of the stages, dvc.yaml, and DVC's plot templates."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

TEMPLATE = ("dvc.yaml", ".dvcignore", ".dvc/plots/*.json", "pipelines/*.py")


class BuildWithTemplate(build_py):
    """Copy the files from the root of the repository, where an editable installation finds them itself."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        folder = Path(self.build_lib) / "penstock" / "new" / "template"
        for source in (path for pattern in TEMPLATE for path in Path().glob(pattern)):
            (folder / source).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / source)


setup(cmdclass={"build_py": BuildWithTemplate})
