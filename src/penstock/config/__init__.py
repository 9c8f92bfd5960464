"""params.yaml as frozen typed objects.

`load_config(path)` either returns a `Config` in which every value has been checked, or raises one `ConfigError`
with a line for each mistake: file, line, dotted key, what is wrong, and the nearest valid name.
"""

from penstock.config.project import Config, Trainer
from penstock.config.reading import load_config, place_of

__all__ = ["Config", "Trainer", "load_config", "place_of"]
