#!/bin/sh
# Gather CUDA's libraries in one folder, each also under its name without a version: Paddle 2.6 opens "libcudnn.so" and so
# on, names that only CUDA's development packages have. Without the libraries it opens there is no image.
#
#   link_cuda.sh FOLDER LIBRARY ...      patterns without a match are passed over
set -eu
folder=$1
shift
mkdir -p "$folder"
for library in "$@"; do
    [ -e "$library" ] || continue
    name=$(basename "$library")
    ln -sf "$library" "$folder/$name"
    ln -sf "$library" "$folder/${name%%.so*}.so"
done
for name in cublas cublasLt cudnn cufft curand cusolver cusparse nccl nvrtc; do
    if [ ! -e "$folder/lib$name.so" ]; then
        echo "There is no lib$name: take a base image with CUDA, or install CUDA's wheels (build argument CUDA_WHEELS)." >&2
        exit 1
    fi
done
