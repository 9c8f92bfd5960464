"""Trained weights to one self-contained ONNX file that takes raw input, and its int8 copy."""
