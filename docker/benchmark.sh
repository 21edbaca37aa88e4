#!/usr/bin/env bash
# Run the benchmark in an image: training and inference of both tasks with three seeds, one JSON file a run.
#
#   docker/benchmark.sh [IMAGE] [FOLDER]      lung-ssp:0.1.0-gpu, output/benchmark
#
# Variables: ENGINE runs the image (docker), with ENGINE_OPTIONS (--gpus all; empty for a CPU); DEVICE is gpu or cpu;
# OPTIONS go to every benchmark, e.g. OPTIONS="--amp O0 O1 --repeats 5"; RESUME=1 keeps the files that FOLDER holds
# already, and measures the others.
#
# A run that fails does not end the others: the exit code is 1 then. An interruption does, and an engine that does not
# start.
set -euo pipefail
image=${1:-lung-ssp:0.1.0-gpu}
folder=${2:-output/benchmark}
engine=${ENGINE:-docker}
device=${DEVICE:-gpu}
resume=${RESUME:-}
read -ra engine_options <<<"${ENGINE_OPTIONS---gpus all}"
read -ra options <<<"${OPTIONS:-}"

mkdir -p "$folder"
folder=$(realpath "$folder")
number=0
failed=()
for config in classification/table2 segmentation/improved_unet; do
    for phase in training inference; do
        for seed in 0 1 2; do
            name=${phase}-${config%/*}-seed$seed.json
            number=$((number + 1))
            if [ -n "$resume" ] && [ -e "$folder/$name" ]; then
                echo "$number of 12: $folder/$name is kept"
                continue
            fi
            echo "$number of 12: $folder/$name"
            code=0
            "$engine" run --rm --init --no-healthcheck --shm-size 2g --user "$(id -u):$(id -g)" "${engine_options[@]}" \
                --volume "$folder:/lung_ssp/output" \
                "$image" benchmark "$phase" --config "configs/$config.yml" -o "seed=$seed" --device "$device" \
                --json "output/$name" "${options[@]}" || code=$?
            case $code in
                0) ;;
                125 | 126 | 127 | 130 | 143) # the engine's own errors; Ctrl-C and SIGTERM
                    echo "Stopped: RESUME=1 goes on with the files that are missing in $folder." >&2
                    exit "$code"
                    ;;
                *) failed+=("$name (exit code $code)") ;;
            esac
        done
    done
done
if [ ${#failed[@]} -gt 0 ]; then
    printf 'Not measured: %s\n' "${failed[@]}" >&2
    exit 1
fi
