"""Penstock: raw data in, proven ONNX models out. The tour of the house is in README.md."""

import os

# torch's threads wait for each other by spinning. Where another program wants the cores too, that costs a small network
# five times its own time; asleep they cost nothing that can be measured. The library reads this once, when torch is
# imported, so it has to be said before.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
