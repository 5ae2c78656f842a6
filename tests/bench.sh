#!/bin/bash
# tests/bench.sh NAME [--OPTION VALUE …]
#
# Builds and runs one benchmark (without a name: what there are). Figures mean something on a machine that does nothing else; each run says how
# busy it was at the start. Needs PostgreSQL 15 for those with a cluster. Exit 0: measured, and what was measured was correct.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
dotnet build -c Release -nologo -v quiet -nodeReuse:false -clp:NoSummary tests/CvmfsNix.Cluster.Benchmarks
exec artifacts/bin/CvmfsNix.Cluster.Benchmarks/release/CvmfsNix.Cluster.Benchmarks "$@"
