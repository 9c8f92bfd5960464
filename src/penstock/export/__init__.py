"""The only part that imports onnx: trained weights to one self-contained file of raw inputs, and its proof."""
