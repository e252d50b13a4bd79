#!/usr/bin/env bash
# The set-up and a short training by a user who may not become root, in Debian 12 roots, in every combination of
#
#   libtorch: Debian's, the PyTorch 2.x that python3 has from PyPI, or that of `npm run setup -- --from pip`
#   oneDNN 2's headers (libdnnl-dev): not there, there
#
#   sudo scripts/fresh-machine/combinations.sh [debian|pypi|from-pip]      # all of them, or one libtorch
#
# Prints one line a combination; the rest is in build/fresh-machine/combinations.log. Nothing is stubbed: PyPI's PyTorch is some 3 GB to download.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/root.sh"

origins=(debian pypi from-pip)
if (($# > 0)); then origins=("$@"); fi
requirements amd64
log=build/fresh-machine/combinations.log
mkdir -p "$repository/build/fresh-machine"
exec 3>&1 >"$repository/$log" 2>&1

# combination NAME ENGINE SETUP: sets knack up and trains by both engines; ENGINE is the one that people should get
combination() {
  echo "== $1"
  local outcome=passed
  if ! in_root "$3"; then
    outcome="failed: $3"
  elif ! train auto "$2"; then
    outcome="failed: a training by the $2 engine"
  elif ! train plain plain; then
    outcome="failed: a training by the plain engine"
  fi
  [[ $outcome == passed ]] || status=1
  echo "$1: $2 engine: $outcome" >&3
}

# train ENGINE RIGHT: fails where another engine computes than RIGHT
train() {
  in_root "npx knack train fashion-mnist --recipe efficient --model resnet20 --option width=8 --train-share 0.02 --epochs 1 --batch-size 64 \
    --warmup 0.2 --engine $1 > train.log; status=\$?; cat train.log; grep -q '^model: .* $2 engine' train.log && exit \$status"
}

status=0
for origin in "${origins[@]}"; do
  user=
  make_root bookworm amd64
  install python3 g++ dataset-fashion-mnist
  give_node bookworm amd64
  setup="npm run setup" without=plain
  case $origin in
    debian) install libtorch-dev libopenblas0-pthread ;;
    pypi) install python3-pip && in_root "pip install --break-system-packages --no-compile torch" ;;
    # It brings a oneDNN of its own.
    from-pip) setup="npm run setup -- --from pip" without=fast ;;
    *) die "unknown: $origin. It takes debian, pypi and from-pip" ;;
  esac
  add_user ann
  clone_knack
  combination "$origin, no libdnnl-dev" "$without" "$setup"
  (user= && install libdnnl-dev)
  combination "$origin, libdnnl-dev" fast "npm run setup"
  drop_root
done
echo "all of it: $log" >&3
exit "$status"
