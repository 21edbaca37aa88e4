#!/usr/bin/env bash
# Run the benchmark in an image: training and inference of both tasks with three seeds, one JSON file a run.
#
#   docker/benchmark.sh [IMAGE] [FOLDER]      lung-ssp:0.1.0-gpu, output/benchmark
#
# Variables: ENGINE runs the image (docker), with ENGINE_OPTIONS (--gpus all; empty for a CPU); DEVICE is gpu or cpu;
# OPTIONS go to every benchmark, e.g. OPTIONS="--amp O0 O1 --repeats 5".
set -euo pipefail
image=${1:-lung-ssp:0.1.0-gpu}
folder=${2:-output/benchmark}
engine=${ENGINE:-docker}
device=${DEVICE:-gpu}
read -ra engine_options <<<"${ENGINE_OPTIONS---gpus all}"
read -ra options <<<"${OPTIONS:-}"

mkdir -p "$folder"
folder=$(realpath "$folder")
for config in classification/table2 segmentation/improved_unet; do
    for phase in training inference; do
        for seed in 0 1 2; do
            name=${phase}-${config%/*}-seed$seed.json
            echo "$folder/$name"
            "$engine" run --rm --init --no-healthcheck --shm-size 2g --user "$(id -u):$(id -g)" "${engine_options[@]}" \
                --volume "$folder:/lung_ssp/output" \
                "$image" benchmark "$phase" --config "configs/$config.yml" -o "seed=$seed" --device "$device" \
                --json "output/$name" "${options[@]}"
        done
    done
done
