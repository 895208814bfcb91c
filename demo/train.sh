#!/usr/bin/env bash
# From scratch on a GPU: autoencoder, text encoder (on the CPU, beside it), MMDiT for the given minutes, the GGUF files, and a check in PyTorch:
# `./train.sh MINUTES FOLDER`. FOLDER gets archives of the files and pictures of each stage, and a file `done` at the end.
set -euo pipefail
cd "$(dirname "$0")"
minutes=$1 out=$2
mkdir -p "$out"
export PYTHONUNBUFFERED=1
python3 train_text.py 4000 >"$out/text.log" 2>&1 &
text=$!
python3 train_tae.py 70 --batch 64 --pool 1024
python3 train_tae.py 30 --batch 64 --pool 1024 --freeze
work=$(python3 -c 'import files; print(files.WORK)')
cp "$work/tae.png" "$out"
PSIZE=.6 PSMALL=.6 python3 train_dit.py --minutes "$minutes" --compile --batch 256 --pool 65536 --fresh 1024 --ema .9995
cp "$work/samples.png" "$out"
python3 export.py mmdit
python3 export.py tae
XZ_OPT='-T0 -6' tar -cJf "$out/pictures.tar.xz" -C "$work" demo-mmdit.gguf demo-tae.gguf
python3 evaluate.py prompts 400 "$work/check"
python3 evaluate.py sample "$work/check"
python3 evaluate.py judge "$work/check"
cp "$work/check/sheet.png" "$work/check/result.json" "$out"
wait "$text"
tail -n 1 "$out/text.log"
python3 export.py clip_l
XZ_OPT='-T0 -6' tar -cJf "$out/text.tar.xz" -C "$work" demo-clip_l.gguf
touch "$out/done"
