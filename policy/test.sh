#!/bin/sh
# Run the packs' own tests with OPA's interpreter, each pack with the library and data that it is built with.
set -eu
cd "$(dirname "$0")/rego"

opa=${OPA:-$(command -v opa || true)}
[ -n "$opa" ] || opa=$(go env GOPATH)/bin/opa

for pack in core dpa kr post sg odrl; do
  case $pack in
    core | dpa) sources="lib agreements $pack" ;;
    odrl) sources=$pack ;;
    *) sources="lib $pack" ;;
  esac
  echo "$pack"
  "$opa" check --strict $sources fixture
  "$opa" test --fail-on-empty $sources fixture ordinary:../../spec/vectors/policy/ordinary.json
done
