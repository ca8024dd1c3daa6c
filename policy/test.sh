#!/bin/sh
# Run the packs' own tests with OPA's interpreter, each pack with the library and data that it is built with.
set -eu
cd "$(dirname "$0")"
here=$PWD

opa=${OPA:-$(command -v opa || true)}
[ -n "$opa" ] || opa=$(go env GOPATH)/bin/opa

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
draw/draw.sh "$opa" --all "$work"
cd "$work"

for pack in cl core dpa eu kr nz post sg odrl; do
  case $pack in
    core | dpa) sources="lib agreements $pack" ;;
    odrl) sources=$pack ;;
    *) sources="lib $pack" ;;
  esac
  echo "$pack"
  "$opa" check --strict $sources fixture
  # The vectors of a pack are one test, which takes longer than the five seconds that OPA gives it.
  "$opa" test --timeout 120s --fail-on-empty $sources fixture \
    "ordinary:$here/../spec/vectors/policy/ordinary.json" "vectors:$here/../spec/vectors/policy/rules.json"
done
