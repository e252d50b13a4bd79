#!/usr/bin/env bash
# What knack does on a real GPU, in one command of at most 8 minutes, on a machine with PyTorch as python3's torch, torchvision and g++, without Node and
# without a network:
#
#   node scripts/gpu-check/pack.mjs CIFAR            # beforehand, where there is a network; CIFAR: a folder of CIFAR-10's binary files
#   scripts/gpu-check/run.sh OUT [--device cpu]      # there, with this repository and build/gpu-check/carry.tar.xz in it
#
# Writes OUT/results.json and OUT/log.txt, and ends with 0 where every step passed. --device cpu takes the same steps in a small size, to try them.
set -euo pipefail
begun=$EPOCHSECONDS

usage="run.sh takes OUT [--device cpu|cuda]"
out=${1:-} device=cuda
[[ -n $out ]] || { echo "$usage" >&2 && exit 2; }
case "${*:2}" in
  "") ;;
  "--device cpu" | "--device cuda") device=$3 ;;
  *) echo "unknown: ${*:2}; $usage" >&2 && exit 2 ;;
esac
carry=$(dirname "${BASH_SOURCE[0]}")/../../build/gpu-check/carry.tar.xz
[[ -f $carry ]] || { echo "run.sh: no $carry: make it with node scripts/gpu-check/pack.mjs" >&2 && exit 2; }

mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m tarfile -e "$carry" "$work"
# The steps keep to their budget by themselves; this is for one that cannot be ended.
limit=475
[[ $device == cuda ]] || limit=$((4 * limit))
timeout --kill-after=10 "$limit" "$work/node" "$work/scripts/gpu-check/steps.mjs" "$(realpath "$out")" "$device" "$begun"
