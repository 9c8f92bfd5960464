"""Compare servers of ONNX models on the same files, rows and two cores, with wrk as the client.

Run `make bench-serve`, or a part: `python -m benchmarks.serving speed --model mnist_cnn --peer fastapi`.
"""
