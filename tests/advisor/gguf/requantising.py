"""Quantise a model file with llama.cpp's own quantiser. Arguments: from, to, the file type's number."""

import ctypes
import sys

import llama_cpp

if __name__ == "__main__":
    silent = llama_cpp.llama_log_callback(lambda level, text, data: None)
    llama_cpp.llama_log_set(silent, ctypes.c_void_p())
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype, parameters.nthread = int(sys.argv[3]), 1
    sys.exit(llama_cpp.llama_model_quantize(sys.argv[1].encode(), sys.argv[2].encode(), ctypes.byref(parameters)))
