#!/bin/sh
# Draws up the plan of a pack, to be compiled or tested with it. A pack says the same without, and takes ten times as long.
#   draw.sh OPA PACK SOURCES...    in a folder that holds the sources: writes PACK/pack/plan.json
#   draw.sh OPA --all FOLDER       copies rego/ there and draws the plan of every pack of law
set -eu
export LC_ALL=C
opa=$1 pack=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)

if [ "$pack" = --all ]; then
  cp -R "$here/../rego/." "$1"
  cd "$1"
  for pack in cl core dpa eu kr nz post sg; do
    case $pack in
      core | dpa) "$here/draw.sh" "$opa" "$pack" lib agreements "$pack" ;;
      *) "$here/draw.sh" "$opa" "$pack" lib "$pack" ;;
    esac
  done
  exit
fi

files=$(find "$@" -name '*.rego' ! -name '*_test.rego' | sort)
# The frame reads by the pointers of the descriptions. Everybody else names members, and so `opa deps` knows which.
other=$(grep -nE '(^|[^a-z_."])input($|[^.a-z_])' $files | grep -v -e '^lib/gate.rego:' -e ':[0-9]*:#' || true)
if [ -n "$other" ]; then
  echo "draw.sh: a member of the input must be named: $other" >&2
  exit 1
fi

flags=
for source; do flags="$flags --data $source"; done
rm -f "$pack/pack/plan.json"
words=$(grep -ohE '"/[a-z0-9_/]+"' $files | sort -u | paste -s -d , -)
deps=$("$opa" deps --format json --ignore '*_test.rego' $flags "data.naru.$pack.result")
plan=$(printf '{"deps":%s,"words":[%s]}' "$deps" "$words" |
  "$opa" eval --format raw --ignore '*_test.rego' --data "$here/draw.rego" $flags --stdin-input data.naru.draw.pack)
printf '%s\n' "$plan" >"$pack/pack/plan.json"
