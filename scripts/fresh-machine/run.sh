#!/usr/bin/env bash
# The README's two commands, as printed, in minimal Debian roots with nothing but what the README asks for.
#
#   sudo scripts/fresh-machine/run.sh [bookworm|trixie] [amd64|arm64]      # all four, or those that are named
#
# amd64: `npm run demo` to its figure, then `npm test`. arm64 (under qemu on other machines, where all of it would take hours): the set-up, a short
# training, losses and gradients against this machine's, and the tests that take no time. What is tested is the last commit.
# Prints one line a root; the rest is in build/fresh-machine/. root.sh says what it needs and which variables it knows.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/root.sh"

suites=(bookworm trixie) architectures=(amd64 arm64)
for argument; do
  case $argument in
    bookworm | trixie) suites=("$argument") ;;
    amd64 | arm64) architectures=("$argument") ;;
    *) die "unknown: $argument. It takes [bookworm|trixie] [amd64|arm64]" ;;
  esac
done
requirements "${architectures[@]}"

if ((${#suites[@]} + ${#architectures[@]} > 2)); then
  status=0
  trap 'kill "$child"; wait; exit 130' INT TERM HUP
  for arch in "${architectures[@]}"; do
    for suite in "${suites[@]}"; do
      "$0" "$suite" "$arch" &
      child=$!
      wait "$child" || status=1
    done
  done
  exit "$status"
fi

suite=${suites[0]} arch=${architectures[0]}
log=build/fresh-machine/$suite-$arch.log
mkdir -p "$repository/build/fresh-machine"
exec 3>&1 >"$repository/$log" 2>&1

doing="making the root" did=
at_end() {
  echo "$suite $arch: ${doing:+failed: }${doing:-passed}$did ($log)" >&3
  tidy
}
at_exit=at_end

# step COMMAND: runs it in the root; where that fails, the script ends and names it
step() {
  doing=$1
  echo "== $doing"
  local started=$SECONDS
  in_root "$1" || return # also where it is asked whether this failed, which switches off `set -e`
  took="$((SECONDS - started)) s"
  echo "== took $took"
}

# The last place in the log so far that matches.
last() { grep -oP "$1" "$repository/$log" | tail -n 1; }

amd64() {
  # The figure of docs/results.md is one seed's; threads and instruction sets change its last digits.
  local least=91.8 top1
  step "npm run demo"
  top1=$(last '^demo: top-1 \K[\d.]+')
  did+="; demo $top1 % in $took"
  doing="at least $least % were expected of the demo"
  awk "BEGIN { exit !($top1 >= $least) }"
  step "npm test" || { doing+=": $(last '^\d+ passed, \d+ failed.*')" && exit 1; }
  did+="; npm test in $took: $(last '^\d+ passed, \d+ failed.*')"
}

arm64() {
  # Without a Python, a browser or long training.
  local quick="architecture doctor order pixels profile progress random recipe/recipe schedule tensor/tensor"
  if [[ ${KNACK_CROSS:-} ]]; then lend_compiler; fi
  step "npm run setup"
  did+="; set-up in $took"
  step "node -e 'import(\"./dist/test/support/tiny-data.js\").then((data) => data.writeTinyData(\"tiny\"))'"
  step "npx knack train tiny --model resnet20 --option width=4 --epochs 2 --batch-size 32 --no-warmup"
  did+="; training in $took"
  step "node scripts/fresh-machine/steps.mjs > steps.json"
  (cd "$repository" && node scripts/fresh-machine/steps.mjs "$root$(home_in_root)/knack/steps.json")
  step "node scripts/test.mjs $quick"
  did+="; $(last '^steps: \K.*'); $(last '^\d+ passed, \d+ failed.*')"
}

make_root "$suite" "$arch"
install python3 g++
give_node "$suite" "$arch"
clone_knack
"$arch"
doing=
