"""Commands of `penstock` that join several packages; the others stand in the package that they run."""
