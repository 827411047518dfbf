"""The experiment of a tuning and its TensorBoard, as far as reading training curves goes."""
