#!/bin/sh
# Makes everything in this folder that comes from diffusers, transformers and sentencepiece: see README.md.
# Rows by name to draw these alone. The Python environment is made on the first run, in .cache/reference.
set -eu
cd "$(dirname "$0")/../.."
[ -d node_modules ] || npm ci --ignore-scripts
[ -d engine/source ] || node scripts/fetch-engine.js
environment=.cache/reference
if [ ! -x "$environment/bin/python" ]; then
  python3 -m venv "$environment"
fi
"$environment/bin/pip" install --quiet --requirement test/reference/requirements.txt
[ $# -gt 0 ] || "$environment/bin/python" test/reference/tokens.py
"$environment/bin/python" test/reference/reference.py "$@"
"$environment/bin/python" test/reference/beta.py
npx biome format --write test/reference/sigmas.json test/reference/beta.json
