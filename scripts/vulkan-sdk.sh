#!/usr/bin/env bash
# Vulkan's headers of Debian 13, unpacked into build/vulkan-sdk, for Debian and Ubuntu systems whose own are too old (ggml needs
# 1.3.272). Prints the folder: VULKAN_SDK=$(scripts/vulkan-sdk.sh) npm run prebuilds. The shader compiler is the system's (package glslc).
set -euo pipefail
cd "$(dirname "$0")/.."
sdk="$PWD/build/vulkan-sdk"
if [ ! -e "$sdk/include/vulkan/vulkan.hpp" ]; then
  state="$sdk/apt"
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian/?$' | head -n 1)
  echo "deb ${mirror:?no Debian mirror among the sources of apt} trixie main" >"$state/sources.list"
  options=(-qq -o "Dir::Etc::SourceList=$state/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$state/lists" -o "Dir::Cache=$state/cache")
  apt-get "${options[@]}" update >&2
  (cd "$state" && apt-get "${options[@]}" download libvulkan-dev spirv-headers >&2)
  for package in "$state"/*.deb; do dpkg-deb -x "$package" "$sdk/root"; done
  ln -sfn root/usr/include "$sdk/include"
fi
echo "$sdk"
