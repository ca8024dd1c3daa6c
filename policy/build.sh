#!/bin/sh
# Compile the packs of rego/ into bundles/, byte for byte the same from the same sources.
#   build.sh          rebuild bundles/, DIGESTS and the modules of tests/broken/
#   build.sh --check  rebuild elsewhere and fail if a byte differs from what is committed
# Reads nothing but this folder. What makes the bytes: the sources, their paths as given here (relative), and the
# compiler's version, which is therefore pinned.
set -eu
export LC_ALL=C
cd "$(dirname "$0")"

version=1.22.2
revision=2026-11-27.4
packs="cl core dpa eu kr nz post sg"
modules="odrl" # no packs of law: built alike, in a table of their own, since no deal pins them

opa=${OPA:-$(command -v opa || true)}
[ -n "$opa" ] || opa=$(go env GOPATH 2>/dev/null)/bin/opa
if [ "$("$opa" version 2>/dev/null | sed -n 's/^Version: //p')" != "$version" ]; then
  echo "build.sh: OPA $version is needed (README.md says how to install it); set OPA to its path" >&2
  exit 1
fi

here=$PWD
out=$here
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ "${1:-}" = --check ]; then
  out=$work/out
elif [ $# -gt 0 ]; then
  echo "usage: build.sh [--check]" >&2
  exit 2
fi
mkdir -p "$out/bundles" "$out/tests/broken"

# Every file asks for the `not` under which an undefined operand counts as false.
missing=$(grep -L -x 'import future.keywords.not' $(find rego tests/broken -name '*.rego') || true)
if [ -n "$missing" ]; then
  echo "build.sh: without 'import future.keywords.not': $missing" >&2
  exit 1
fi

digest() { # of standard input, base64url without padding
  openssl dgst -sha256 -binary | base64 | tr '+/' '-_' | tr -d '='
}

compile() { # pack, source folders...
  pack=$1
  shift
  "$opa" build --target wasm --entrypoint "naru/$pack/result" --revision "$revision" --ignore '*_test.rego' \
    --output "$out/bundles/$pack.tar.gz" "$@"
}

mkdir "$work/rego"
draw/draw.sh "$opa" --all "$work/rego"
cd "$work/rego"
for pack in $packs $modules; do
  case $pack in
    core | dpa) compile "$pack" lib agreements "$pack" ;;
    odrl) compile "$pack" "$pack" ;;
    *) compile "$pack" lib "$pack" ;;
  esac
done

cd "$here/tests/broken"
for name in *.rego; do
  name=${name%.rego}
  "$opa" build --target wasm --entrypoint naru/broken/result --revision "$revision" \
    --output "$out/tests/broken/$name.tar.gz" "$name.rego" data.json
done
cd "$here"

table() { # names...
  echo "# name revision wasm data manifest pack-digest (base64url of SHA-256; opa $version)"
  for pack in "$@"; do
    bundle=$out/bundles/$pack.tar.gz
    wasm=$(tar -xzOPf "$bundle" /policy.wasm | digest)
    data=$(tar -xzOPf "$bundle" /data.json | digest)
    manifest=$(tar -xzOPf "$bundle" /.manifest | digest)
    whole=$(printf '{"data":"%s","manifest":"%s","wasm":"%s"}' "$data" "$manifest" "$wasm" | digest)
    echo "$pack $revision $wasm $data $manifest $whole"
  done
}
table $packs >"$out/bundles/DIGESTS"
table $modules >"$out/bundles/MODULES"

if [ "$out" != "$here" ]; then
  status=0
  for built in "$out"/bundles/* "$out"/tests/broken/*; do
    committed=$here/${built#"$out"/}
    if ! cmp "$built" "$committed"; then status=1; fi
  done
  [ $status -eq 0 ] && echo "build.sh: bundles are what rego/ says" || echo "build.sh: run policy/build.sh and commit" >&2
  exit $status
fi
