"""The Open Inference Protocol v2 over gRPC; imported only where a port for it is asked for."""
