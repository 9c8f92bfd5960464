"""Compare servers of ONNX models: the same files, rows and two cores, with wrk as the client.

`make bench-serve`, or `python -m benchmarks.serving speed --model mnist_cnn --peer fastapi` for a part.
"""
