"""Servers of ONNX models side by side: the same files, the same rows, the same two cores, and wrk to ask.

`make bench-serve`, or `python -m benchmarks.serving speed --model mnist_cnn --peer fastapi` for a part.
"""
