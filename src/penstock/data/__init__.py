"""From official files to memory-mapped arrays: download, preprocess, and batches out of memory."""
