"""Official files to memory-mapped arrays, and batches of them: download, preprocessing, data module."""
