"""Networks of other programs in files of tensors: read without running anything in them, rebuilt here, and written as
ONNX, which is what a run keeps."""
