#!/usr/bin/env bash
# debian_packages.sh: installs what CMakeLists.txt needs, as root.
# debian_packages.sh FOLDER: also fills FOLDER for -D ONNXRUNTIME_ROOT: headers of Debian 13's libonnxruntime-dev, which
# Debian 12 lacks, and the library of the Python wheel that is installed for $PYTHON. ONNX Runtime's C API is stable:
# headers of 1.21 fit every later library.
set -euo pipefail

packages="ca-certificates cmake g++ libopencv-dev libssl-dev make"
install() { apt-get install -y --no-install-recommends -o Acquire::Retries=3 $packages >/dev/null; }
if ! dpkg -s $packages >/dev/null 2>&1; then
  install || { apt-get update -qq && install; }
fi
test $# -eq 0 && exit

folder=$(mkdir -p "$1" && cd "$1" && pwd)
library=$("${PYTHON:-python3}" -c 'import glob, onnxruntime; print(*glob.glob(onnxruntime.__path__[0] + "/capi/libonnxruntime.so.*"))')
test -n "$library" || { echo "onnxruntime's wheel for ${PYTHON:-python3} has no libonnxruntime.so" >&2; exit 2; }
mkdir -p "$folder/lib"
for name in libonnxruntime.so libonnxruntime.so.1; do ln -sf "$library" "$folder/lib/$name"; done
test -e "$folder/include/onnxruntime_cxx_api.h" && exit

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
chmod -R a+rX "$work"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main" >"$work/sources"
trixie() {
  apt-get -qq -o Acquire::Retries=3 -o APT::Sandbox::User=root -o Dir::Etc::sourcelist="$work/sources" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" "$@"
}
cd "$work"
trixie update
trixie download libonnxruntime-dev
dpkg-deb -x libonnxruntime-dev_*.deb unpacked
mkdir "$folder/include"
cp unpacked/usr/include/onnxruntime/*.h "$folder/include"
