#!/usr/bin/env bash
# From scratch on a GPU: autoencoder, text encoder (on the CPU, beside it), MMDiT for the given minutes, the GGUF files, and a check in PyTorch:
# `./train.sh MINUTES FOLDER`. FOLDER gets each stage's archive and pictures as soon as it is through, and a file `done` at the end.
set -euo pipefail
cd "$(dirname "$0")"
minutes=$1
mkdir -p "$2"
out=$(realpath "$2")
export PYTHONUNBUFFERED=1
work=$(python3 -c 'import files; print(files.WORK)')

ship() {    # NAME: exports the network into FOLDER/NAME.tar.xz
  python3 export.py "$1"
  XZ_OPT='-T0 -6' tar -cJf "$out/$1.part" -C "$work" "demo-$1.gguf"
  mv "$out/$1.part" "$out/$1.tar.xz"
}

(python3 train_text.py 4000 && ship clip_l) >"$out/text.log" 2>&1 &
text=$!
python3 train_tae.py 70 --batch 64 --pool 1024
python3 train_tae.py 30 --batch 64 --pool 1024 --freeze
cp "$work/tae.png" "$out"
ship tae
PSIZE=.6 PSMALL=.6 python3 train_dit.py --minutes "$minutes" --compile --batch 256 --pool 65536 --fresh 1024 --ema .9995
cp "$work/samples.png" "$out"
ship mmdit
python3 evaluate.py prompts 400 "$work/check"
python3 evaluate.py sample "$work/check"
python3 evaluate.py judge "$work/check"
cp "$work/check/sheet.png" "$work/check/result.json" "$out"
wait "$text"
tail -n 2 "$out/text.log"
touch "$out/done"
