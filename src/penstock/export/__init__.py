"""Export trained weights as one self-contained ONNX file that takes raw input, and an int8 copy."""
