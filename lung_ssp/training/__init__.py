"""Training of either task: the loop, checkpoints, logs, several processes, ONNX."""
