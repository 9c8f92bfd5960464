"""Download official files, preprocess them to memory-mapped arrays, and load batches."""
