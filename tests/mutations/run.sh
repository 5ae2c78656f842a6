#!/bin/bash
# tests/mutations/run.sh [--only PATTERN] [--list]
#
# Proves that the checker sees what the writer could do wrong. Each file NAME.mutation beside this script breaks one rule of
# the writer by one small change of its source; in a throw-away copy of the tree it is applied, a probe writes repositories
# with the broken writer, and the checker has to name the rule that the mutation names. One line for each mutation:
#   NAME: caught by RULE    or    NAME: NOT CAUGHT, and what was found instead
# Exit code 0 only if all are caught. A mutation whose old text is not exactly once in its file is an error: change it with the code.
#
# A mutation file:
#   why:  what is broken
#   file: the source file
#   rule: the rule that must be named
#   --- old
#   text
#   --- new
#   text
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
only=
while [ $# -gt 0 ]; do
    case $1 in
        --only)
            [ $# -gt 1 ] || { echo "run.sh: --only needs a name or a pattern such as 'counter-*'" >&2; exit 2; }
            only=$2
            shift
            ;;
        --list)
            for file in "$here"/*.mutation; do echo "$(basename "$file" .mutation): $(sed -n 's/^why: *//p' "$file")"; done
            exit 0
            ;;
        -h | --help) sed -n '2,19s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "run.sh: unknown argument $1" >&2; exit 2 ;;
    esac
    shift
done

copy=$(mktemp -d "${TMPDIR:-/tmp}/cvmfsnix-mutations.XXXXXX")
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/tree" "$copy/tree/tests"
cp -r "$top"/src "$top"/*.props "$top"/global.json "$top"/.editorconfig "$top"/CvmfsNix.Cluster.sln "$copy/tree/"
cp -r "$top"/tests/CvmfsNix.Cluster.TestKit "$top"/tests/mutations "$copy/tree/tests/"
# Left over from builds inside the tree; the copy builds everything itself.
find "$copy/tree" -type d \( -name obj -o -name bin \) -prune -exec rm -rf {} +

out=$copy/tree/artifacts/bin/CvmfsNix.Cluster.MutationProbe/release
# Style is not what is proven here, and a mutation may well leave a variable unused.
build() {
    dotnet build -c Release -nologo -v quiet -m:1 -nodeReuse:false -clp:NoSummary \
        -p:TreatWarningsAsErrors=false -p:RunAnalyzers=false -p:EnforceCodeStyleInBuild=false -p:GenerateDocumentationFile=false \
        -p:NoWarn=CS1591 "$@" >"$copy/build" 2>&1
}
probe() { "$out/CvmfsNix.Cluster.MutationProbe" >"$copy/found" 2>&1; }

# What lies between two lines of a file, without the last line break.
part() { awk -v from="--- $2" -v to="--- ${3:-}" '$0 == to { on = 0 } on { print } $0 == from { on = 1 }' "$1"; }
value() { sed -n "s/^$2: *//p" "$1" | head -n 1; }

echo "building ..."
if ! build "$copy/tree/tests/mutations/probe"; then
    grep -E 'error' "$copy/build" | sort -u | head -n 20
    echo "the tree does not build"
    exit 1
fi
if ! probe; then
    head -n 20 "$copy/found"
    echo "what the unchanged writer writes is not clean: no mutation proves anything"
    exit 1
fi

total=0 caught=0
for mutation in "$here"/*.mutation; do
    name=$(basename "$mutation" .mutation)
    # shellcheck disable=SC2053 # a pattern
    [[ -z $only || $name == $only ]] || continue
    total=$((total + 1))
    file=$copy/tree/$(value "$mutation" file)
    rule=$(value "$mutation" rule)
    old=$(part "$mutation" old new)
    new=$(part "$mutation" new)
    if [ ! -f "$file" ] || [ -z "$rule" ] || [ -z "$old" ]; then
        echo "$name: NOT CAUGHT: the mutation names no file, rule or old text of this tree"
        continue
    fi

    content=$(cat "$file")
    behind=${content#*"$old"}
    if [ "$behind" = "$content" ] || [ "${behind#*"$old"}" != "$behind" ]; then
        echo "$name: NOT CAUGHT: the old text is not exactly once in $(value "$mutation" file)"
        continue
    fi

    # Only the changed project is built; its assembly takes the place of the good one beside the probe.
    project=$(value "$mutation" file | cut -d / -f 2)
    cp "$file" "$copy/original"
    cp "$out/$project.dll" "$copy/original.dll"
    printf '%s%s%s\n' "${content%%"$old"*}" "$new" "$behind" >"$file"
    if ! build "$copy/tree/src/$project" --no-restore -p:BuildProjectReferences=false \
        || ! cp "$copy/tree/artifacts/bin/$project/release/$project.dll" "$out/"; then
        echo "$name: NOT CAUGHT: it does not build: $(grep -m 1 -o 'error .*' "$copy/build")"
    else
        probe
        if grep -q "^$rule " "$copy/found"; then
            echo "$name: caught by $rule"
            caught=$((caught + 1))
        elif [ -s "$copy/found" ]; then
            echo "$name: NOT CAUGHT by $rule, but: $(head -n 3 "$copy/found" | cut -c 1-300 | tr '\n' '|')"
        else
            echo "$name: NOT CAUGHT: nothing was found"
        fi
    fi

    cp "$copy/original" "$file"
    cp "$copy/original.dll" "$out/$project.dll"
done
echo
echo "$caught of $total mutations caught"
[ "$total" -gt 0 ] && [ "$caught" = "$total" ]
