#!/usr/bin/env bash
# On a machine with nvcc and an NVIDIA GPU: builds the CUDA backend, runs the tests of test/gpu on the card (pictures are compared with the
# CPU's), and times models of real size (random weights). Writes bench/results/gpu.json and prints the table for docs/performance.md.
# SDCPP_ENGINE_DIR names the engine's source where there is no cargo; where there is no npm, bring node_modules and dist. The card's own kind is
# built for, or CUDAARCHS (CMake's). Further arguments go to bench/gpu.ts; SDCPP_GPU_BENCH=no leaves it out.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v nvcc >/dev/null || { echo "nvcc was not found: install the CUDA toolkit" >&2; exit 1; }
command -v node >/dev/null || { echo "Node.js was not found" >&2; exit 1; }
nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader
[ -d node_modules ] || npm ci --ignore-scripts
export SDCPP_BACKENDS=cuda CUDAARCHS="${CUDAARCHS:-native}"
node scripts/build-native.js --modules
if command -v npm >/dev/null; then npm run build:ts; fi
node dist/cli/cli.js devices
SDCPP_TEST_BACKEND=cuda:0 node --import tsx --test test/gpu/*.test.ts
[ "${SDCPP_GPU_BENCH:-}" = no ] || node --import tsx bench/gpu.ts --backend cuda:0 "$@"
